/**
 * Whole batches: encoding a list of records, walking the records of a batch, and rewriting one for
 * key compaction.
 */
import { decompress } from '#codecs';
import { DEFAULT_LIMITS, decodeUtf8, SluiceError } from '#kernel';
import { BatchBuilder, type FinishOptions, type Header } from './batch-builder.ts';
import { BATCH_HEADER_BYTES, type BatchHeader, readBatchHeader } from './layout.ts';
import { ByteReader } from './varint.ts';

export interface RecordInput {
  readonly key?: Uint8Array | null;
  readonly value?: Uint8Array | null;
  readonly headers?: readonly Header[];
  /** Epoch milliseconds; default `BatchOptions.now`. */
  readonly timestamp?: number;
}

/** Key, value and header values are views into the batch (or into its decompressed records). */
export interface LogRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly Header[];
}

export interface BatchOptions extends FinishOptions {
  /** Epoch milliseconds of records that carry none; default the present. */
  readonly now?: number;
}

const BUILD_BYTES = 4096;
const NO_HEADERS: readonly Header[] = [];

/** One batch of one or more records. */
export function encodeBatch(records: readonly RecordInput[], options: BatchOptions = {}): Uint8Array {
  const builder = new BatchBuilder(BUILD_BYTES);
  const now = options.now ?? Date.now();
  for (const record of records) {
    builder.add(record.key ?? null, record.value ?? null, record.headers ?? NO_HEADERS, record.timestamp ?? now);
  }
  return builder.finish(options);
}

/** The batches that stand back to back in `bytes`. @throws BATCH_MALFORMED, BATCH_UNSUPPORTED */
export function* iterateBatches(bytes: Uint8Array): Iterable<{ header: BatchHeader; at: number }> {
  for (let at = 0; at < bytes.length; ) {
    const header = readBatchHeader(bytes, at);
    yield { header, at };
    at += header.byteLength;
  }
}

/**
 * The records of the batch at `at`, read as they are asked for. Does not look at the checksum.
 * @throws BATCH_MALFORMED where the framing does not add up, BATCH_TOO_LARGE where decompression would
 */
export function* iterateRecords(bytes: Uint8Array, at = 0): Iterable<LogRecord> {
  const header = readBatchHeader(bytes, at);
  const section = bytes.subarray(at + BATCH_HEADER_BYTES, at + header.byteLength);
  const records = decompress(header.compression, section, DEFAULT_LIMITS.decompressedBytesMax);
  const reader = new ByteReader(records, 0, records.length);
  for (let i = 0; i < header.count; i++) yield readRecord(reader, header);
  if (reader.at !== records.length) throw new SluiceError('BATCH_MALFORMED', 'bytes are left behind the last record');
}

/**
 * Single records of the batch at `at`, found by stepping over those before them without decoding them. Quick when the
 * offsets asked for ascend; the records are views into `bytes`, or into the decompressed records.
 */
export class BatchReader {
  readonly header: BatchHeader;
  readonly #records: Uint8Array;
  #reader: ByteReader;
  /** Records in front of the reader. */
  #passed = 0;

  /** @throws as `iterateRecords` */
  constructor(bytes: Uint8Array, at = 0) {
    this.header = readBatchHeader(bytes, at);
    const section = bytes.subarray(at + BATCH_HEADER_BYTES, at + this.header.byteLength);
    this.#records = decompress(this.header.compression, section, DEFAULT_LIMITS.decompressedBytesMax);
    this.#reader = new ByteReader(this.#records, 0, this.#records.length);
  }

  /** What it holds in memory: the records, decompressed. */
  get bytes(): number {
    return this.#records.length;
  }

  /** Undefined where the batch has no record of that offset. @throws BATCH_MALFORMED */
  read(offset: number): LogRecord | undefined {
    const delta = offset - this.header.baseOffset;
    if (delta < 0 || delta > this.header.lastOffsetDelta) return undefined;
    const found = this.#readFrom(delta);
    if (found !== undefined) return found;
    this.#reader = new ByteReader(this.#records, 0, this.#records.length);
    this.#passed = 0;
    return this.#readFrom(delta);
  }

  /** The record from where the reader is; else it stops in front of the first one behind it. */
  #readFrom(wanted: number): LogRecord | undefined {
    const reader = this.#reader;
    while (this.#passed < this.header.count) {
      const start = reader.at;
      const length = reader.varint();
      const next = reader.at + length;
      // The attributes, a byte, and the timestamp.
      reader.at++;
      reader.varint();
      const delta = reader.varint();
      reader.at = delta < wanted ? next : start;
      if (delta > wanted) return undefined;
      this.#passed++;
      if (delta === wanted) return readRecord(reader, this.header);
    }
    return undefined;
  }
}

function readRecord(reader: ByteReader, header: BatchHeader): LogRecord {
  const length = reader.varint();
  const body = new ByteReader(reader.bytes, reader.at, reader.at + length);
  reader.take(length);
  body.take(1);
  const timestamp = header.baseTimestamp + body.varint();
  const delta = body.varint();
  if (delta < 0 || delta > header.lastOffsetDelta) {
    throw new SluiceError('BATCH_MALFORMED', `an offset delta of ${delta} is outside its batch`);
  }
  const key = body.nullable();
  const value = body.nullable();
  const headerCount = body.varint();
  if (headerCount < 0 || headerCount > length)
    throw new SluiceError('BATCH_MALFORMED', 'a header count is out of range');
  let headers = NO_HEADERS;
  if (headerCount > 0) {
    const list: Header[] = [];
    for (let i = 0; i < headerCount; i++) {
      const name = decodeUtf8(body.take(body.varint()), 'a header name');
      list.push({ key: name, value: body.nullable() });
    }
    headers = list;
  }
  if (body.at !== body.end) throw new SluiceError('BATCH_MALFORMED', 'a record is longer than its fields');
  return { offset: header.baseOffset + delta, timestamp, key, value, headers };
}

/**
 * The batch with only the records that `keep` wants, each at its old offset, and the batch's range as it
 * was; null when none is left. Idempotence fields are kept, so that recovery still sees the producer.
 */
export function rewriteBatch(bytes: Uint8Array, at: number, keep: (record: LogRecord) => boolean): Uint8Array | null {
  const header = readBatchHeader(bytes, at);
  const builder = new BatchBuilder(header.byteLength);
  for (const record of iterateRecords(bytes, at)) {
    if (!keep(record)) continue;
    builder.addAt(record.offset - header.baseOffset, record.key, record.value, record.headers, record.timestamp);
  }
  if (builder.count === 0) return null;
  const producer =
    header.producerId < 0
      ? {}
      : { producer: { id: header.producerId, epoch: header.producerEpoch, sequence: header.baseSequence } };
  const options = { compression: header.compression, baseOffset: header.baseOffset, ...producer };
  return builder.finish(options, header.lastOffsetDelta).slice();
}
