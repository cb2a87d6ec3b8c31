/** Values of cursors: times and counters, compared, moved, and as they are in states. Used by `passes.ts`. */
import type { Value } from '../contract.ts';
import type { Incremental } from './declaration.ts';

export type CursorValue = string | number;

const ENDS = /(?:\.?0*)?Z$/;

export interface CursorRule {
  /** Undefined: the record has none. */
  of(value: Value | undefined): CursorValue | undefined;
  compare(a: CursorValue, b: CursorValue): number;
  moved(from: CursorValue, by: number): CursorValue;
  now(nowMs: number): CursorValue;
}

/** Of times, moves are ms; of counters, units. */
export function cursorRule(kind: Incremental['kind']): CursorRule {
  return kind === 'datetime' ? times : counters;
}

const times: CursorRule = {
  of: (value) => (typeof value === 'string' && value !== '' ? value : undefined),
  compare: (a, b) => order(digitsOf(a), digitsOf(b)),
  moved: (from, by) => new Date(Date.parse(String(from)) + by).toISOString(),
  now: (nowMs) => new Date(nowMs).toISOString(),
};

const counters: CursorRule = {
  of: (value) => {
    const number = typeof value === 'bigint' || typeof value === 'string' ? Number(value) : value;
    return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
  },
  compare: (a, b) => Number(a) - Number(b),
  moved: (from, by) => Number(from) + by,
  now: (nowMs) => Math.floor(nowMs / 1000),
};

/** Fractions of a second of any length compare as text once the zone and what means nothing is gone. */
function digitsOf(value: CursorValue): string {
  const text = String(value);
  return text.includes('.') ? text.replace(ENDS, '') : text.replace(/Z$/, '');
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
