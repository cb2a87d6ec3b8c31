/** How long a record stays away after it came back: doubled with each failure, capped, and spread out. */

export interface BackoffOptions {
  /** After the first failure. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
}

/**
 * Milliseconds, between half of what the doubling says and all of it: records that failed together, because what they
 * need was away, do not all come back together.
 * @param failures 1 or more
 * @param random from 0 to below 1
 */
export function backoff(failures: number, { backoffMs, backoffMaxMs }: BackoffOptions, random: number): number {
  const whole = Math.min(backoffMaxMs, backoffMs * 2 ** Math.min(failures - 1, 50));
  return Math.round(whole / 2 + (whole / 2) * random);
}
