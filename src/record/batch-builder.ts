/**
 * Encodes records one by one into a growing buffer that becomes a batch. The server's path for single
 * records: no object a record, no second pass. `finish` gives a view that is valid until `reset`.
 */
import { compress } from '#codecs';
import { assert } from '#kernel';
import { BATCH_HEADER_BYTES, type Compression, writeHeader } from './layout.ts';
import { varintBytes, writeVarint } from './varint.ts';

export interface Header {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** Identity and place of an idempotent batch: see `Partition.append`. */
export interface ProducerStamp {
  readonly id: number;
  readonly epoch: number;
  /** Sequence number of the batch's first record. */
  readonly sequence: number;
}

export interface FinishOptions {
  readonly compression?: Compression;
  readonly producer?: ProducerStamp;
  readonly baseOffset?: number;
}

const NO_HEADERS: readonly Header[] = [];
/** Attributes byte and five varints of at most ten bytes. */
const RECORD_FRAME_BYTES_MAX = 51;
const encoder = new TextEncoder();

export class BatchBuilder {
  #bytes: Uint8Array;
  #at = BATCH_HEADER_BYTES;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  constructor(capacityBytes: number) {
    this.#bytes = new Uint8Array(Math.max(capacityBytes, BATCH_HEADER_BYTES));
  }

  get count(): number {
    return this.#count;
  }

  /** Size of the uncompressed batch so far. */
  get bytes(): number {
    return this.#at;
  }

  /** Adds a record and returns its index in the batch. `timestamp` in epoch milliseconds. */
  add(
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly Header[] = NO_HEADERS,
    timestamp = 0,
  ): number {
    return this.addAt(this.#count, key, value, headers, timestamp);
  }

  /** As `add`, with an offset delta of the caller's, ascending: compaction leaves gaps. */
  addAt(
    delta: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly Header[],
    timestamp: number,
  ): number {
    if (this.#count === 0) {
      this.#baseTimestamp = timestamp;
      this.#maxTimestamp = timestamp;
    }
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    const timestampDelta = timestamp - this.#baseTimestamp;
    const names = headers.length === 0 ? [] : headers.map((header) => encoder.encode(header.key));
    let body =
      1 +
      varintBytes(timestampDelta) +
      varintBytes(delta) +
      fieldBytes(key) +
      fieldBytes(value) +
      varintBytes(headers.length);
    for (let i = 0; i < headers.length; i++) {
      body += fieldBytes(names[i] as Uint8Array) + fieldBytes((headers[i] as Header).value);
    }
    this.#reserve(body + RECORD_FRAME_BYTES_MAX);
    const bytes = this.#bytes;
    let at = writeVarint(bytes, this.#at, body);
    bytes[at++] = 0;
    at = writeVarint(bytes, at, timestampDelta);
    at = writeVarint(bytes, at, delta);
    at = writeField(bytes, at, key);
    at = writeField(bytes, at, value);
    at = writeVarint(bytes, at, headers.length);
    for (let i = 0; i < headers.length; i++) {
      at = writeField(bytes, at, names[i] as Uint8Array);
      at = writeField(bytes, at, (headers[i] as Header).value);
    }
    this.#at = at;
    return this.#count++;
  }

  /**
   * As `add`, from pieces of other buffers: a length of -1 is null, `headers` is a header section as a `RecordCursor`
   * points to it (null: none). What goes from batch to batch unchanged is copied once, and nothing is made for it.
   */
  addPieces(
    key: Uint8Array,
    keyAt: number,
    keyLength: number,
    value: Uint8Array,
    valueAt: number,
    valueLength: number,
    headers: Uint8Array | null,
    headersAt: number,
    headersEnd: number,
    timestamp: number,
  ): void {
    if (this.#count === 0) {
      this.#baseTimestamp = timestamp;
      this.#maxTimestamp = timestamp;
    } else if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    const timestampDelta = timestamp - this.#baseTimestamp;
    const headerBytes = headers === null ? 1 : headersEnd - headersAt;
    const pieces = Math.max(keyLength, 0) + Math.max(valueLength, 0) + headerBytes;
    const body =
      1 +
      varintBytes(timestampDelta) +
      varintBytes(this.#count) +
      varintBytes(keyLength) +
      varintBytes(valueLength) +
      pieces;
    this.#reserve(body + RECORD_FRAME_BYTES_MAX);
    const bytes = this.#bytes;
    let at = writeVarint(bytes, this.#at, body);
    bytes[at++] = 0;
    at = writeVarint(bytes, at, timestampDelta);
    at = writeVarint(bytes, at, this.#count);
    at = writePiece(bytes, writeVarint(bytes, at, keyLength), key, keyAt, keyLength);
    at = writePiece(bytes, writeVarint(bytes, at, valueLength), value, valueAt, valueLength);
    if (headers === null) bytes[at++] = 0;
    else at = writePiece(bytes, at, headers, headersAt, headerBytes);
    this.#at = at;
    this.#count++;
  }

  /** The batch. `lastOffsetDelta` is that of the last record unless the caller keeps a longer range. */
  finish(options: FinishOptions = {}, lastOffsetDelta: number = this.#count - 1): Uint8Array {
    assert(this.#count > 0, 'a batch has at least one record');
    const compression = options.compression ?? 'none';
    let batch = this.#bytes.subarray(0, this.#at);
    if (compression !== 'none') {
      const packed = compress(compression, this.#bytes.subarray(BATCH_HEADER_BYTES, this.#at));
      batch = new Uint8Array(BATCH_HEADER_BYTES + packed.length);
      batch.set(packed, BATCH_HEADER_BYTES);
    }
    writeHeader(batch, {
      compression,
      lastOffsetDelta,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
      producerId: options.producer?.id ?? -1,
      producerEpoch: options.producer?.epoch ?? -1,
      baseSequence: options.producer?.sequence ?? -1,
      count: this.#count,
      baseOffset: options.baseOffset ?? 0,
    });
    return batch;
  }

  reset(): void {
    this.#at = BATCH_HEADER_BYTES;
    this.#count = 0;
  }

  #reserve(more: number): void {
    const needed = this.#at + more;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

/** Below this a loop is faster than the call that copies. */
const LOOP_BYTES_MAX = 32;

function writePiece(into: Uint8Array, at: number, from: Uint8Array, start: number, length: number): number {
  if (length > LOOP_BYTES_MAX) into.set(from.subarray(start, start + length), at);
  else for (let i = 0; i < length; i++) into[at + i] = from[start + i] as number;
  return length > 0 ? at + length : at;
}

function fieldBytes(field: Uint8Array | null): number {
  return field === null ? 1 : varintBytes(field.length) + field.length;
}

function writeField(into: Uint8Array, at: number, field: Uint8Array | null): number {
  if (field === null) return writeVarint(into, at, -1);
  const start = writeVarint(into, at, field.length);
  into.set(field, start);
  return start + field.length;
}
