/** Dates: what is read, what is written, and time zones, held against `Intl` and `Date`. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withSeed } from '#kit';
import { field } from './apply.ts';

const FAILED = expect.objectContaining({ code: 'TRANSFORM_FAILED' });
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Pacific/Apia'];

function dated(settings: Record<string, unknown>, value: unknown): unknown {
  return field({ type: 'date_format', ...settings }, value);
}

const instant = fc.integer({ min: Date.UTC(1900, 0), max: Date.UTC(2100, 0) });
const zone = fc.constantFrom(...ZONES);

describe('date_format writes', () => {
  const at = Date.UTC(2026, 2, 5, 16, 7, 9, 45);
  test.each([
    ['yyyy-MM-dd', '2026-03-05'],
    ['d.M.yy', '5.3.26'],
    ['EEE, dd MMM yyyy HH:mm:ss xx', 'Thu, 05 Mar 2026 16:07:09 +0000'],
    ['EEEE d MMMM', 'Thursday 5 March'],
    ["h:mm a, 'at' ''S", "4:07 PM, at '0"],
    ["yyyy'W'SSSXXX", '2026W045Z'],
    ['yyyyMMdd’HHmmss', '20260305’160709'],
    ['hh H m s SS', '04 16 7 9 04'],
    ['iso', '2026-03-05T16:07:09.045Z'],
    ['epoch_ms', at],
    ['epoch_s', Math.floor(at / 1000)],
  ])('%s', (to, expected) => {
    expect(dated({ to }, at)).toBe(expected);
  });

  test('midnight and noon on a clock of twelve hours', () => {
    expect(dated({ to: 'h a' }, Date.UTC(2026, 0, 1, 0))).toBe('12 AM');
    expect(dated({ to: 'h a' }, Date.UTC(2026, 0, 1, 12))).toBe('12 PM');
  });

  test('ISO 8601 with the offset of its zone', () => {
    expect(dated({ to: 'iso', zone: 'Asia/Kolkata' }, 0)).toBe('1970-01-01T05:30:00.000+05:30');
    expect(dated({ to: 'iso', zone: '-03:30' }, 0)).toBe('1969-12-31T20:30:00.000-03:30');
  });

  test('as `Date` does, at any instant of the years 1 to 9999', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1, 0) - 6e13, max: Date.UTC(9999, 11, 31) }), (ms) => {
        if (ms < -62_135_596_800_000) return;
        expect(dated({ to: 'iso' }, ms)).toBe(new Date(ms).toISOString());
      }),
      withSeed({ numRuns: 1000 }),
    );
  });

  test('as `Intl` does, at any instant in any zone', () => {
    fc.assert(
      fc.property(instant, zone, (ms, timeZone) => {
        expect(dated({ to: PATTERN, zone: timeZone }, ms)).toBe(byIntl(ms, timeZone));
      }),
      withSeed({ numRuns: 500 }),
    );
  });

  test('as `Intl` does, around every change of clocks of a year', () => {
    const counts = ZONES.map((timeZone) => {
      const changes = changesOf(timeZone, 2024);
      for (const change of changes) {
        for (const ms of [-3_600_001, -1, 0, 1, 1_799_999, 3_600_000]) {
          expect(dated({ to: PATTERN, zone: timeZone }, change + ms)).toBe(byIntl(change + ms, timeZone));
        }
      }
      return changes.length;
    });
    expect(counts).toEqual([0, 2, 2, 0, 2, 0]);
  });
});

const PATTERN = 'EEE yyyy-MM-dd HH:mm:ss.SSS';
const formats = new Map<string, Intl.DateTimeFormat>();

/** An instant by that pattern. */
function byIntl(ms: number, timeZone: string): string {
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('en-US', { timeZone, ...EVERYTHING });
  formats.set(timeZone, format);
  const of = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const date = `${of['weekday']} ${of['year']}-${of['month']}-${of['day']}`;
  return `${date} ${of['hour']}:${of['minute']}:${of['second']}.${of['fractionalSecond']}`;
}

const EVERYTHING = {
  hourCycle: 'h23',
  weekday: 'short',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
} as const;

/** The instants of a year at which clocks are changed. */
function changesOf(timeZone: string, year: number): number[] {
  const offsetAt = (ms: number) => Date.parse(`${byIntl(ms, timeZone).slice(4).replace(' ', 'T')}Z`) - ms;
  const changes: number[] = [];
  const step = 3_600_000;
  for (let ms = Date.UTC(year, 0); ms < Date.UTC(year + 1, 0); ms += step) {
    if (offsetAt(ms) === offsetAt(ms + step)) continue;
    let change = ms;
    while (offsetAt(change) === offsetAt(ms)) change += 60_000;
    changes.push(change);
  }
  return changes;
}

