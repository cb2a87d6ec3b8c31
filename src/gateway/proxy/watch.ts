/**
 * Deadlines of everything under way on a thread, with one coarse timer for all: a request costs no timer, and a byte that
 * passes only moves a number.
 *
 * A list with gaps filled by the last, and no Set: one that grows and shrinks all the time leaves tables behind that each
 * point to the next, and once one of them has grown old, all that was ever in them is copied before it is collected.
 */
import type { Clock } from '#kernel';

const SWEEP_MS = 50;

export interface Watched {
  /** By the monotonic clock, in milliseconds. */
  readonly deadline: number;
  /** Where the watch has it. The watch writes it. */
  watchedAt: number;
  overdue(): void;
}

export class Watch {
  readonly #clock: Clock;
  readonly #watched: Watched[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  add(watched: Watched): void {
    watched.watchedAt = this.#watched.length;
    this.#watched.push(watched);
  }

  /** Does nothing to what is not watched. */
  delete(watched: Watched): void {
    const at = watched.watchedAt;
    if (this.#watched[at] !== watched) return;
    const last = this.#watched.pop() as Watched;
    if (last === watched) return;
    this.#watched[at] = last;
    last.watchedAt = at;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    // From the end: what takes the place of one that goes has been looked at.
    for (let i = this.#watched.length - 1; i >= 0; i--) {
      const watched = this.#watched[i];
      if (watched !== undefined && watched.deadline <= now) watched.overdue();
    }
  }
}
