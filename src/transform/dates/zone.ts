/**
 * Time zones. The rules are those of the ICU that comes with Node; what is asked of it is kept, since asking takes
 * microseconds. Offsets change at most once within an hour, so an hour that begins and ends with the same offset has
 * that offset throughout.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from './calendar.ts';

export interface Zone {
  /** Milliseconds that local time is ahead of UTC at an instant. */
  offsetAt(instant: number): number;
  /**
   * The instant of a local time, given as if it were UTC. Of a time that comes twice, when clocks go back, the first;
   * a time that is left out, when clocks go forward, is as much later.
   */
  instantOf(local: number): number;
}

const FIXED = /^([+-])(\d{2}):?(\d{2})$/;
const HOURS_KEPT = 10_000;

/** Undefined where there is no such zone. */
export function zoneOf(name: string): Zone | undefined {
  if (name === 'UTC' || name === 'Z') return fixedZone(0);
  const fixed = FIXED.exec(name);
  if (fixed !== null) {
    const [hours, minutes] = [Number(fixed[2]), Number(fixed[3])];
    if (hours > 18 || minutes > 59) return undefined;
    return fixedZone((fixed[1] === '-' ? -1 : 1) * (hours * HOUR_MS + minutes * MINUTE_MS));
  }
  const format = formatOf(name);
  return format && namedZone(format);
}

function formatOf(timeZone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    return undefined; // RangeError: no such zone
  }
}

function fixedZone(offsetMs: number): Zone {
  return { offsetAt: () => offsetMs, instantOf: (local) => local - offsetMs };
}

function namedZone(format: Intl.DateTimeFormat): Zone {
  const hours = new Map<number, number>();
  let lastHour = Number.NaN;
  let lastOffset = 0;

  const offsetAt = (instant: number): number => {
    const hour = Math.floor(instant / HOUR_MS);
    if (hour === lastHour) return lastOffset;
    let offset = hours.get(hour);
    if (offset === undefined) {
      offset = ask(format, hour * HOUR_MS);
      if (ask(format, (hour + 1) * HOUR_MS) !== offset) return ask(format, instant);
      if (hours.size >= HOURS_KEPT) hours.clear();
      hours.set(hour, offset);
    }
    lastHour = hour;
    lastOffset = offset;
    return offset;
  };

  const instantOf = (local: number): number => {
    const before = offsetAt(local - DAY_MS);
    const after = offsetAt(local + DAY_MS);
    const early = local - Math.max(before, after);
    const late = local - Math.min(before, after);
    if (early + offsetAt(early) === local) return early;
    if (late + offsetAt(late) === local) return late;
    return local - before;
  };

  return { offsetAt, instantOf };
}

/** What the clock in that zone shows, less UTC, in whole seconds. */
function ask(format: Intl.DateTimeFormat, instant: number): number {
  const shown: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = {};
  for (const { type, value } of format.formatToParts(instant)) shown[type] = value;
  const year = shown.era === 'BC' ? 1 - Number(shown.year) : Number(shown.year);
  const local = new Date(0);
  local.setUTCFullYear(year, Number(shown.month) - 1, Number(shown.day));
  local.setUTCHours(Number(shown.hour), Number(shown.minute), Number(shown.second));
  return local.getTime() - Math.floor(instant / 1000) * 1000;
}
