/**
 * The Gregorian calendar as arithmetic on whole numbers: no `Date` object a record. Instants are epoch milliseconds.
 *
 * Days are counted in years that begin in March, so that the day a leap year adds is the last one; 400 such years
 * have always the same 146,097 days.
 */

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** Instants that JavaScript's dates can name. */
export const INSTANT_MAX = 8_640_000_000_000_000;

const CYCLE_DAYS = 146_097;
/** Days from 1 March of year 0 to 1 January 1970. */
const EPOCH_DAYS = 719_468;

export interface Moment {
  year: number;
  /** 1 to 12. */
  month: number;
  day: number;
  /** 0 is Sunday. */
  weekday: number;
  hour: number;
  minute: number;
  second: number;
  ms: number;
  /** What the local time is ahead of UTC. */
  offsetMs: number;
}

/** Days from 1970-01-01 to that date. The month may be anything, the day too. */
export function daysOf(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const cycle = Math.floor(shifted / 400);
  const yearOfCycle = shifted - cycle * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfCycle = yearOfCycle * 365 + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100) + dayOfYear;
  return cycle * CYCLE_DAYS + dayOfCycle - EPOCH_DAYS;
}

/** Fills `moment` with the local time at an instant. */
export function fillMoment(moment: Moment, instant: number, offsetMs: number): void {
  const local = instant + offsetMs;
  const days = Math.floor(local / DAY_MS);
  const time = local - days * DAY_MS;
  const shifted = days + EPOCH_DAYS;
  const cycle = Math.floor(shifted / CYCLE_DAYS);
  const dayOfCycle = shifted - cycle * CYCLE_DAYS;
  const yearOfCycle = Math.floor(
    (dayOfCycle - Math.floor(dayOfCycle / 1460) + Math.floor(dayOfCycle / 36524) - Math.floor(dayOfCycle / 146096)) /
      365,
  );
  const dayOfYear = dayOfCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  moment.month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  moment.year = yearOfCycle + cycle * 400 + (moment.month <= 2 ? 1 : 0);
  moment.day = dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  moment.weekday = (((days + 4) % 7) + 7) % 7;
  moment.hour = Math.floor(time / HOUR_MS);
  moment.minute = Math.floor(time / MINUTE_MS) % 60;
  moment.second = Math.floor(time / 1000) % 60;
  moment.ms = time % 1000;
  moment.offsetMs = offsetMs;
}

export function newMoment(): Moment {
  return { year: 0, month: 1, day: 1, weekday: 0, hour: 0, minute: 0, second: 0, ms: 0, offsetMs: 0 };
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

export function daysInMonth(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && leap ? 29 : (MONTH_DAYS[month - 1] ?? 0);
}
