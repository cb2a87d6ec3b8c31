/**
 * One record as JSON text: `{"offset","timestamp","key"|"key_base64","value"|"value_base64","headers"}`. A value that
 * is valid JSON goes in as its bytes stand; parsing and writing it anew would round large numbers.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import type { Header, LogRecord } from '#record';

const QUOTE = 0x22;
const BRACE = 0x7b;
const BRACKET = 0x5b;
const MINUS = 0x2d;
/** Of `true`, `false` and `null`. */
const LONGEST_NAME = 5;

/** @param lead members that come first, e.g. `"partition":3,` */
export function recordJson(record: LogRecord, lead = ''): string {
  const { key, value, headers } = record;
  let text = `{${lead}"offset":${record.offset},"timestamp":${record.timestamp},${keyMember(key)},${valueMember(value)}`;
  text += headers.length === 0 ? ',"headers":{}}' : `,"headers":{${headers.map(headerMember).join(',')}}}`;
  return text;
}

function keyMember(key: Uint8Array | null): string {
  if (key === null) return '"key":null';
  const text = textOf(key);
  return text === undefined ? `"key_base64":"${base64(key)}"` : `"key":${JSON.stringify(text)}`;
}

function valueMember(value: Uint8Array | null): string {
  if (value === null) return '"value":null';
  const text = mayBeJson(value) ? textOf(value) : undefined;
  return text !== undefined && isJson(text) ? `"value":${oneLine(text)}` : `"value_base64":"${base64(value)}"`;
}

/** A name that stands twice in a record would stand twice here; JSON readers take the last. */
function headerMember({ key, value }: Header): string {
  if (value === null) return `${JSON.stringify(key)}:null`;
  const text = textOf(value);
  return `${JSON.stringify(key)}:${text === undefined ? `{"base64":"${base64(value)}"}` : JSON.stringify(text)}`;
}

/** The bytes as text, undefined when they are not UTF-8. */
function textOf(bytes: Uint8Array): string | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isAscii(view)) return view.toString('latin1');
  return isUtf8(view) ? view.toString('utf8') : undefined;
}

/**
 * False for most of what is not JSON, by its first and last byte. What a parser refuses it keeps a script of, in the
 * part of the heap that is collected last: readers of values in no JSON would fill it.
 */
function mayBeJson(bytes: Uint8Array): boolean {
  let from = 0;
  let to = bytes.length - 1;
  while (from <= to && isBlank(bytes[from])) from++;
  while (to > from && isBlank(bytes[to])) to--;
  const first = bytes[from] ?? 0;
  const last = bytes[to] ?? 0;
  if (first === QUOTE) return last === QUOTE && to > from;
  if (first === BRACE) return last === BRACE + 2;
  if (first === BRACKET) return last === BRACKET + 2;
  if (first === MINUS || isDigit(first)) return isDigit(last);
  return to - from < LONGEST_NAME && (first === 0x74 || first === 0x66 || first === 0x6e);
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Line breaks between tokens mean nothing in JSON, and would end a line of NDJSON or an event; in strings there are none. */
function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]+/g, ' ') : text;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
