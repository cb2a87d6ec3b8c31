/** The record batch: Kafka's, magic 2. The unit of write, storage and delivery; see layout.ts for the bytes. */
export {
  type BatchOptions,
  BatchReader,
  encodeBatch,
  iterateBatches,
  iterateRecords,
  type LogRecord,
  type RecordInput,
  rewriteBatch,
} from './batch.ts';
export { BatchBuilder, type FinishOptions, type Header, type ProducerStamp } from './batch-builder.ts';
export {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  batchBaseOffset,
  batchByteLength,
  batchCount,
  batchCrcMatches,
  batchMaxTimestamp,
  batchNextOffset,
  type Compression,
  readBatchHeader,
  stampBaseOffset,
  stampProducer,
  verifyBatch,
} from './layout.ts';
export { murmur2, partitionForKey } from './partitioner.ts';
export { RecordCursor, readHeaders } from './record-cursor.ts';
