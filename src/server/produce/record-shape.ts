/**
 * One record as clients write it, in JSON or MessagePack, checked by hand: this runs for each record of every
 * request, and an error must name the field. Strict: an unknown field is refused, since a misspelt `value`
 * would otherwise store a tombstone.
 */
import { isAscii } from 'node:buffer';
import { encodeUtf8, type Limits, SluiceError } from '#kernel';
import type { Header } from '#record';

export interface ProducedRecord {
  readonly key: Uint8Array | null;
  /** Null is a tombstone. */
  readonly value: Uint8Array | null;
  readonly headers: readonly Header[];
  /** Epoch ms; the server's time when undefined. */
  readonly timestamp: number | undefined;
  readonly partition: number | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

const NO_HEADERS: readonly Header[] = [];
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** What a record costs beyond its key, value and headers, at most. */
const RECORD_OVERHEAD_BYTES = 40;
const HEADER_OVERHEAD_BYTES = 10;

/**
 * A record in JSON: `key` string | `key_base64`, `value` any JSON | `value_base64`, `headers`, `timestamp`, `partition`.
 * @param field where the record stands in the request, e.g. `records[3]`, for errors
 * @param source the value's JSON exactly as sent; without it the value is written anew
 * @throws REQUEST_INVALID (details: `field`), RECORD_TOO_LARGE
 */
export function readJsonRecord(raw: unknown, field: string, limits: Limits, source?: Uint8Array): ProducedRecord {
  const fields = asObject(raw, field);
  let key: Uint8Array | null = null;
  let value: Uint8Array | null = null;
  let headers = NO_HEADERS;
  let timestamp: number | undefined;
  let partition: number | undefined;
  for (const name in fields) {
    const given = fields[name];
    switch (name) {
      case 'key':
        if (given !== null) key = textBytes(given, field, name);
        break;
      case 'key_base64':
        if ('key' in fields) throw invalid(field, name, 'stands beside key');
        key = base64Bytes(given, field, name);
        break;
      case 'value':
        if (given !== null) value = source ?? encodeUtf8(JSON.stringify(given));
        break;
      case 'value_base64':
        if ('value' in fields) throw invalid(field, name, 'stands beside value');
        value = base64Bytes(given, field, name);
        break;
      case 'headers':
        headers = readHeaders(given, field, limits, jsonHeaderValue);
        break;
      case 'timestamp':
        timestamp = wholeNumber(given, field, name);
        break;
      case 'partition':
        partition = wholeNumber(given, field, name);
        break;
      default:
        throw invalid(field, name, 'is not a field of a record');
    }
  }
  return sized({ key, value, headers, timestamp, partition }, field, limits);
}

/**
 * A record in MessagePack: `key` str | bin | nil, `value` bin | str | nil (stored as they are), `headers`
 * {name: str | bin}, `timestamp`, `partition`.
 * @throws REQUEST_INVALID (details: `field`), RECORD_TOO_LARGE
 */
export function readMsgpackRecord(raw: unknown, field: string, limits: Limits): ProducedRecord {
  const fields = asObject(raw, field);
  let key: Uint8Array | null = null;
  let value: Uint8Array | null = null;
  let headers = NO_HEADERS;
  let timestamp: number | undefined;
  let partition: number | undefined;
  for (const name in fields) {
    const given = fields[name];
    switch (name) {
      case 'key':
        if (given !== null) key = packedBytes(given, field, name);
        break;
      case 'value':
        if (given !== null) value = packedBytes(given, field, name);
        break;
      case 'headers':
        headers = readHeaders(given, field, limits, packedBytes);
        break;
      case 'timestamp':
        timestamp = wholeNumber(given, field, name);
        break;
      case 'partition':
        partition = wholeNumber(given, field, name);
        break;
      default:
        throw invalid(field, name, 'is not a field of a record');
    }
  }
  return sized({ key, value, headers, timestamp, partition }, field, limits);
}

/** An upper bound of the record's encoded size in bytes. */
export function recordBytes(record: Pick<ProducedRecord, 'key' | 'value' | 'headers'>): number {
  let bytes = RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const header of record.headers) {
    bytes += HEADER_OVERHEAD_BYTES + Buffer.byteLength(header.key) + (header.value?.length ?? 0);
  }
  return bytes;
}

/** The record, when it is not too large. @throws RECORD_TOO_LARGE (details: `field`, `max`) */
export function sized(record: ProducedRecord, field: string, limits: Limits): ProducedRecord {
  if (recordBytes(record) - RECORD_OVERHEAD_BYTES <= limits.recordBytesMax) return record;
  throw new SluiceError('RECORD_TOO_LARGE', `${field} is larger than ${limits.recordBytesMax} bytes`, {
    field,
    max: limits.recordBytesMax,
  });
}

/** UTF-8 of a string that has some. @throws REQUEST_INVALID on a lone surrogate, which UTF-8 cannot hold */
export function textBytes(given: unknown, field: string, name: string): Uint8Array {
  if (typeof given !== 'string') throw invalid(field, name, 'must be a string');
  const bytes = Buffer.from(given);
  if (bytes.length !== given.length && !isAscii(bytes) && /\p{Surrogate}/u.test(given)) {
    throw invalid(field, name, 'holds half a surrogate pair');
  }
  return bytes;
}

export function base64Bytes(given: unknown, field: string, name: string): Uint8Array | null {
  if (given === null) return null;
  if (typeof given !== 'string' || !BASE64.test(given)) throw invalid(field, name, 'must be base64');
  return Buffer.from(given, 'base64');
}

function readHeaders(
  given: unknown,
  field: string,
  limits: Limits,
  read: (value: unknown, field: string, name: string) => Uint8Array | null,
): readonly Header[] {
  if (given === null) return NO_HEADERS;
  const place = `${field}.headers`;
  const fields = asObject(given, place);
  const headers: Header[] = [];
  for (const key in fields) {
    textBytes(key, place, key);
    const value = fields[key];
    headers.push({ key, value: value === null ? null : read(value, place, key) });
  }
  if (headers.length > limits.recordHeadersMax) {
    throw invalid(field, 'headers', `holds more than ${limits.recordHeadersMax}`);
  }
  return headers;
}

function jsonHeaderValue(given: unknown, field: string, name: string): Uint8Array | null {
  if (typeof given === 'object' && given !== null && 'base64' in given && Object.keys(given).length === 1) {
    return base64Bytes(given.base64, field, `${name}.base64`);
  }
  return textBytes(given, field, name);
}

function packedBytes(given: unknown, field: string, name: string): Uint8Array {
  if (given instanceof Uint8Array) return given;
  if (typeof given === 'string') return textBytes(given, field, name);
  throw invalid(field, name, 'must be a string or bytes');
}

function wholeNumber(given: unknown, field: string, name: string): number | undefined {
  if (given === null) return undefined;
  if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 0) return given;
  throw invalid(field, name, 'must be a whole number, 0 or more');
}

function asObject(given: unknown, field: string): Fields {
  if (typeof given === 'object' && given !== null && !Array.isArray(given) && !(given instanceof Uint8Array)) {
    return given as Fields;
  }
  throw new SluiceError('REQUEST_INVALID', `${field} must be an object`, { field });
}

function invalid(field: string, name: string, problem: string): SluiceError {
  const path = field === '' ? name : `${field}.${name}`;
  return new SluiceError('REQUEST_INVALID', `${path} ${problem}`, { field: path });
}
