/**
 * What is left of quotas, in memory that all listener threads share: a cell for each client and kind of period. The main
 * thread grants units, after it has them in the log; threads use them, and never more than there are.
 *
 * ```
 * cell │ half of even periods: ordinal, granted, used, – │ half of odd periods: the same │    i32 each
 * ```
 *
 * A half is another period's only when two have passed, so a thread that is late counts where it meant to.
 */

const HALF_WORDS = 4;
const CELL_WORDS = 2 * HALF_WORDS;
const GRANTED_AT = 1;
const USED_AT = 2;

export class QuotaCells {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  static create(cells: number): QuotaCells {
    return new QuotaCells(new SharedArrayBuffer(cells * CELL_WORDS * Int32Array.BYTES_PER_ELEMENT));
  }

  /** Uses a unit, if one is granted. */
  take(cell: number, ordinal: number): boolean {
    const at = half(cell, ordinal);
    if (Atomics.load(this.#words, at) !== ordinal) return false;
    for (;;) {
      const used = Atomics.load(this.#words, at + USED_AT);
      if (used >= Atomics.load(this.#words, at + GRANTED_AT)) return false;
      if (Atomics.compareExchange(this.#words, at + USED_AT, used, used + 1) === used) return true;
    }
  }

  /** Gives back a unit that was taken. */
  giveBack(cell: number, ordinal: number): void {
    const at = half(cell, ordinal);
    if (Atomics.load(this.#words, at) === ordinal) Atomics.sub(this.#words, at + USED_AT, 1);
  }

  /** Of the period, or nothing where the cell does not have it. */
  read(cell: number, ordinal: number): { readonly granted: number; readonly used: number } | undefined {
    const at = half(cell, ordinal);
    if (Atomics.load(this.#words, at) !== ordinal) return undefined;
    return { granted: Atomics.load(this.#words, at + GRANTED_AT), used: Atomics.load(this.#words, at + USED_AT) };
  }

  /** The period whose half it would be, which is over; 0: none. */
  before(cell: number, ordinal: number): number {
    return Atomics.load(this.#words, half(cell, ordinal));
  }

  /** The main thread's: begins a period. */
  begin(cell: number, ordinal: number, used: number, granted: number): void {
    const at = half(cell, ordinal);
    Atomics.store(this.#words, at, 0);
    Atomics.store(this.#words, at + GRANTED_AT, granted);
    Atomics.store(this.#words, at + USED_AT, used);
    Atomics.store(this.#words, at, ordinal);
  }

  /** The main thread's: so many may be used in all. */
  grant(cell: number, ordinal: number, granted: number): void {
    Atomics.store(this.#words, half(cell, ordinal) + GRANTED_AT, granted);
  }
}

function half(cell: number, ordinal: number): number {
  return cell * CELL_WORDS + (ordinal & 1) * HALF_WORDS;
}
