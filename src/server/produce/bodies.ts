/**
 * The bodies a produce request may have, read into records: JSON, lines of JSON, MessagePack. (CloudEvents have a
 * file of their own; a record batch is not read at all.) Each checks how many records there are.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { Unpackr } from 'msgpackr';
import { type Limits, SluiceError } from '#kernel';
import { elementRanges, memberRange } from './json-source.ts';
import { type ProducedRecord, readJsonRecord, readMsgpackRecord } from './record-shape.ts';

const LINE_FEED = 0x0a;

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** Body of type application/json: `{"records": [record, …]}`. */
export function readJsonBody(body: Uint8Array, limits: Limits): ProducedRecord[] {
  const parsed = parseExact(body, 'the request body');
  const raw = recordsOf(parsed, limits);
  const { start } = memberRange(body, 0, 'records') as { start: number };
  // The usual one record is found without walking over it first.
  if (raw.length === 1) return [readAt(raw[0], body, start + 1, 'records[0]', limits)];
  const ranges = elementRanges(body, start);
  const records: ProducedRecord[] = [];
  for (let i = 0; i < raw.length; i++) {
    records.push(readAt(raw[i], body, ranges[i]?.start as number, `records[${i}]`, limits));
  }
  return records;
}

/** Body of type application/x-ndjson: one record a line; empty lines are skipped. */
export function readNdjsonBody(body: Uint8Array, limits: Limits): ProducedRecord[] {
  const records: ProducedRecord[] = [];
  let start = 0;
  for (let line = 1; start < body.length; line++) {
    const feed = body.indexOf(LINE_FEED, start);
    const end = feed < 0 ? body.length : feed;
    const bytes = body.subarray(start, end);
    start = end + 1;
    if (isBlank(bytes)) continue;
    const field = `line ${line}`;
    records.push(readAt(parseExact(bytes, field), bytes, 0, field, limits));
    if (records.length > limits.batchRecordsMax) throw tooMany(limits);
  }
  if (records.length === 0) throw new SluiceError('REQUEST_INVALID', 'there is no record', { field: 'records' });
  return records;
}

/** Body of type application/msgpack: a map `{records: [record, …]}`. */
export function readMsgpackBody(body: Uint8Array, limits: Limits): ProducedRecord[] {
  let parsed: unknown;
  try {
    parsed = unpackr.unpack(body);
  } catch (error) {
    const reason = (error as Error).message;
    throw new SluiceError('REQUEST_MALFORMED', `the request body is not valid MessagePack: ${reason}`, {}, error);
  }
  return recordsOf(parsed, limits).map((raw, i) => readMsgpackRecord(raw, `records[${i}]`, limits));
}

/** @throws REQUEST_MALFORMED on invalid UTF-8 or JSON */
export function parseExact(body: Uint8Array, what: string): unknown {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let text: string;
  if (isAscii(bytes)) text = bytes.toString('latin1');
  else if (isUtf8(bytes)) text = bytes.toString('utf8');
  else throw new SluiceError('REQUEST_MALFORMED', `${what} is not valid UTF-8`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SluiceError('REQUEST_MALFORMED', `${what} is not valid JSON: ${(error as Error).message}`, {}, error);
  }
}

function readAt(raw: unknown, json: Uint8Array, at: number, field: string, limits: Limits): ProducedRecord {
  if (typeof raw !== 'object' || raw === null || !('value' in raw)) return readJsonRecord(raw, field, limits);
  const range = memberRange(json, at, 'value');
  const source = range === undefined ? undefined : json.subarray(range.start, range.end);
  return readJsonRecord(raw, field, limits, source);
}

function recordsOf(parsed: unknown, limits: Limits): unknown[] {
  const fields = typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  for (const name in fields) {
    if (name !== 'records') {
      throw new SluiceError('REQUEST_INVALID', `${name} is not a field of a produce request`, { field: name });
    }
  }
  const records = fields['records'];
  if (!Array.isArray(records) || records.length === 0) {
    throw new SluiceError('REQUEST_INVALID', 'records must be a list of one or more records', { field: 'records' });
  }
  if (records.length > limits.batchRecordsMax) throw tooMany(limits);
  return records;
}

export function tooMany(limits: Limits): SluiceError {
  return new SluiceError('TOO_MANY_RECORDS', `a request may hold ${limits.batchRecordsMax} records`, {
    max: limits.batchRecordsMax,
  });
}

function isBlank(bytes: Uint8Array): boolean {
  for (const byte of bytes) {
    if (byte > 0x20) return false;
  }
  return true;
}
