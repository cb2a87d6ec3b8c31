/**
 * Converts dates from one form to another: ISO 8601, epoch milliseconds or seconds, or a pattern, each in a time zone.
 * Own code, because a library costs microseconds a record (it looks up zone and locale each time) where arithmetic costs
 * a tenth of one; the rules of time zones are those of `Intl`, against which the tests hold it.
 */

import { specialise } from '../specialise.ts';
import { type Conversion, REFUSED } from '../step.ts';
import { DAY_MS, daysInMonth, daysOf, fillMoment, HOUR_MS, MINUTE_MS, type Moment, newMoment } from './calendar.ts';
import { readEpochMs, readEpochSeconds, readInstant } from './instant.ts';
import { type DateField, parseDatePattern, type Read, type Reading, unreadable, type Write } from './pattern.ts';
import { type Zone, zoneOf } from './zone.ts';

export interface DateSettings {
  readonly from: string;
  readonly from_zone: string;
  readonly to: string;
  readonly zone: string;
}

const NAMED_FORMATS = ['iso', 'epoch_ms', 'epoch_s'] as const;
const ISO_UTC = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX";

/** What is wrong with a format to read by, as a sentence. */
export function faultOfSource(format: string): string | undefined {
  if (format === 'auto' || isNamed(format)) return undefined;
  const fields = parseDatePattern(format);
  return typeof fields === 'string' ? fields : unreadable(format, fields);
}

/** What is wrong with a format to write by, as a sentence. */
export function faultOfTarget(format: string): string | undefined {
  const fields = isNamed(format) ? [] : parseDatePattern(format);
  return typeof fields === 'string' ? fields : undefined;
}

function isNamed(format: string): boolean {
  return (NAMED_FORMATS as readonly string[]).includes(format);
}

export function dateFormat(settings: DateSettings): Conversion {
  const read = readerOf(settings.from, zoneOf(settings.from_zone) as Zone);
  const write = writerOf(settings.to, zoneOf(settings.zone) as Zone);
  const takes = settings.from === 'auto' ? 'a date in ISO 8601 or epoch milliseconds' : `a date as ${settings.from}`;
  return { convert: specialise(conversion)(read, write, REFUSED), takes };
}

const conversion =
  (read: (value: unknown) => number, write: (instant: number) => unknown, refused: symbol) =>
  (value: unknown): unknown => {
    const instant = read(value);
    // Not a number, or out of the years 0 to 9999, which all formats can tell
    return instant >= -62_167_219_200_000 && instant < 253_402_300_800_000 ? write(instant) : refused;
  };

function readerOf(format: string, zone: Zone): (value: unknown) => number {
  if (format === 'auto') return (value) => readInstant(value, zone);
  if (format === 'iso') return (value) => (typeof value === 'string' ? readInstant(value, zone) : Number.NaN);
  if (format === 'epoch_ms') return readEpochMs;
  if (format === 'epoch_s') return readEpochSeconds;
  const reads = (parseDatePattern(format) as DateField[]).map((field) => field.read);
  const reading: Reading = { ...MIDNIGHT };
  return (value) => (typeof value === 'string' ? readBy(reads, value, reading, zone) : Number.NaN);
}

const MIDNIGHT: Readonly<Reading> = {
  year: Number.NaN,
  month: Number.NaN,
  day: Number.NaN,
  hour: 0,
  minute: 0,
  second: 0,
  ms: 0,
  halfDay: Number.NaN,
  offsetMs: Number.NaN,
};

function readBy(reads: readonly Read[], text: string, reading: Reading, zone: Zone): number {
  Object.assign(reading, MIDNIGHT);
  let at = 0;
  for (const read of reads) {
    at = read(text, at, reading);
    if (at === -1) return Number.NaN;
  }
  return at === text.length ? instantOfReading(reading, zone) : Number.NaN;
}

function instantOfReading(reading: Reading, zone: Zone): number {
  const { year, month, day, minute, second, ms, halfDay, offsetMs } = reading;
  const twelve = !Number.isNaN(halfDay);
  if (twelve && !(reading.hour >= 1 && reading.hour <= 12)) return Number.NaN;
  const hour = twelve ? (reading.hour % 12) + halfDay : reading.hour;
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return Number.NaN;
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return Number.NaN;
  const local = daysOf(year, month, day) * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * 1000 + ms;
  return Number.isNaN(offsetMs) ? zone.instantOf(local) : local - offsetMs;
}

/** Writes an instant of the years 0 to 9999. */
export function writerOf(format: string, zone: Zone): (instant: number) => unknown {
  if (format === 'epoch_ms') return (instant) => instant;
  if (format === 'epoch_s') return (instant) => Math.floor(instant / 1000);
  const fields = parseDatePattern(format === 'iso' ? ISO_UTC : format) as DateField[];
  const write = fields.map((field) => field.write).reduce((first, second) => specialise(joined)(first, second));
  return specialise(writer)(newMoment(), fillMoment, zone, write);
}

const joined =
  (first: Write, second: Write): Write =>
  (moment) =>
    first(moment) + second(moment);

const writer =
  (moment: Moment, fill: typeof fillMoment, zone: Zone, write: Write) =>
  (instant: number): string => {
    fill(moment, instant, zone.offsetAt(instant));
    return write(moment);
  };
