/**
 * Finds, in bytes that are known to be valid JSON, where the values of records stand, so that a value is stored
 * exactly as it was sent: parsing and writing it anew would round large numbers and reorder keys. `JSON.parse` has
 * checked the bytes before; here no byte needs checking, and the bounds of the text are never passed.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;
const CLOSE_ARRAY = 0x5d;
const CLOSE_OBJECT = 0x7d;

/** A member's value, as a range of the text; undefined where there is no such member. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The bytes of the last member `name` of the object that starts at or after `at`. */
export function memberRange(json: Uint8Array, at: number, name: string): Range | undefined {
  let found: Range | undefined;
  let i = skipSpace(json, at) + 1;
  for (;;) {
    i = skipSpace(json, i);
    if (json[i] === CLOSE_OBJECT) return found;
    if (json[i] === COMMA) i = skipSpace(json, i + 1);
    const nameEnd = skipString(json, i);
    const isIt = nameIs(json, i, nameEnd, name);
    const start = skipSpace(json, skipSpace(json, nameEnd) + 1);
    const end = skipValue(json, start);
    if (isIt) found = { start, end };
    i = end;
  }
}

/** The ranges of the elements of the array that starts at or after `at`. */
export function elementRanges(json: Uint8Array, at: number): Range[] {
  const ranges: Range[] = [];
  let i = skipSpace(json, at) + 1;
  for (;;) {
    i = skipSpace(json, i);
    if (json[i] === CLOSE_ARRAY) return ranges;
    if (json[i] === COMMA) i = skipSpace(json, i + 1);
    const end = skipValue(json, i);
    ranges.push({ start: i, end });
    i = end;
  }
}

/** Whether the string that stands from `start` to `end`, quotes included, is `name`. */
function nameIs(json: Uint8Array, start: number, end: number, name: string): boolean {
  for (let i = start + 1; i < end - 1; i++) {
    if (json[i] === BACKSLASH) return JSON.parse(Buffer.from(json.subarray(start, end)).toString()) === name;
  }
  if (end - start - 2 !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    if (json[start + 1 + i] !== name.charCodeAt(i)) return false;
  }
  return true;
}

function skipSpace(json: Uint8Array, at: number): number {
  let i = at;
  while (i < json.length && (json[i] as number) <= 0x20) i++;
  return i;
}

/** `at` is on the opening quote; the result is behind the closing one. */
function skipString(json: Uint8Array, at: number): number {
  let i = at + 1;
  while (i < json.length && json[i] !== QUOTE) i += json[i] === BACKSLASH ? 2 : 1;
  return i + 1;
}

function skipValue(json: Uint8Array, at: number): number {
  const first = json[at];
  if (first === QUOTE) return skipString(json, at);
  if (first === OPEN_OBJECT || first === OPEN_ARRAY) return skipNested(json, at);
  let i = at;
  while (i < json.length && !endsScalar(json[i] as number)) i++;
  return i;
}

function endsScalar(byte: number): boolean {
  return byte <= 0x20 || byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT || byte === COLON;
}

function skipNested(json: Uint8Array, at: number): number {
  let depth = 0;
  let i = at;
  while (i < json.length) {
    const byte = json[i];
    if (byte === QUOTE) {
      i = skipString(json, i);
      continue;
    }
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--;
    i++;
    if (depth === 0) return i;
  }
  return i;
}
