/**
 * Kafka's record batch, magic 2 (kafka.apache.org, "Record Batch"): where each field stands, and reading them.
 * All integers big endian.
 *
 *    0  baseOffset            i64 ┐ stamped by the log; the checksum leaves these sixteen
 *    8  batchLength           i32 │ and the next five bytes out, so stamping does not
 *   12  partitionLeaderEpoch  i32 │ touch the payload
 *   16  magic                 i8  ┘ = 2
 *   17  crc                   u32   CRC-32C from 21 to the end
 *   21  attributes            i16   0-2 compression, 3 timestamp type, 4 transactional, 5 control
 *   23  lastOffsetDelta       i32
 *   27  baseTimestamp         i64
 *   35  maxTimestamp          i64
 *   43  producerId            i64   -1: none
 *   51  producerEpoch         i16
 *   53  baseSequence          i32
 *   57  count                 i32
 *   61  records
 *
 * `batchLength` counts what follows it. Sluice writes no leader epoch: the field is -1 there, and a batch
 * whose base offset is not the expected one is damaged, so the uncovered bytes are checked as well.
 */
import { crc32c } from '#crc32c';
import { SluiceError } from '#kernel';

export const BATCH_HEADER_BYTES = 61;
const LENGTH_AT = 8;
const LENGTH_COUNTS_FROM = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
const CRC_FROM = 21;
const ATTRIBUTES_AT = 21;
const LAST_DELTA_AT = 23;
const BASE_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
const BASE_SEQUENCE_AT = 53;
const COUNT_AT = 57;
const NO_LEADER_EPOCH = 0xffff_ffff;
const TWO_32 = 2 ** 32;

export type Compression = 'none' | 'gzip' | 'snappy';
/** Kafka's codes for them; lz4 (3) and zstd (4) are refused. */
const COMPRESSION_CODES: readonly Compression[] = ['none', 'gzip', 'snappy'];
const CODE_MASK = 0b111;
const KNOWN_ATTRIBUTES = CODE_MASK;

