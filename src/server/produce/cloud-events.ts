/**
 * CloudEvents 1.0 over HTTP in its three modes, stored as the Kafka binding's binary mode stores them: attributes as
 * headers `ce_<name>`, the data's media type as header `content-type`, the data as value, the extension
 * `partitionkey` as key. So a consumer sees one form, whichever the producer used.
 */
import { encodeUtf8, type Limits, SluiceError } from '#kernel';
import type { Header } from '#record';
import type { Exchange } from '../http/exchange.ts';
import { parseExact, tooMany } from './bodies.ts';
import { elementRanges, memberRange } from './json-source.ts';
import { base64Bytes, type ProducedRecord, sized, textBytes } from './record-shape.ts';

const REQUIRED = ['id', 'source', 'specversion', 'type'] as const;
const ATTRIBUTE_NAME = /^[a-z0-9]{1,}$/;
const CONTENT_MEMBERS = new Set(['data', 'data_base64', 'datacontenttype']);
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json(?:;|$)/i;

/** Whether the request is an event in binary mode. */
export function isBinaryEvent(exchange: Exchange): boolean {
  return exchange.header('ce-specversion') !== undefined;
}

/** Attributes from `ce-*` headers, the body as data. @throws REQUEST_INVALID, RECORD_TOO_LARGE */
export function readBinaryEvent(exchange: Exchange, body: Uint8Array, limits: Limits): ProducedRecord[] {
  const attributes = new Map<string, string>();
  const { headers } = exchange;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.startsWith('ce-')) attributes.set(name.slice(3), decodeHeader(headers[i + 1] as string, name));
  }
  const contentType = exchange.header('content-type');
  return [toRecord(attributes, contentType, body.length === 0 ? null : body, '', limits)];
}

/** Body of type application/cloudevents+json. */
export function readStructuredEvent(body: Uint8Array, limits: Limits): ProducedRecord[] {
  return [readEvent(parseExact(body, 'the event'), body, 0, '', limits)];
}

/** Body of type application/cloudevents-batch+json. */
export function readEventBatch(body: Uint8Array, limits: Limits): ProducedRecord[] {
  const events = parseExact(body, 'the batch of events');
  if (!Array.isArray(events) || events.length === 0) {
    throw new SluiceError('REQUEST_INVALID', 'a batch is a list of one or more events', { field: '' });
  }
  if (events.length > limits.batchRecordsMax) throw tooMany(limits);
  const ranges = elementRanges(body, 0);
  return events.map((event, i) => readEvent(event, body, ranges[i]?.start as number, `[${i}]`, limits));
}

function readEvent(raw: unknown, json: Uint8Array, at: number, field: string, limits: Limits): ProducedRecord {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw invalid(field, '', 'an event is an object');
  const fields = raw as Record<string, unknown>;
  const attributes = new Map<string, string>();
  for (const [name, value] of Object.entries(fields)) {
    if (!CONTENT_MEMBERS.has(name) && value !== null) attributes.set(name, attributeText(value, field, name));
  }
  const contentType = fields['datacontenttype'] ?? undefined;
  if (contentType !== undefined && typeof contentType !== 'string') {
    throw invalid(field, 'datacontenttype', 'must be a string');
  }
  const isJson = contentType === undefined || JSON_TYPE.test(contentType);
  const data = readData(fields, json, at, field, isJson);
  const stored = contentType ?? (data !== null && !('data_base64' in fields) ? 'application/json' : undefined);
  return toRecord(attributes, stored, data, field, limits);
}

/** JSON data is stored as its source; a string of another media type is that text. */
function readData(
  fields: Record<string, unknown>,
  json: Uint8Array,
  at: number,
  field: string,
  isJson: boolean,
): Uint8Array | null {
  if ('data_base64' in fields) {
    if ('data' in fields) throw invalid(field, 'data_base64', 'stands beside data');
    return base64Bytes(fields['data_base64'], field, 'data_base64');
  }
  const data = fields['data'];
  if (data === undefined || data === null) return null;
  if (!isJson && typeof data === 'string') return textBytes(data, field, 'data');
  const range = memberRange(json, at, 'data');
  return range === undefined ? encodeUtf8(JSON.stringify(data)) : json.subarray(range.start, range.end);
}

function toRecord(
  attributes: ReadonlyMap<string, string>,
  contentType: string | undefined,
  data: Uint8Array | null,
  field: string,
  limits: Limits,
): ProducedRecord {
  for (const name of REQUIRED) {
    if ((attributes.get(name) ?? '') === '') throw invalid(field, name, 'is required');
  }
  if (attributes.get('specversion') !== '1.0') throw invalid(field, 'specversion', 'must be 1.0');
  const headers: Header[] = [];
  for (const [name, value] of attributes) {
    if (!ATTRIBUTE_NAME.test(name)) throw invalid(field, name, 'is not an attribute name: a-z and 0-9');
    headers.push({ key: `ce_${name}`, value: textBytes(value, field, name) });
  }
  if (contentType !== undefined) headers.push({ key: 'content-type', value: encodeUtf8(contentType) });
  if (headers.length > limits.recordHeadersMax) {
    throw invalid(field, '', `more than ${limits.recordHeadersMax} attributes`);
  }
  const partitionKey = attributes.get('partitionkey');
  const key = partitionKey === undefined ? null : textBytes(partitionKey, field, 'partitionkey');
  return sized({ key, value: data, headers, timestamp: undefined, partition: undefined }, field || 'the event', limits);
}

function attributeText(value: unknown, field: string, name: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isInteger(value))) return String(value);
  throw invalid(field, name, 'must be a string, a whole number or a boolean');
}

function decodeHeader(text: string, name: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new SluiceError('REQUEST_INVALID', `${name} holds a bad percent escape`, { field: name }, error);
  }
}

function invalid(field: string, name: string, problem: string): SluiceError {
  const path = [field, name].filter((part) => part !== '').join('.');
  return new SluiceError('REQUEST_INVALID', path === '' ? problem : `${path}: ${problem}`, { field: path });
}
