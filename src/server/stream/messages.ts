/**
 * From the body of a request to batches, and back. In a JSON stream each message is a record, stored as its bytes stand;
 * of a JSON array each element is one. Any other stream is bytes: a body is one record, or several where it is
 * large. Batches after the first of one append are marked, so that it is known where an append ends.
 */
import { type Limits, SluiceError } from '#kernel';
import { BatchBuilder, type Header } from '#record';
import { mediaType } from '../http/media-type.ts';
import { parseJson } from '../http/shape.ts';
import { elementRanges } from '../produce/json-source.ts';

const JSON_TYPE = 'application/json';
const PIECE_BYTES = 256 * 1024;
/** Room for the frames of one record and of its batch. */
const FRAME_BYTES = 192;
const BUILD_BYTES = 4096;
const CONTINUES = 'continues';
const CONTINUED: readonly Header[] = [{ key: CONTINUES, value: null }];
const NO_HEADERS: readonly Header[] = [];

export interface EncodedMessages {
  readonly batches: readonly Uint8Array[];
  /** Records in all batches. */
  readonly count: number;
}

export const NO_MESSAGES: EncodedMessages = { batches: [], count: 0 };

export function isJsonStream(contentType: string): boolean {
  return mediaType(contentType) === JSON_TYPE;
}

/** Whether its records go into server-sent events as text. */
export function isTextStream(contentType: string): boolean {
  const type = mediaType(contentType);
  return type === JSON_TYPE || type.startsWith('text/');
}

/**
 * The messages of a body as batches; none for an empty JSON array.
 * @throws REQUEST_MALFORMED where a JSON stream is sent something else, RECORD_TOO_LARGE, TOO_MANY_RECORDS
 */
export function encodeBody(contentType: string, body: Uint8Array, limits: Limits, now: number): EncodedMessages {
  const values = isJsonStream(contentType) ? jsonMessages(body) : pieces(body, valueBytesMax(limits));
  return encodeMessages(values, limits, now);
}

/** @throws RECORD_TOO_LARGE, TOO_MANY_RECORDS */
export function encodeMessages(values: readonly Uint8Array[], limits: Limits, now: number): EncodedMessages {
  const { batchBytesMax, batchRecordsMax } = limits;
  const valueMax = valueBytesMax(limits);
  if (values.length > batchRecordsMax) {
    throw new SluiceError('TOO_MANY_RECORDS', `a request may hold ${batchRecordsMax} messages`, {
      max: batchRecordsMax,
    });
  }
  const batches: Uint8Array[] = [];
  let builder = new BatchBuilder(BUILD_BYTES);
  for (const value of values) {
    if (value.length > valueMax) {
      throw new SluiceError('RECORD_TOO_LARGE', `a message has at most ${valueMax} bytes`, { max: valueMax });
    }
    if (builder.count > 0 && builder.bytes + value.length + FRAME_BYTES > batchBytesMax) {
      batches.push(builder.finish());
      builder = new BatchBuilder(BUILD_BYTES);
    }
    builder.add(null, value, builder.count === 0 && batches.length > 0 ? CONTINUED : NO_HEADERS, now);
  }
  if (builder.count > 0) batches.push(builder.finish());
  return { batches, count: values.length };
}

/** Whether a record begins a batch that belongs to the append before it. */
export function continuesAppend(headers: readonly Header[]): boolean {
  return headers.some(({ key }) => key === CONTINUES);
}

/** Messages as the body of an answer: one JSON array, or the bytes as they were sent. */
export function joinMessages(json: boolean, values: readonly Uint8Array[]): Uint8Array {
  if (!json) return Buffer.concat(values);
  const parts: Uint8Array[] = [OPEN];
  for (let i = 0; i < values.length; i++) {
    if (i > 0) parts.push(COMMA);
    parts.push(values[i] as Uint8Array);
  }
  parts.push(CLOSE);
  return Buffer.concat(parts);
}

const OPEN = Buffer.from('[');
const COMMA = Buffer.from(',');
const CLOSE = Buffer.from(']');

function valueBytesMax({ recordBytesMax, batchBytesMax }: Limits): number {
  return Math.min(recordBytesMax, batchBytesMax) - FRAME_BYTES;
}

/** The elements of an array, else the value itself; white space around it is not kept. */
function jsonMessages(body: Uint8Array): Uint8Array[] {
  const value = parseJson(body);
  if (Array.isArray(value)) return elementRanges(body, 0).map(({ start, end }) => body.subarray(start, end));
  let start = 0;
  let end = body.length;
  while ((body[start] as number) <= 0x20) start++;
  while ((body[end - 1] as number) <= 0x20) end--;
  return [body.subarray(start, end)];
}

function pieces(body: Uint8Array, bytesMax: number): Uint8Array[] {
  const size = Math.min(PIECE_BYTES, bytesMax);
  const found: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += size) found.push(body.subarray(at, at + size));
  return found;
}
