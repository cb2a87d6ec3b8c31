/** What an answer says of when to come again: Retry-After, the header of a reset, the header of what remains. */
import type { Answer } from './declaration.ts';

const REMAINING = ['ratelimit-remaining', 'x-ratelimit-remaining', 'x-rate-limit-remaining'];
const RESET = ['ratelimit-reset', 'x-ratelimit-reset', 'x-rate-limit-reset', 'x-ratelimit-reset-after'];
/** Numbers from here on are points in time. */
const EPOCH_S = 1_000_000_000;
const EPOCH_MS = 1_000_000_000_000;
const WAIT_MS_MAX = 24 * 3_600_000;

export interface Hints {
  /** Wait at least so long, where the answer says so. */
  readonly waitMs: number | undefined;
  /** Requests that are left until `resetMs`. */
  readonly remaining: number | undefined;
  /** How long until the count begins anew. */
  readonly resetMs: number | undefined;
}

/** @param names of headers of this system, before the usual ones */
export function hintsOf(
  { headers }: Pick<Answer, 'headers'>,
  nowMs: number,
  names: { readonly remaining?: string; readonly reset?: string } = {},
): Hints {
  const first = (candidates: readonly (string | undefined)[]) =>
    candidates
      .map((name) => (name === undefined ? undefined : headers[name.toLowerCase()]))
      .find((one) => one !== undefined);
  // Its clock, not ours, is what its times are told by.
  const theirMs = Date.parse(headers['date'] ?? '');
  const baseMs = Number.isNaN(theirMs) ? nowMs : theirMs;
  const remainingText = first([names.remaining, ...REMAINING]);
  const remaining = remainingText === undefined ? Number.NaN : Number.parseFloat(remainingText);
  return {
    waitMs:
      waitOf(headers['retry-after'], baseMs) ?? numberOf(headers['retry-after-ms'] ?? headers['x-retry-after-ms']),
    remaining: Number.isNaN(remaining) ? undefined : remaining,
    resetMs: waitOf(first([names.reset, ...RESET]), baseMs),
  };
}

/** Seconds, a point in time as seconds or milliseconds, or a date. */
function waitOf(text: string | undefined, baseMs: number): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  const ms =
    text.trim() === '' || Number.isNaN(number)
      ? Date.parse(text) - baseMs
      : number >= EPOCH_MS
        ? number - baseMs
        : number >= EPOCH_S
          ? number * 1000 - baseMs
          : number * 1000;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), WAIT_MS_MAX);
}

function numberOf(text: string | undefined): number | undefined {
  const number = Number(text);
  return text === undefined || Number.isNaN(number) ? undefined : Math.min(Math.max(number, 0), WAIT_MS_MAX);
}