describe('date_format reads', () => {
  test.each([
    [{}, '2026-03-05', Date.UTC(2026, 2, 5)],
    [{}, '2026-03-05T10:20', Date.UTC(2026, 2, 5, 10, 20)],
    [{}, '2026-03-05 10:20:30.5', Date.UTC(2026, 2, 5, 10, 20, 30, 500)],
    [{}, '2026-03-05T10:20:30.123456789Z', Date.UTC(2026, 2, 5, 10, 20, 30, 123)],
    [{}, '2026-03-05T10:20:30+0530', Date.UTC(2026, 2, 5, 4, 50, 30)],
    [{}, '2026-03-05T10:20:30-08', Date.UTC(2026, 2, 5, 18, 20, 30)],
    [{ from_zone: 'Europe/Berlin' }, '2026-07-01T12:00', Date.UTC(2026, 6, 1, 10)],
    [{ from_zone: 'Europe/Berlin' }, '2026-07-01T12:00Z', Date.UTC(2026, 6, 1, 12)],
    [{}, 1234, 1234],
    [{}, new Date(77), 77],
    [{ from: 'epoch_s' }, '1700000000.5', 1_700_000_000_500],
    [{ from: 'epoch_ms' }, '1700000000500', 1_700_000_000_500],
    [{ from: 'dd/MM/yy' }, '05/03/68', Date.UTC(2068, 2, 5)],
    [{ from: 'dd/MM/yy' }, '05/03/69', Date.UTC(1969, 2, 5)],
    [{ from: 'yyyyMMddHHmmss' }, '20240229235959', Date.UTC(2024, 1, 29, 23, 59, 59)],
    [{ from: 'MMMM d, yyyy h:mm a' }, 'february 9, 2026 12:05 am', Date.UTC(2026, 1, 9, 0, 5)],
    [{ from: 'EEE MMM d yyyy HH:mm XX' }, 'Thu Mar 5 2026 10:00 -0130', Date.UTC(2026, 2, 5, 11, 30)],
    [{ from: "yyyy-MM-dd'T'HH:mm:ss.SSSXXX" }, '2026-03-05T10:20:30.045Z', Date.UTC(2026, 2, 5, 10, 20, 30, 45)],
  ])('%j from %j', (settings, text, expected) => {
    expect(dated({ to: 'epoch_ms', ...settings }, text)).toBe(expected);
  });

  test.each([
    [{}, 'March'],
    [{}, '2026-02-30'],
    [{}, '2026-13-01'],
    [{}, '2026-03-05T24:00'],
    [{}, '2026-03-05T10:20:30.'],
    [{}, '2026-03-05T10:20 '],
    [{}, '2026-03-05T10:20+99:00'],
    [{}, '1'],
    [{}, true],
    [{}, 8.65e15],
    [{}, new Date(Number.NaN)],
    [{ from: 'iso' }, 5],
    [{ from: 'epoch_s' }, 'now'],
    [{ from: 'dd.MM.yyyy' }, '5.3.2026'],
    [{ from: 'dd.MM.yyyy' }, '31.04.2026'],
    [{ from: 'dd.MM.yyyy' }, '05.03.2026x'],
    [{ from: 'd.M.yyyy h a' }, '5.3.2026 13 PM'],
  ])('%j refuses %j', (settings, text) => {
    expect(() => dated({ to: 'epoch_ms', ...settings }, text)).toThrow(FAILED);
  });

  test('the first of a time that comes twice, and moves on a time that is left out', () => {
    const berlin = { from: 'yyyy-MM-dd HH:mm', from_zone: 'Europe/Berlin', to: 'iso' };
    expect(dated(berlin, '2026-10-25 02:30')).toBe('2026-10-25T00:30:00.000Z');
    expect(dated(berlin, '2026-03-29 02:30')).toBe('2026-03-29T01:30:00.000Z');
    const apia = { from: 'yyyy-MM-dd HH:mm', from_zone: 'Pacific/Apia', to: 'iso' };
    expect(dated(apia, '2011-12-30 12:00')).toBe('2011-12-30T22:00:00.000Z'); // a day that Samoa left out
  });

  test('what it has written with an offset, at any instant in any zone', () => {
    const pattern = 'EEE d MMM yyyy, h:mm:ss.SSS a xxx';
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1975, 0), max: Date.UTC(2100, 0) }), zone, (ms, timeZone) => {
        const text = dated({ to: pattern, zone: timeZone }, ms);
        expect(dated({ from: pattern, to: 'epoch_ms' }, text)).toBe(ms);
      }),
      withSeed({ numRuns: 500 }),
    );
  });

  test('local times back to what wrote them, but for those that come twice', () => {
    const pattern = 'yyyy-MM-dd HH:mm:ss.SSS';
    fc.assert(
      fc.property(instant, zone, (ms, timeZone) => {
        const text = dated({ to: pattern, zone: timeZone }, ms);
        const back = dated({ from: pattern, from_zone: timeZone, to: 'epoch_ms' }, text) as number;
        expect(dated({ to: pattern, zone: timeZone }, back)).toBe(text);
        expect(back).toBeLessThanOrEqual(ms);
      }),
      withSeed({ numRuns: 500 }),
    );
  });
});
