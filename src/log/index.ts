/** The log: its contract, and what every engine of it shares. */
export * from './contract.ts';
export {
  type ProducerEntry,
  ProducerSequences,
  type ProducerSnapshot,
  type ProducerUndo,
} from './producer-sequences.ts';
export { checkTopicName, resolveTopicConfig } from './topic-rules.ts';
