/**
 * The time, as something that can be handed in. Product code takes a `Clock`, tests take a
 * `ManualClock`, so that retention, expiry and leases are tested without waiting.
 */

export interface Clock {
  /** Milliseconds since 1970, as the machine believes them. */
  now(): number;
  /** Milliseconds from an arbitrary start that never go backwards; for durations. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

export class ManualClock implements Clock {
  #now: number;
  #elapsed = 0;

  constructor(startMs: number) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  /** Moves both readings forward by `ms`. */
  advance(ms: number): void {
    this.#now += ms;
    this.#elapsed += ms;
  }

  /** Moves the wall clock only, as an operator or NTP would. */
  jump(ms: number): void {
    this.#now += ms;
  }
}

/**
 * Milliseconds from an arbitrary start that never go backwards and are the same in every thread of this process, which
 * `monotonic()` is not: what threads that share memory reckon with.
 */
export function processMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
