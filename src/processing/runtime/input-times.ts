/**
 * How far the inputs of one processor have come in event time, over all its partitions, and which have fallen silent.
 * An input that had nothing to read for `idleMs` is idle: it no longer holds time back, but is taken to have come as
 * far as the one that is furthest behind of those that are not. Where all are idle, time stands still. Made by
 * `Processor` where the setting `idle_ms` is given; each runner tells of its own inputs.
 */

/** Between two looks of a runner that has nothing to read, at most. */
const LOOK_MS_MAX = 1_000;

export class InputTime {
  /** Newest event time; -Infinity while there was none. */
  time = Number.NEGATIVE_INFINITY;
  /** Of the monotonic clock: since when there is nothing to read; undefined while there is. */
  quietSince: number | undefined;
}

export class InputTimes {
  readonly #idleMs: number;
  readonly #inputs = new Set<InputTime>();
  #reached = Number.NEGATIVE_INFINITY;

  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  /** How long a runner without anything to read may sleep. */
  get lookMs(): number {
    return Math.min(this.#idleMs, LOOK_MS_MAX);
  }

  add(): InputTime {
    const input = new InputTime();
    this.#inputs.add(input);
    return input;
  }

  remove(input: InputTime): void {
    this.#inputs.delete(input);
  }

  /** To be called when the time of an input has moved: what idle ones follow stays when that one falls silent too. */
  note(now: number): void {
    let least = Number.POSITIVE_INFINITY;
    for (const input of this.#inputs) if (!this.#isIdle(input, now)) least = Math.min(least, input.time);
    if (least < Number.POSITIVE_INFINITY) this.#reached = Math.max(this.#reached, least);
  }

  /** The event time to which an idle input is to be brought; undefined when it is not idle, or has come as far. */
  idleAt(input: InputTime, now: number): number | undefined {
    if (!this.#isIdle(input, now)) return undefined;
    this.note(now);
    return this.#reached > input.time ? this.#reached : undefined;
  }

  #isIdle({ quietSince }: InputTime, now: number): boolean {
    return quietSince !== undefined && now - quietSince >= this.#idleMs;
  }
}
