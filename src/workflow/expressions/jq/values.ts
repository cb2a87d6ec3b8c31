/**
 * What jq says of values: their types and order, what is true, the operators, indexes, and texts of values. Nothing in
 * here changes a value that it was given.
 */
import { Unsupported } from './code.ts';
import { charge, JqError } from './run.ts';

export type Json = unknown;
export type Fields = Record<string, Json>;

const RANK: Readonly<Record<string, number>> = {
  null: 0,
  false: 1,
  true: 2,
  number: 3,
  string: 4,
  array: 5,
  object: 6,
};
/** Texts of values in messages are cut to this. */
const SHOWN_BYTES = 11;

export function typeOf(value: Json): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value;
}

export function isTrue(value: Json): boolean {
  return value !== false && value !== null && value !== undefined;
}

export function isFields(value: Json): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Sets a field also where its name is one the language gives a meaning to. */
export function put(fields: Fields, name: string, value: Json): void {
  if (name !== '__proto__') fields[name] = value;
  else Object.defineProperty(fields, name, { value, writable: true, enumerable: true, configurable: true });
}

export function fieldOf(fields: Fields, name: string): Json {
  return Object.hasOwn(fields, name) ? fields[name] : null;
}

/** Keys in jq's order, that of code points. */
export function sortedKeys(fields: Fields): string[] {
  return Object.keys(fields).sort(compareTexts);
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === right) continue;
    // Halves of characters beyond the 16 bit ones stand behind all others.
    const leftHigh = left >= 0xd800 && left <= 0xdfff;
    const rightHigh = right >= 0xd800 && right <= 0xdfff;
    if (leftHigh !== rightHigh) return leftHigh ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}

function rankOf(value: Json): number {
  return RANK[typeof value === 'boolean' ? String(value) : typeOf(value)] ?? 0;
}

export function compare(a: Json, b: Json): number {
  const rank = rankOf(a);
  const difference = rank - rankOf(b);
  if (difference !== 0) return difference;
  // Not a number is less than every number, itself included.
  if (typeof a === 'number') return a < (b as number) ? -1 : a === b ? 0 : Number.isNaN(a) ? -1 : 1;
  if (typeof a === 'string') return compareTexts(a, b as string);
  if (rank === RANK['array']) return compareLists(a as Json[], b as Json[]);
  return rank === RANK['object'] ? compareFields(a as Fields, b as Fields) : 0;
}

function compareLists(a: readonly Json[], b: readonly Json[]): number {
  charge(1 + Math.min(a.length, b.length));
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = compare(a[i], b[i]);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function compareFields(a: Fields, b: Fields): number {
  const keys = sortedKeys(a);
  const names = compareLists(keys, sortedKeys(b));
  if (names !== 0) return names;
  for (const key of keys) {
    const difference = compare(a[key], b[key]);
    if (difference !== 0) return difference;
  }
  return 0;
}

export function equal(a: Json, b: Json): boolean {
  if (a === b) return true;
  return typeof a === 'object' && typeof b === 'object' && a !== null && b !== null && compare(a, b) === 0;
}

/** JSON, as `tojson` has it; with what stands for numbers that JSON has not. */
export function toJson(value: Json): string {
  const text = JSON.stringify(value, (_name, part) => (typeof part === 'number' ? shownNumber(part) : part)) ?? 'null';
  charge(text.length >> 5);
  // The one sign of ASCII that jq escapes and JavaScript does not.
  return text.replaceAll('\u007f', '\\u007f');
}

function shownNumber(value: number): number | null {
  if (Object.is(value, -0)) throw new Unsupported('the text of -0');
  if (Number.isNaN(value)) return null;
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value));
}

export function toText(value: Json): string {
  return typeof value === 'string' ? value : toJson(value);
}

