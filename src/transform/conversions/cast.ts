/**
 * From one type to another, only where nothing is lost or guessed: "12 apples" is no number, 1.5 no integer.
 * Called by `steps.ts` when a list is compiled.
 */
import { readInstant } from '../dates/instant.ts';
import { type Conversion, REFUSED } from '../step.ts';
import { textOf } from './text.ts';

const NUMERAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const TRUE = new Set(['true', '1', 'yes']);
const FALSE = new Set(['false', '0', 'no']);

function toNumber(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : REFUSED;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : REFUSED;
  if (typeof value !== 'string') return REFUSED;
  const text = value.trim();
  if (!NUMERAL.test(text)) return REFUSED;
  const number = Number(text);
  return Number.isFinite(number) ? number : REFUSED;
}

function toInteger(value: unknown): unknown {
  const number = toNumber(value);
  return Number.isSafeInteger(number) ? number : REFUSED;
}

function toBoolean(value: unknown): unknown {
  if (typeof value === 'boolean') return value;
  const text = textOf(value)?.trim().toLowerCase() ?? '';
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : REFUSED;
}

function toText(value: unknown): unknown {
  const text = textOf(value);
  if (text !== undefined) return text;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? REFUSED : value.toISOString();
  return toJson(value);
}

function toDate(value: unknown): unknown {
  const instant = readInstant(value);
  return Number.isNaN(instant) ? REFUSED : new Date(instant).toISOString();
}

function toJson(value: unknown): unknown {
  try {
    return JSON.stringify(value) ?? REFUSED;
  } catch {
    return REFUSED; // a bigint inside, or nested too deeply
  }
}

function fromJson(value: unknown): unknown {
  if (typeof value !== 'string') return REFUSED;
  try {
    return JSON.parse(value);
  } catch {
    return REFUSED;
  }
}

export const CASTS: Readonly<Record<'string' | 'number' | 'integer' | 'boolean' | 'date' | 'json', Conversion>> = {
  string: { convert: toText, takes: 'something with a text' },
  number: { convert: toNumber, takes: 'a number' },
  integer: { convert: toInteger, takes: 'an integer' },
  boolean: { convert: toBoolean, takes: 'true, false, yes, no, 1 or 0' },
  date: { convert: toDate, takes: 'a date in ISO 8601 or epoch milliseconds' },
  json: { convert: fromJson, takes: 'text of JSON' },
};
