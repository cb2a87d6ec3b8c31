/**
 * One deadline for many: things that must end within a fixed time are put in and taken out, and one coarse
 * timer looks after the overdue. Starting and clearing a timer for each request would cost more than the request.
 */
import type { Clock } from '#kernel';

export interface Overdue {
  overdue(): void;
}

const SWEEPS_PER_PERIOD = 8;
const SWEEP_MS_MIN = 20;

export class Deadlines {
  readonly periodMs: number;
  readonly #clock: Clock;
  /** In the order of their deadlines, since all have the same period. */
  readonly #waiting = new Map<Overdue, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(periodMs: number, clock: Clock) {
    this.periodMs = periodMs;
    this.#clock = clock;
    this.#timer = setInterval(() => this.#sweep(), Math.max(SWEEP_MS_MIN, periodMs / SWEEPS_PER_PERIOD));
    this.#timer.unref();
  }

  add(item: Overdue): void {
    this.#waiting.set(item, this.#clock.monotonic() + this.periodMs);
  }

  delete(item: Overdue): void {
    this.#waiting.delete(item);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#waiting.clear();
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    for (const [item, deadline] of this.#waiting) {
      if (deadline > now) return;
      this.#waiting.delete(item);
      item.overdue();
    }
  }
}
