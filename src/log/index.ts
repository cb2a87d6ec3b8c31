/** The log: its contract, consumer groups above it, and what every engine of it shares. */
export * from './contract.ts';
export {
  type AssignedPartition,
  GroupCoordinator,
  type GroupDescription,
  type Member,
  type MemberListener,
  type MemberOptions,
  type TopicPartition,
} from './group.ts';
export {
  type ProducerEntry,
  ProducerSequences,
  type ProducerSnapshot,
  type ProducerUndo,
} from './producer-sequences.ts';
export { checkTopicName, resolveTopicConfig } from './topic-rules.ts';
