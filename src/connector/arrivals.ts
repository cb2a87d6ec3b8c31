/**
 * What a system sends by itself, waiting to be taken in its order: a bounded queue that pauses the connection while it is full.
 * Used by connectors that follow a stream of changes.
 */

/** Of arrivals that wait: beyond the first the connection is paused, below the second it goes on. */
const BYTES_MAX = 4 * 1024 * 1024;
const BYTES_RESUME = 1024 * 1024;

export interface Valve {
  pause(): void;
  resume(): void;
}

export class Arrivals<T extends { readonly bytes: number }> {
  readonly #valve: Valve;
  #queue: T[] = [];
  #head = 0;
  #bytes = 0;
  #paused = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(valve: Valve) {
    this.#valve = valve;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  push(arrival: T): void {
    if (this.failed) return;
    this.#queue.push(arrival);
    this.#bytes += arrival.bytes;
    if (!this.#paused && this.#bytes > BYTES_MAX) {
      this.#paused = true;
      this.#valve.pause();
    }
    this.#wake?.();
  }

  /** The next one; undefined when there is none yet. */
  shift(): T | undefined {
    const arrival = this.#queue[this.#head];
    if (arrival === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    }
    this.#bytes -= arrival.bytes;
    if (this.#paused && this.#bytes < BYTES_RESUME) {
      this.#paused = false;
      this.#valve.resume();
    }
    return arrival;
  }

  /** Resolves when something has arrived, and at the latest after so long. @throws what the stream failed with */
  async readable(ms: number): Promise<void> {
    if (this.#head < this.#queue.length) return;
    if (this.failed) throw this.#failure;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.#wake = undefined;
    if (this.#head === this.#queue.length && this.failed) throw this.#failure;
  }

  /** Nothing more arrives, for this reason; what is here can still be taken. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake?.();
  }
}
