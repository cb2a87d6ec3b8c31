/**
 * Walks the records of a batch without making an object for any: `next` moves on, and the fields say where the
 * record's pieces stand. For loops that look at millions of records and few of their pieces; `iterateRecords` is the
 * comfortable form. Called by processors.
 *
 *   bytes … [ key ] … [ value ] … [ header count, headers ] …
 *            ▲keyAt     ▲valueAt     ▲headersAt             ▲headersEnd        a length of -1: null
 */
import { decompress } from '#codecs';
import { DEFAULT_LIMITS, decodeUtf8, EMPTY, SluiceError } from '#kernel';
import type { Header } from './batch-builder.ts';
import { BATCH_HEADER_BYTES, type BatchHeader, readBatchHeader } from './layout.ts';
import { ByteReader } from './varint.ts';

const NO_HEADERS: readonly Header[] = [];

export class RecordCursor {
  /** What the positions refer to: the batch's own bytes, or its decompressed records. */
  bytes: Uint8Array = EMPTY;
  offset = 0;
  timestamp = 0;
  keyAt = 0;
  keyLength = -1;
  valueAt = 0;
  valueLength = -1;
  headersAt = 0;
  headersEnd = 0;
  #at = 0;
  #end = 0;
  #left = 0;
  #baseOffset = 0;
  #baseTimestamp = 0;
  #lastDelta = 0;

  /** Goes before the first record of the batch at `at`. @throws BATCH_MALFORMED, BATCH_UNSUPPORTED, BATCH_TOO_LARGE */
  open(bytes: Uint8Array, at: number): BatchHeader {
    const header = readBatchHeader(bytes, at);
    this.bytes = bytes;
    this.#at = at + BATCH_HEADER_BYTES;
    this.#end = at + header.byteLength;
    if (header.compression !== 'none') {
      const packed = bytes.subarray(this.#at, this.#end);
      this.bytes = decompress(header.compression, packed, DEFAULT_LIMITS.decompressedBytesMax);
      this.#at = 0;
      this.#end = this.bytes.length;
    }
    this.#left = header.count;
    this.#baseOffset = header.baseOffset;
    this.#baseTimestamp = header.baseTimestamp;
    this.#lastDelta = header.lastOffsetDelta;
    return header;
  }

  /** Moves to the next record; false behind the last. @throws BATCH_MALFORMED where the framing does not add up */
  next(): boolean {
    if (this.#left === 0) {
      if (this.#at !== this.#end) throw malformed('bytes are left behind the last record');
      return false;
    }
    this.#left--;
    const length = this.#varint();
    const end = this.#at + length;
    if (length < 1 || end > this.#end) throw malformed(`a record of ${length} bytes does not fit in its batch`);
    this.#at++; // attributes, unused
    this.timestamp = this.#baseTimestamp + this.#varint();
    const delta = this.#varint();
    if (delta < 0 || delta > this.#lastDelta) throw malformed(`an offset delta of ${delta} is outside its batch`);
    this.offset = this.#baseOffset + delta;
    this.keyLength = this.#varint();
    this.keyAt = this.#at;
    if (this.keyLength > 0) this.#at += this.keyLength;
    if (this.keyLength < -1 || this.#at > end) throw malformed('a key does not fit in its record');
    this.valueLength = this.#varint();
    this.valueAt = this.#at;
    if (this.valueLength > 0) this.#at += this.valueLength;
    if (this.valueLength < -1 || this.#at >= end) throw malformed('a value does not fit in its record');
    this.headersAt = this.#at;
    this.headersEnd = end;
    this.#at = end;
    return true;
  }

  #varint(): number {
    const { bytes } = this;
    const end = this.#end;
    let at = this.#at;
    let byte = at < end ? (bytes[at++] as number) : 0x80;
    if (byte < 0x80) {
      this.#at = at;
      return (byte >>> 1) ^ -(byte & 1);
    }
    let value = byte & 0x7f;
    let scale = 128;
    for (let i = 1; i < 10 && at < end; i++) {
      byte = bytes[at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.#at = at;
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
      scale *= 128;
    }
    throw malformed('a number in a record ends nowhere');
  }
}

/** The headers that stand from `at` to `end`, count first, as a cursor points to them. @throws BATCH_MALFORMED */
export function readHeaders(bytes: Uint8Array, at: number, end: number): readonly Header[] {
  const reader = new ByteReader(bytes, at, end);
  const count = reader.varint();
  if (count < 0 || count > end - at) throw malformed('a header count is out of range');
  if (count === 0) return NO_HEADERS;
  const headers: Header[] = [];
  for (let i = 0; i < count; i++) {
    const key = decodeUtf8(reader.take(reader.varint()), 'a header name');
    headers.push({ key, value: reader.nullable() });
  }
  return headers;
}

function malformed(message: string): SluiceError {
  return new SluiceError('BATCH_MALFORMED', message);
}