/** A value in a message. */
export function shown(value: Json): string {
  const text = toJson(value);
  const bytes = Buffer.from(text);
  if (bytes.length <= SHOWN_BYTES) return `${typeOf(value)} (${text})`;
  return `${typeOf(value)} (${bytes
    .subarray(0, SHOWN_BYTES - 1)
    .toString()
    .replace(/\ufffd+$/, '')}...)`;
}

function cannot(a: Json, b: Json, what: string): JqError {
  return new JqError(`${shown(a)} and ${shown(b)} cannot be ${what}`);
}

export function add(a: Json, b: Json): Json {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (a === null || a === undefined) return b ?? null;
  if (b === null || b === undefined) return a;
  if (typeof a === 'string' && typeof b === 'string') {
    charge((a.length + b.length) >> 5);
    return a + b;
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    charge((a.length + b.length) >> 3);
    return a.concat(b);
  }
  if (isFields(a) && isFields(b)) {
    const sum = { ...a, ...b };
    charge(Object.keys(sum).length >> 2);
    return sum;
  }
  throw cannot(a, b, 'added');
}

export function subtract(a: Json, b: Json): Json {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (Array.isArray(a) && Array.isArray(b)) {
    charge(a.length * b.length);
    return a.filter((item) => !b.some((other) => equal(item, other)));
  }
  throw cannot(a, b, 'subtracted');
}

export function multiply(a: Json, b: Json): Json {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  if (typeof a === 'string' && typeof b === 'number') return repeated(a, b);
  if (typeof a === 'number' && typeof b === 'string') return repeated(b, a);
  if (isFields(a) && isFields(b)) return merged(a, b);
  throw cannot(a, b, 'multiplied');
}

function repeated(text: string, times: number): Json {
  if (!(times >= 0)) return null;
  const count = times > 0 && times < 1 ? 1 : Math.floor(times);
  charge((text.length * count) >> 5);
  return text.repeat(count);
}

function merged(a: Fields, b: Fields): Fields {
  const made = { ...a };
  for (const key of Object.keys(b)) {
    charge(1);
    const [left, right] = [fieldOf(a, key), b[key]];
    put(made, key, isFields(left) && isFields(right) ? merged(left, right) : right);
  }
  return made;
}

export function divide(a: Json, b: Json): Json {
  if (typeof a === 'number' && typeof b === 'number') {
    if (b === 0) throw cannot(a, b, 'divided because the divisor is zero');
    return a / b;
  }
  if (typeof a === 'string' && typeof b === 'string') return splitText(a, b);
  throw cannot(a, b, 'divided');
}

export function splitText(text: string, separator: string): string[] {
  charge(text.length >> 3);
  if (text === '') return [];
  return separator === '' ? Array.from(text) : text.split(separator);
}

export function remainder(a: Json, b: Json): Json {
  if (typeof a !== 'number' || typeof b !== 'number') throw cannot(a, b, 'divided (remainder)');
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN;
  const divisor = Math.abs(whole(b));
  if (divisor === 0) throw cannot(a, b, 'divided (remainder) because the divisor is zero');
  return whole(a) % divisor;
}

function whole(value: number): number {
  return Math.trunc(Math.max(-(2 ** 63), Math.min(2 ** 63, value)));
}

export function negative(value: Json): number {
  if (typeof value !== 'number') throw new JqError(`${shown(value)} cannot be negated`);
  return -value;
}

export function lengthOf(value: Json): number {
  if (typeof value === 'string') return codePointCount(value);
  if (typeof value === 'number') return Math.abs(value);
  if (Array.isArray(value)) return value.length;
  if (isFields(value)) return Object.keys(value).length;
  if (value === null || value === undefined) return 0;
  throw new JqError(`${shown(value)} has no length`);
}

export function codePointCount(text: string): number {
  let count = text.length;
  for (let i = 1; i < text.length; i++) {
    const low = text.charCodeAt(i);
    if (low >= 0xdc00 && low <= 0xdfff) {
      const high = text.charCodeAt(i - 1);
      if (high >= 0xd800 && high <= 0xdbff) count -= 1;
    }
  }
  return count;
}
