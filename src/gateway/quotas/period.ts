/** Calendar periods in UTC, numbered one after the other, so that two of them can be told apart by a number. Pure. */

export type Period = 'hour' | 'day' | 'month';

export const PERIODS = ['hour', 'day', 'month'] as const;

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const MONTHS = 12;

/** The number of the period a time is in. */
export function ordinalOf(period: Period, epochMs: number): number {
  if (period === 'hour') return Math.floor(epochMs / HOUR_MS);
  if (period === 'day') return Math.floor(epochMs / DAY_MS);
  const date = new Date(epochMs);
  return date.getUTCFullYear() * MONTHS + date.getUTCMonth();
}

/** When a period begins, and the one before it ends. */
export function startOf(period: Period, ordinal: number): number {
  if (period === 'hour') return ordinal * HOUR_MS;
  if (period === 'day') return ordinal * DAY_MS;
  return Date.UTC(Math.floor(ordinal / MONTHS), ordinal % MONTHS);
}
