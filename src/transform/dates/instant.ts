/**
 * Reads an instant from what data has for one: ISO 8601 text, epoch milliseconds, a `Date` from MessagePack. Stricter
 * than `Date.parse`, which takes "March" and "1" too, and reads local times in the zone of the machine.
 * NaN is the answer for all that is no instant.
 */
import { DAY_MS, daysInMonth, daysOf, HOUR_MS, INSTANT_MAX, MINUTE_MS } from './calendar.ts';
import type { Zone } from './zone.ts';

/** Text without an offset is taken in `zone`, default UTC. */
export function readInstant(value: unknown, zone?: Zone): number {
  if (typeof value === 'string') return readIso(value, zone);
  if (typeof value === 'number') return readEpochMs(value);
  return value instanceof Date ? value.getTime() : Number.NaN;
}

export function readEpochMs(value: unknown): number {
  const ms = numberOf(value);
  return Math.abs(ms) <= INSTANT_MAX ? Math.trunc(ms) : Number.NaN;
}

export function readEpochSeconds(value: unknown): number {
  return readEpochMs(numberOf(value) * 1000);
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && /^-?\d{1,17}(\.\d{1,9})?$/.test(value) ? Number(value) : Number.NaN;
}

/** The digits from `at`, as many as `count`; NaN where one is none. */
export function digits(text: string, at: number, count: number): number {
  let number = 0;
  for (let i = at; i < at + count; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

/** `2026-01-31`, with `T10:00`, `:30` and `.123456` after it, and `Z` or an offset such as `+01:00` at its end. */
function readIso(text: string, zone: Zone | undefined): number {
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  if (text[4] !== '-' || text[7] !== '-') return Number.NaN;
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return Number.NaN;
  const date = daysOf(year, month, day) * DAY_MS;
  if (text.length === 10) return zone === undefined ? date : zone.instantOf(date);
  return readIsoTime(text, date, zone);
}

function readIsoTime(text: string, date: number, zone: Zone | undefined): number {
  const between = text[10];
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  if ((between !== 'T' && between !== ' ' && between !== 't') || text[13] !== ':') return Number.NaN;
  let at = 16;
  let second = 0;
  let ms = 0;
  if (text[at] === ':') {
    second = digits(text, 17, 2);
    at = 19;
    if (text[at] === '.' || text[at] === ',') {
      const end = endOfDigits(text, at + 1);
      if (end === at + 1) return Number.NaN;
      ms = Math.floor(digits(text, at + 1, Math.min(3, end - at - 1)) * 10 ** Math.max(0, 4 + at - end));
      at = end;
    }
  }
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return Number.NaN;
  const local = date + hour * HOUR_MS + minute * MINUTE_MS + second * 1000 + ms;
  if (at === text.length) return zone === undefined ? local : zone.instantOf(local);
  return local - readOffset(text, at);
}

function endOfDigits(text: string, at: number): number {
  let end = at;
  while (end < text.length && end < at + 9 && !Number.isNaN(digits(text, end, 1))) end++;
  return end;
}

/** The offset that is the rest of the text: `Z`, `+01`, `+0100`, `+01:00`. */
function readOffset(text: string, at: number): number {
  if ((text[at] === 'Z' || text[at] === 'z') && at + 1 === text.length) return 0;
  const sign = text[at] === '+' ? 1 : text[at] === '-' ? -1 : Number.NaN;
  const hours = digits(text, at + 1, 2);
  const colon = text[at + 3] === ':' ? 1 : 0;
  const left = text.length - (at + 3 + colon);
  const minutes = left === 0 && colon === 0 ? 0 : left === 2 ? digits(text, at + 3 + colon, 2) : Number.NaN;
  return hours <= 18 && minutes <= 59 ? sign * (hours * HOUR_MS + minutes * MINUTE_MS) : Number.NaN;
}
