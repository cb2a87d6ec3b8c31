/**
 * Date patterns, such as `dd.MM.yyyy HH:mm`, in the letters of Unicode TR 35 (those of Java and ICU), English names.
 * A pattern is cut into fields once; each field knows how it is written and how it is read.
 *
 *   yyyy 2026   yy 26            MM 01   M 1   MMM Jan   MMMM January      dd 09   d 9     EEE Fri   EEEE Friday
 *   HH 00–23   H   hh 01–12   h  a AM/PM      mm   m   ss   s   SSS thousandths (S, SS: the first digits)
 *   XXX +01:00 or Z   XX +0100 or Z   xxx +01:00   xx +0100      'text' as it is   '' a quote
 *
 * All that is not a letter stands for itself. `yy` reads 00 to 68 as 2000 to 2068, 69 to 99 as 1969 to 1999.
 */
import { HOUR_MS, MINUTE_MS, type Moment } from './calendar.ts';
import { digits } from './instant.ts';

export type Write = (moment: Moment) => string;

/** What is read from a text; `NaN` where the pattern has no such field. */
export interface Reading {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  ms: number;
  /** 0 for AM, 12 for PM. */
  halfDay: number;
  offsetMs: number;
}

/** Reads one field at `at`; answers where the next one begins, or -1. */
export type Read = (text: string, at: number, reading: Reading) => number;

export interface DateField {
  /** What it tells: `year`, `literal` … */
  readonly tells: keyof Reading | 'weekday' | 'literal';
  readonly write: Write;
  readonly read: Read;
}

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const WEEKDAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');
const SHORT = (name: string) => name.slice(0, 3);
const HALVES = ['AM', 'PM'];

function two(number: number): string {
  return number < 10 ? `0${number}` : `${number}`;
}

function padded(number: number, width: number): string {
  return String(number).padStart(width, '0');
}

/** A number of exactly `width` digits, or of 1 to `loose` digits where that is given. */
function numeral(tells: keyof Reading, width: number, write: Write, loose?: number): DateField {
  const read: Read = (text, at, reading) => {
    let count = width;
    if (loose !== undefined) while (count < loose && !Number.isNaN(digits(text, at + count, 1))) count++;
    reading[tells] = digits(text, at, count);
    return Number.isNaN(reading[tells]) ? -1 : at + count;
  };
  return { tells, write, read };
}

function named(tells: DateField['tells'], names: readonly string[], index: (moment: Moment) => number): DateField {
  const lower = names.map((name) => name.toLowerCase());
  return {
    tells,
    write: (moment) => names[index(moment)] as string,
    read: (text, at, reading) => {
      const found = lower.findIndex((name) => text.slice(at, at + name.length).toLowerCase() === name);
      if (found === -1) return -1;
      if (tells === 'month') reading.month = found + 1;
      if (tells === 'halfDay') reading.halfDay = found * 12;
      return at + (lower[found] as string).length;
    },
  };
}

function fraction(width: number): DateField {
  const unit = 10 ** (3 - width);
  return {
    tells: 'ms',
    write: ({ ms }) => padded(Math.floor(ms / unit), width),
    read: (text, at, reading) => {
      reading.ms = digits(text, at, width) * unit;
      return Number.isNaN(reading.ms) ? -1 : at + width;
    },
  };
}

function offset(colon: string, zulu: boolean): DateField {
  return {
    tells: 'offsetMs',
    write: ({ offsetMs }) => {
      if (zulu && offsetMs === 0) return 'Z';
      const size = Math.abs(offsetMs);
      return `${offsetMs < 0 ? '-' : '+'}${two(Math.floor(size / HOUR_MS))}${colon}${two(Math.floor(size / MINUTE_MS) % 60)}`;
    },
    read: (text, at, reading) => {
      if (zulu && text[at] === 'Z') {
        reading.offsetMs = 0;
        return at + 1;
      }
      const sign = text[at] === '+' ? 1 : text[at] === '-' ? -1 : Number.NaN;
      const minutesAt = at + 3 + colon.length;
      const [hours, minutes] = [digits(text, at + 1, 2), digits(text, minutesAt, 2)];
      if (text.slice(at + 3, minutesAt) !== colon || !(hours <= 18 && minutes <= 59)) return -1;
      reading.offsetMs = sign * (hours * HOUR_MS + minutes * MINUTE_MS);
      return Number.isNaN(sign) ? -1 : minutesAt + 2;
    },
  };
}

