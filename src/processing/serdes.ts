/**
 * How values stand in a topic: JSON, MessagePack, text, or bytes as they are; `Serde` is what a format of one's own
 * implements. A definition names one for each topic. Keys are always text.
 *
 * In every format the value `null` is a record without a value, which deletes its key in a compacted topic.
 */
import { Packr, Unpackr } from 'msgpackr';
import { SluiceError } from '#kernel';
import { readUtf8 } from '#log';

export interface Serde<T> {
  /** What a record's `content-type` header says when it has one and its value is written anew; null drops the header. */
  readonly contentType: string | null;
  /**
   * The value of the bytes from `from` to `to`, which are only there during the call. Whatever is thrown makes the
   * record a poison record: it is reported with VALUE_MALFORMED.
   */
  decode(bytes: Buffer, from: number, to: number): T;
  /** The bytes of a value, used before the next call. */
  encode(value: T): Uint8Array;
}

/** The type of the values a serde carries. */
export type ValueOf<S> = S extends Serde<infer T> ? T : never;

const SCRATCH_BYTES = 16 * 1024;
const SCRATCH_BYTES_KEPT_MAX = 1024 * 1024;
let scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/** The UTF-8 of `text`, in memory that the next call uses again. */
function encodeText(text: string): Buffer {
  const needed = text.length * 3;
  if (needed <= scratch.length) return scratch.subarray(0, scratch.write(text, 0, 'utf8'));
  if (needed > SCRATCH_BYTES_KEPT_MAX) return Buffer.from(text, 'utf8');
  scratch = Buffer.allocUnsafeSlow(needed);
  return scratch.subarray(0, scratch.write(text, 0, 'utf8'));
}

const JSON_SERDE: Serde<unknown> = {
  contentType: 'application/json',
  decode: (bytes, from, to) => JSON.parse(readUtf8(bytes, from, to, 'JSON')),
  encode(value) {
    const text = JSON.stringify(value);
    if (text === undefined) throw new SluiceError('VALUE_MALFORMED', `a value of type ${typeof value} has no JSON`);
    return encodeText(text);
  },
};

// Records of msgpackr's own would not be readable elsewhere; copied buffers outlive the batch they were read from.
const PACK_OPTIONS = { useRecords: false, copyBuffers: true, moreTypes: false };
const packr = new Packr(PACK_OPTIONS);
const unpackr = new Unpackr(PACK_OPTIONS);

const MSGPACK_SERDE: Serde<unknown> = {
  contentType: 'application/msgpack',
  decode: (bytes, from, to) => unpackr.unpack(bytes, { start: from, end: to }),
  encode: (value) => packr.pack(value),
};

const TEXT_SERDE: Serde<string> = {
  contentType: 'text/plain',
  decode: (bytes, from, to) => readUtf8(bytes, from, to, 'text'),
  encode(value) {
    if (typeof value !== 'string') throw new SluiceError('VALUE_MALFORMED', `text expected, not ${typeof value}`);
    return encodeText(value);
  },
};

const BYTES_SERDE: Serde<Uint8Array> = {
  contentType: 'application/octet-stream',
  decode(bytes, from, to) {
    const copy = new Uint8Array(to - from);
    copy.set(bytes.subarray(from, to));
    return copy;
  },
  encode(value) {
    if (!(value instanceof Uint8Array)) throw new SluiceError('VALUE_MALFORMED', `bytes expected, not ${typeof value}`);
    return value;
  },
};

export function json<T = unknown>(): Serde<T> {
  return JSON_SERDE as Serde<T>;
}

/** MessagePack as any library reads it. Objects become maps; a `Date`, a `bigint` of 64 bits and bytes are kept. */
export function msgpack<T = unknown>(): Serde<T> {
  return MSGPACK_SERDE as Serde<T>;
}

export function text(): Serde<string> {
  return TEXT_SERDE;
}

export function bytes(): Serde<Uint8Array> {
  return BYTES_SERDE;
}
