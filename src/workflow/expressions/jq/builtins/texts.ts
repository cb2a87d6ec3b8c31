/** Built-in functions of jq over text and numbers. */
import { charge, JqError, nowSeconds } from '../run.ts';
import { compare, isFields, type Json, negative, shown, splitText, toJson, toText } from '../values.ts';
import { natives } from './native.ts';

const NUMBER = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;
const DEPTH_MAX = 10_000;

export const TEXTS = natives({
  'tostring/0': toText,
  'tonumber/0': toNumber,
  'fromjson/0': fromJson,
  'ascii_downcase/0': (value) => textOf(value, 'ascii_downcase').replace(/[A-Z]/g, (sign) => sign.toLowerCase()),
  'ascii_upcase/0': (value) => textOf(value, 'ascii_upcase').replace(/[a-z]/g, (sign) => sign.toUpperCase()),
  'explode/0': (value) => {
    if (typeof value !== 'string') throw new JqError(`${shown(value)} cannot be exploded`);
    charge(value.length >> 2);
    return Array.from(value, (sign) => sign.codePointAt(0));
  },
  'implode/0': (value) => {
    if (!Array.isArray(value)) throw new JqError(`${shown(value)} cannot be imploded`);
    charge(value.length);
    return value.map(signOf).join('');
  },
  'startswith/1': (value, part) => both(value, part, 'startswith', (text, start) => text.startsWith(start)),
  'endswith/1': (value, part) => both(value, part, 'endswith', (text, end) => text.endsWith(end)),
  'ltrimstr/1': (value, part) => without(value, part, true, false),
  'rtrimstr/1': (value, part) => without(value, part, false, true),
  'trimstr/1': (value, part) => without(without(value, part, true, false), part, false, true),
  'trim/0': (value) => trimmed(value, /^\s+|\s+$/g),
  'ltrim/0': (value) => trimmed(value, /^\s+/),
  'rtrim/0': (value) => trimmed(value, /\s+$/),
  'split/1': (value, separator) => {
    if (typeof value !== 'string' || typeof separator !== 'string') {
      throw new JqError('split input and separator must be strings');
    }
    return splitText(value, separator);
  },
  'join/1': join,
  'now/0': () => nowSeconds(),
});

function textOf(value: Json, name: string): string {
  if (typeof value !== 'string') throw new JqError(`${name} input must be a string`);
  return value;
}

function both(value: Json, part: Json, name: string, test: (text: string, part: string) => boolean): boolean {
  if (typeof value !== 'string' || typeof part !== 'string') throw new JqError(`${name}() requires string inputs`);
  return test(value, part);
}

function without(value: Json, part: Json, start: boolean, end: boolean): Json {
  if (typeof value !== 'string' || typeof part !== 'string') return value;
  if (start && value.startsWith(part)) return value.slice(part.length);
  return end && part !== '' && value.endsWith(part) ? value.slice(0, -part.length) : value;
}

function trimmed(value: Json, pattern: RegExp): string {
  if (typeof value !== 'string') throw new JqError(`${shown(value)} cannot be trimmed`);
  return value.replace(pattern, '');
}

function signOf(point: Json): string {
  if (typeof point !== 'number' || Number.isNaN(point)) throw new JqError('Unicode codepoint must be numeric');
  const whole = Math.trunc(point);
  const known = whole >= 0 && whole <= 0x10ffff && !(whole >= 0xd800 && whole <= 0xdfff);
  return known ? String.fromCodePoint(whole) : '\ufffd';
}

function toNumber(value: Json): number {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') throw new JqError(`${shown(value)} cannot be parsed as a number`);
  if (value === 'nan') return Number.NaN;
  if (!NUMBER.test(value)) throw new JqError(`${shown(value)} cannot be parsed as a number`);
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, Number(value)));
}

function fromJson(value: Json): Json {
  if (typeof value !== 'string') throw new JqError(`${shown(value)} cannot be parsed as JSON`);
  charge(value.length >> 4);
  if (value === 'nan') return Number.NaN;
  let depth = 0;
  for (const sign of value) {
    if (sign === '[' || sign === '{') depth += 1;
    if (depth > DEPTH_MAX) throw new JqError('Exceeds depth limit for parsing');
  }
  try {
    return JSON.parse(value);
  } catch {
    throw new JqError(`${toJson(value).slice(0, 100)} cannot be parsed as JSON`);
  }
}