const shortYear: DateField = {
  tells: 'year',
  write: ({ year }) => two(((year % 100) + 100) % 100),
  read: (text, at, reading) => {
    const short = digits(text, at, 2);
    reading.year = short + (short <= 68 ? 2000 : 1900);
    return Number.isNaN(short) ? -1 : at + 2;
  },
};

function ofTwelve(hour: number): number {
  return hour % 12 === 0 ? 12 : hour % 12;
}

const FIELDS: Readonly<Record<string, DateField>> = {
  yyyy: numeral('year', 4, ({ year }) => padded(year, 4)),
  yy: shortYear,
  MMMM: named('month', MONTHS, ({ month }) => month - 1),
  MMM: named('month', MONTHS.map(SHORT), ({ month }) => month - 1),
  MM: numeral('month', 2, ({ month }) => two(month)),
  M: numeral('month', 1, ({ month }) => String(month), 2),
  dd: numeral('day', 2, ({ day }) => two(day)),
  d: numeral('day', 1, ({ day }) => String(day), 2),
  EEEE: named('weekday', WEEKDAYS, ({ weekday }) => weekday),
  EEE: named('weekday', WEEKDAYS.map(SHORT), ({ weekday }) => weekday),
  HH: numeral('hour', 2, ({ hour }) => two(hour)),
  H: numeral('hour', 1, ({ hour }) => String(hour), 2),
  hh: numeral('hour', 2, ({ hour }) => two(ofTwelve(hour))),
  h: numeral('hour', 1, ({ hour }) => String(ofTwelve(hour)), 2),
  a: named('halfDay', HALVES, ({ hour }) => (hour < 12 ? 0 : 1)),
  mm: numeral('minute', 2, ({ minute }) => two(minute)),
  m: numeral('minute', 1, ({ minute }) => String(minute), 2),
  ss: numeral('second', 2, ({ second }) => two(second)),
  s: numeral('second', 1, ({ second }) => String(second), 2),
  SSS: fraction(3),
  SS: fraction(2),
  S: fraction(1),
  XXX: offset(':', true),
  XX: offset('', true),
  xxx: offset(':', false),
  xx: offset('', false),
};

function literal(text: string): DateField {
  return {
    tells: 'literal',
    write: () => text,
    read: (from, at) => (from.startsWith(text, at) ? at + text.length : -1),
  };
}

const TOKEN = /([A-Za-z])\1*|'((?:[^']|'')*)'|[^A-Za-z']+/y;

/** The fields of a pattern, or what is wrong with it as a sentence. */
export function parseDatePattern(pattern: string): DateField[] | string {
  const fields: DateField[] = [];
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < pattern.length; ) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(pattern);
    if (token === null) return `a quote is not closed in "${pattern}"`;
    const [text, letter, quoted] = token;
    if (letter !== undefined) {
      const field = FIELDS[text];
      if (field === undefined) return `"${text}" at ${at} of "${pattern}" is no date field; quote text: '${text}'`;
      fields.push(field);
    } else {
      fields.push(literal(quoted === undefined ? text : quoted === '' ? "'" : quoted.replaceAll("''", "'")));
    }
  }
  return fields.length === 0 ? 'a date pattern is empty' : fields;
}

/** What a pattern lacks to read a date by, if anything. */
export function unreadable(pattern: string, fields: readonly DateField[]): string | undefined {
  const tells = new Set(fields.map((field) => field.tells));
  const missing = (['year', 'month', 'day'] as const).filter((part) => !tells.has(part));
  if (missing.length > 0)
    return `"${pattern}" does not tell the ${missing.join(' and ')}, so no date can be read by it`;
  const twelve = /h/.test(pattern.replace(/'[^']*'/g, ''));
  return twelve !== tells.has('halfDay') ? `in "${pattern}", h and a belong together` : undefined;
}
