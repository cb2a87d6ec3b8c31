/**
 * Deadlines of everything under way on a thread, with one coarse timer for all: a request costs no timer, and a byte that
 * passes only moves a number.
 */
import type { Clock } from '#kernel';

const SWEEP_MS = 50;

export interface Watched {
  /** By the monotonic clock, in milliseconds. */
  readonly deadline: number;
  overdue(): void;
}

export class Watch {
  readonly #clock: Clock;
  readonly #watched = new Set<Watched>();
  readonly #timer: NodeJS.Timeout;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  add(watched: Watched): void {
    this.#watched.add(watched);
  }

  delete(watched: Watched): void {
    this.#watched.delete(watched);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    for (const watched of this.#watched) if (watched.deadline <= now) watched.overdue();
  }
}