function join(value: Json, separator: Json): Json {
  if (!Array.isArray(value) && !isFields(value)) throw new JqError(`Cannot iterate over ${shown(value)}`);
  const items = Object.values(value);
  if (items.length === 0) return '';
  charge(items.length);
  if (items.length > 1 && typeof separator !== 'string' && separator !== null) {
    throw new JqError(`${shown(toText(items[0]))} and ${shown(separator)} cannot be added`);
  }
  const texts = items.map((item) => {
    if (typeof item === 'object' && item !== null) {
      throw new JqError(`${shown('')} and ${shown(item)} cannot be added`);
    }
    return item === null ? '' : toText(item);
  });
  const joined = texts.join(items.length > 1 ? String(separator ?? '') : '');
  charge(joined.length >> 5);
  return joined;
}

function number(value: Json): number {
  if (typeof value !== 'number') throw new JqError(`${shown(value)} number required`);
  return value;
}

const one = (name: string, run: (value: number) => number) => [`${name}/0`, (value: Json) => run(number(value))];
const MATH_NAMES =
  'floor sqrt cbrt trunc ceil exp log log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh'.split(
    ' ',
  );

export const NUMBERS = natives({
  ...Object.fromEntries(MATH_NAMES.map((name) => one(name, Math[name as 'floor']))),
  ...Object.fromEntries([
    one('fabs', Math.abs),
    one('round', (value) => Math.sign(value) * Math.round(Math.abs(value))),
    one('exp2', (value) => 2 ** value),
    one('exp10', (value) => 10 ** value),
  ]),
  'pow/2': (_input, base, exponent) => number(base) ** number(exponent),
  'abs/0': (value) => (compare(value, 0) < 0 ? negative(value) : value),
  'infinite/0': () => Number.POSITIVE_INFINITY,
  'nan/0': () => Number.NaN,
  'isinfinite/0': (value) => Math.abs(number(value)) === Number.POSITIVE_INFINITY,
  'isnan/0': (value) => Number.isNaN(number(value)),
  'isnormal/0': (value) => Number.isFinite(number(value)) && Math.abs(value as number) >= 2.2250738585072014e-308,
  'isvalid/0': () => true,
  'fromdateiso8601/0': fromDate,
  'fromdate/0': fromDate,
  'todateiso8601/0': toDate,
  'todate/0': toDate,
  'mktime/0': makeTime,
  'gmtime/0': brokenTime,
});

const DATE = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z$/;

function fromDate(value: Json): number {
  if (typeof value !== 'string') throw new JqError(`strptime/1 requires string inputs and arguments`);
  const ms = DATE.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) throw new JqError(`date "${value}" does not match format "%Y-%m-%dT%H:%M:%SZ"`);
  return Math.floor(ms / 1_000);
}

function toDate(value: Json): string {
  if (typeof value !== 'number') throw new JqError('strftime/1 requires parsed datetime inputs');
  return dateOf(value)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z');
}

function dateOf(seconds: number): Date {
  const date = new Date(Math.floor(seconds) * 1_000);
  if (Number.isNaN(date.getTime())) throw new JqError('error converting number of seconds since epoch to datetime');
  return date;
}

function makeTime(value: Json): number {
  if (!Array.isArray(value)) throw new JqError('mktime requires array of 6 numbers');
  if (value.length < 6) throw new JqError('mktime requires array of 6 numbers');
  const parts = value.slice(0, 6);
  if (parts.some((part) => typeof part !== 'number')) throw new JqError('mktime requires parsed datetime inputs');
  const [year, month, day, hour, minute, second] = (parts as number[]).map(Math.trunc) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Math.floor(Date.UTC(year, month, day, hour, minute, second) / 1_000);
}

function brokenTime(value: Json): Json {
  if (typeof value !== 'number') throw new JqError('gmtime() requires a number');
  const date = dateOf(value);
  const yearStart = Date.UTC(date.getUTCFullYear(), 0, 1);
  const seconds = date.getUTCSeconds() + (value - Math.floor(value));
  return [
    date.getUTCFullYear(),
    date.getUTCMonth(),
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    seconds,
    date.getUTCDay(),
    Math.floor((date.getTime() - yearStart) / 86_400_000),
  ];
}
