/**
 * One deadline for many: what must end within a fixed time is put in, and one coarse timer looks after the overdue.
 * Most bodies are whole within the turn they begin in, so only what is still open after it is entered and timed.
 */
import type { Clock } from '#kernel';

export interface Overdue {
  /** It has ended by itself. */
  readonly over: boolean;
  overdue(): void;
}

const SWEEPS_PER_PERIOD = 8;
const SWEEP_MS_MIN = 20;

export class Deadlines {
  readonly periodMs: number;
  readonly #clock: Clock;
  #fresh: Overdue[] = [];
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
    if (this.#fresh.length === 0) setImmediate(() => this.#enter());
    this.#fresh.push(item);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#fresh = [];
    this.#waiting.clear();
  }

  #enter(): void {
    const fresh = this.#fresh;
    this.#fresh = [];
    const deadline = this.#clock.monotonic() + this.periodMs;
    for (const item of fresh) {
      if (!item.over) this.#waiting.set(item, deadline);
    }
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    for (const [item, deadline] of this.#waiting) {
      if (deadline > now) return;
      this.#waiting.delete(item);
      if (!item.over) item.overdue();
    }
  }
}