export interface BatchHeader {
  readonly baseOffset: number;
  /** The whole batch, first byte to last. */
  readonly byteLength: number;
  readonly compression: Compression;
  readonly lastOffsetDelta: number;
  /** Milliseconds. */
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  /** -1: not idempotent. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly count: number;
}

export interface HeaderFields {
  compression: Compression;
  lastOffsetDelta: number;
  baseTimestamp: number;
  maxTimestamp: number;
  producerId: number;
  producerEpoch: number;
  baseSequence: number;
  count: number;
  baseOffset: number;
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) * 0x1000000 +
      (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))) >>>
    0
  );
}

function readI64(bytes: Uint8Array, at: number): number {
  return (readU32(bytes, at) | 0) * TWO_32 + readU32(bytes, at + 4);
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function writeI64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / TWO_32));
  writeU32(bytes, at + 4, value - Math.floor(value / TWO_32) * TWO_32);
}

// Single fields, unchecked, for loops over batches that were checked when they were appended.

export function batchBaseOffset(bytes: Uint8Array, at: number): number {
  return readI64(bytes, at);
}

export function batchByteLength(bytes: Uint8Array, at: number): number {
  return LENGTH_COUNTS_FROM + readU32(bytes, at + LENGTH_AT);
}

export function batchNextOffset(bytes: Uint8Array, at: number): number {
  return readI64(bytes, at) + readU32(bytes, at + LAST_DELTA_AT) + 1;
}

export function batchMaxTimestamp(bytes: Uint8Array, at: number): number {
  return readI64(bytes, at + MAX_TIMESTAMP_AT);
}

export function batchCount(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + COUNT_AT);
}

/** Gives the batch its place in a partition. */
export function stampBaseOffset(bytes: Uint8Array, at: number, offset: number): void {
  writeI64(bytes, at, offset);
  writeU32(bytes, at + LENGTH_COUNTS_FROM, NO_LEADER_EPOCH);
}

/** Makes the batch the `sequence`th record on of an idempotent producer; its checksum is written anew. */
export function stampProducer(bytes: Uint8Array, producer: { id: number; epoch: number; sequence: number }): void {
  writeI64(bytes, PRODUCER_ID_AT, producer.id);
  bytes[PRODUCER_EPOCH_AT] = producer.epoch >> 8;
  bytes[PRODUCER_EPOCH_AT + 1] = producer.epoch;
  writeU32(bytes, BASE_SEQUENCE_AT, producer.sequence);
  writeU32(bytes, CRC_AT, crc32c(bytes.subarray(CRC_FROM, batchByteLength(bytes, 0))));
}

/** Fills in everything before the records and the checksum, over the finished batch `bytes`. */
export function writeHeader(bytes: Uint8Array, fields: HeaderFields): void {
  stampBaseOffset(bytes, 0, fields.baseOffset);
  writeU32(bytes, LENGTH_AT, bytes.length - LENGTH_COUNTS_FROM);
  bytes[MAGIC_AT] = 2;
  bytes[ATTRIBUTES_AT] = 0;
  bytes[ATTRIBUTES_AT + 1] = COMPRESSION_CODES.indexOf(fields.compression);
  writeU32(bytes, LAST_DELTA_AT, fields.lastOffsetDelta);
  writeI64(bytes, BASE_TIMESTAMP_AT, fields.baseTimestamp);
  writeI64(bytes, MAX_TIMESTAMP_AT, fields.maxTimestamp);
  writeI64(bytes, PRODUCER_ID_AT, fields.producerId);
  bytes[PRODUCER_EPOCH_AT] = fields.producerEpoch >> 8;
  bytes[PRODUCER_EPOCH_AT + 1] = fields.producerEpoch;
  writeU32(bytes, BASE_SEQUENCE_AT, fields.baseSequence);
  writeU32(bytes, COUNT_AT, fields.count);
  writeU32(bytes, CRC_AT, crc32c(bytes.subarray(CRC_FROM)));
}

function malformed(message: string): SluiceError {
  return new SluiceError('BATCH_MALFORMED', message);
}

/**
 * The header of the batch at `at`, its structure checked against the bytes there are, not its checksum.
 * @throws BATCH_MALFORMED, BATCH_UNSUPPORTED
 */
export function readBatchHeader(bytes: Uint8Array, at = 0): BatchHeader {
  const available = bytes.length - at;
  if (available < BATCH_HEADER_BYTES) throw malformed(`${available} bytes are less than a batch header`);
  const byteLength = batchByteLength(bytes, at);
  if (byteLength < BATCH_HEADER_BYTES || byteLength > available) {
    throw malformed(`a batch length of ${byteLength} does not fit in ${available} bytes`);
  }
  const magic = bytes[at + MAGIC_AT] as number;
  if (magic !== 2) throw new SluiceError('BATCH_UNSUPPORTED', `record batch magic ${magic}: only 2 is supported`);
  const attributes = ((bytes[at + ATTRIBUTES_AT] as number) << 8) | (bytes[at + ATTRIBUTES_AT + 1] as number);
  const compression = COMPRESSION_CODES[attributes & CODE_MASK];
  if (compression === undefined || (attributes & ~KNOWN_ATTRIBUTES) !== 0) {
    throw new SluiceError(
      'BATCH_UNSUPPORTED',
      `batch attributes 0x${attributes.toString(16)}: only compression none, gzip and snappy is supported`,
      { attributes },
    );
  }
  const header: BatchHeader = {
    baseOffset: readI64(bytes, at),
    byteLength,
    compression,
    lastOffsetDelta: readU32(bytes, at + LAST_DELTA_AT) | 0,
    baseTimestamp: readI64(bytes, at + BASE_TIMESTAMP_AT),
    maxTimestamp: readI64(bytes, at + MAX_TIMESTAMP_AT),
    producerId: readI64(bytes, at + PRODUCER_ID_AT),
    producerEpoch:
      (((bytes[at + PRODUCER_EPOCH_AT] as number) << 24) >> 16) | (bytes[at + PRODUCER_EPOCH_AT + 1] as number),
    baseSequence: readU32(bytes, at + BASE_SEQUENCE_AT) | 0,
    count: readU32(bytes, at + COUNT_AT) | 0,
  };
  if (header.count < 1 || header.lastOffsetDelta < header.count - 1) {
    throw malformed(`${header.count} records cannot span ${header.lastOffsetDelta + 1} offsets`);
  }
  if (header.producerId > Number.MAX_SAFE_INTEGER) {
    throw new SluiceError('BATCH_UNSUPPORTED', 'producer ids of 2^53 and more are not supported');
  }
  return header;
}

export function batchCrcMatches(bytes: Uint8Array, at: number): boolean {
  const end = at + batchByteLength(bytes, at);
  return readU32(bytes, at + CRC_AT) === crc32c(bytes.subarray(at + CRC_FROM, end));
}

/**
 * What an append checks: exactly one whole batch at `at` of dense offsets with a matching checksum.
 * @throws BATCH_MALFORMED, BATCH_UNSUPPORTED, BATCH_CRC_MISMATCH
 */
export function verifyBatch(bytes: Uint8Array, at = 0): BatchHeader {
  const header = readBatchHeader(bytes, at);
  if (!batchCrcMatches(bytes, at)) throw new SluiceError('BATCH_CRC_MISMATCH');
  if (header.lastOffsetDelta !== header.count - 1) {
    throw malformed(`${header.count} records do not fill ${header.lastOffsetDelta + 1} offsets`);
  }
  if (header.baseTimestamp < 0 || header.maxTimestamp < 0 || header.maxTimestamp > Number.MAX_SAFE_INTEGER) {
    throw malformed('a timestamp is out of range');
  }
  if (header.producerId >= 0 && (header.producerEpoch < 0 || header.baseSequence < 0)) {
    throw malformed('an idempotent batch needs an epoch and a sequence number');
  }
  return header;
}
