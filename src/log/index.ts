/** The log: its contract, the reference engine, consumer groups, and what every engine shares. */
export { checkBatch, checkOffsetCommit, checkStateChange } from './append-rules.ts';
export * from './contract.ts';
export { type BoxDescription, type BoxedLetter, DeadLetterBox } from './dead-letter-box.ts';
export {
  type DeadLetter,
  deadLetterBatch,
  deadLetterRecord,
  deadTopicName,
  ensureDeadTopic,
  readDeadLetter,
  topicOfDead,
  valueOmitted,
} from './dead-letters.ts';
export { type CoordinatorOptions, GroupCoordinator, type GroupDescription } from './group-coordinator.ts';
export type { AssignedPartition, Member, MemberListener, MemberOptions, TopicPartition } from './member.ts';
export { MemoryLog } from './memory-log.ts';
export {
  type ProducerEntry,
  ProducerSequences,
  type ProducerSnapshot,
  type ProducerUndo,
} from './producer-sequences.ts';
export type {
  HandedRecord,
  NackOptions,
  QueueListener,
  QueueMember,
  QueueMemberOptions,
  QueueOptions,
} from './queue/queue-member.ts';
export type { QueueDepth } from './queue/queue-metrics.ts';
export { type Extent, type LogReader, openReader, type ReaderSource, type StateExtent } from './reader.ts';
export {
  encodeStateBlock,
  iterateStateBlock,
  STATE_BLOCK_KEY_BYTES_MAX,
  StateBlockBuilder,
  type StateBlockEntry,
} from './state-block.ts';
export { checkTopicName, resolveTopicConfig } from './topic-rules.ts';
export { asBuffer, readUtf8 } from './utf8.ts';
