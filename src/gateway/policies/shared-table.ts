/**
 * A hash table in shared memory, so that all listener threads count with one truth: rate limits keep their counters in
 * it, replay protection the ids it has seen. One thread makes it, hands `buffer` to the others, and each wraps it.
 *
 * ```
 * header 64 B   │ seed 2×u32 │ sets u32 │ evictions u32 │ refusals u32 │ …
 * locks         │ one i32 a set
 * sets          │ 8 slots of 64 B: fingerprint 2×u32 (0,0 = free) │ expiry f64 │ 12×i32 of whoever uses it
 * ```
 *
 * A key is known by a 64-bit SipHash under a random seed, so nobody outside can aim at another's counter. All of a set
 * happens under its lock: a few dozen plain reads and writes, no call that can throw. A thread that dies inside is
 * waited for during `STEAL_MS` at most.
 *
 * The size is bounded. When the eight slots of a set are taken, an expired one is taken over, which changes nothing;
 * where there is none, the caller says: `evict` takes the slot that would expire first (its key starts anew, and
 * `evictions` counts it), otherwise nothing is found and `refusals` counts it.
 */
import { randomFillSync } from 'node:crypto';
import { assert } from '#kernel';
import { halfSipHash } from './half-sip-hash.ts';

const WAYS = 8;
const SLOT_WORDS = 16;
const SET_WORDS = WAYS * SLOT_WORDS;
const HEADER_WORDS = 16;
const SETS_AT = 2;
const EVICTIONS_AT = 3;
const REFUSALS_AT = 4;
/** Words of a slot before those of its user. */
const OWN_WORDS = 4;
const SPINS = 200;
const PAUSE_MS = 1;
/** Far longer than the system keeps a runnable thread from running. */
const STEAL_MS = 2_000;

export interface TableFacts {
  readonly slots: number;
  /** Live entries that were given up for others since the start. */
  readonly evictions: number;
  /** Entries that found no room since the start. */
  readonly refusals: number;
}

/** What is done with an entry under the lock. */
export interface Touch {
  /**
   * The twelve words of its user are `words[at]` to `words[at + 11]`, or six numbers from `numbers[at / 2]` on, all 0 when
   * `fresh`. Returns when the entry may be forgotten, in the milliseconds of `now`.
   */
  touch(words: Int32Array, numbers: Float64Array, at: number, fresh: boolean): number;
}

export class SharedTable {
  readonly buffer: SharedArrayBuffer;
  readonly #header: Int32Array;
  readonly #locks: Int32Array;
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #sets: number;
  readonly #hash = new Uint32Array(2);

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#header = new Int32Array(buffer, 0, HEADER_WORDS);
    this.#sets = this.#header[SETS_AT] as number;
    assert(this.#sets > 0, 'a shared table is made by SharedTable.create');
    this.#locks = new Int32Array(buffer, HEADER_WORDS * 4, this.#sets);
    const from = setsFrom(this.#sets);
    this.#words = new Int32Array(buffer, from, this.#sets * SET_WORDS);
    this.#numbers = new Float64Array(buffer, from, (this.#sets * SET_WORDS) / 2);
  }

  /** A table of at least `slots` slots of 64 bytes, rounded up to a power of two. */
  static create(slots: number): SharedTable {
    assert(Number.isSafeInteger(slots) && slots > 0 && slots <= 2 ** 24, 'slots must be from 1 to 16 million');
    const sets = 2 ** Math.ceil(Math.log2(Math.max(1, slots / WAYS)));
    const buffer = new SharedArrayBuffer(setsFrom(sets) + sets * SET_WORDS * 4);
    const header = new Int32Array(buffer, 0, HEADER_WORDS);
    const seed = randomFillSync(new Int32Array(2));
    header.set(seed);
    header[SETS_AT] = sets;
    return new SharedTable(buffer);
  }

  get facts(): TableFacts {
    return {
      slots: this.#sets * WAYS,
      evictions: Atomics.load(this.#header, EVICTIONS_AT) >>> 0,
      refusals: Atomics.load(this.#header, REFUSALS_AT) >>> 0,
    };
  }

  /**
   * Touches the entry of `key`, making it where there is none, alone among all threads. False when there was no
   * room and `evict` is off. `now` is from `processMs`.
   */
  update(key: string, now: number, evict: boolean, visitor: Touch): boolean {
    const hash = this.#hash;
    halfSipHash(key, this.#header[0] as number, this.#header[1] as number, hash);
    const low = hash[0] as number;
    // The fingerprint of no entry is 0, 0.
    const high = (hash[1] as number) === 0 && low === 0 ? 1 : (hash[1] as number);
    const set = low & (this.#sets - 1);
    this.#lock(set);
    try {
      const { at, fresh } = this.#slot(set, low, high, now, evict);
      if (at < 0) return false;
      if (fresh) {
        this.#words.fill(0, at, at + SLOT_WORDS);
        this.#words[at] = low;
        this.#words[at + 1] = high;
      }
      this.#numbers[at / 2 + 1] = visitor.touch(this.#words, this.#numbers, at + OWN_WORDS, fresh);
      return true;
    } finally {
      Atomics.store(this.#locks, set, 0);
    }
  }

  #slot(set: number, low: number, high: number, now: number, evict: boolean): { at: number; fresh: boolean } {
    let first = -1;
    let firstExpiry = Number.POSITIVE_INFINITY;
    for (let way = 0; way < WAYS; way++) {
      const at = set * SET_WORDS + way * SLOT_WORDS;
      const free = this.#words[at] === 0 && this.#words[at + 1] === 0;
      const expiry = free ? Number.NEGATIVE_INFINITY : (this.#numbers[at / 2 + 1] as number);
      if (!free && this.#words[at] === (low | 0) && this.#words[at + 1] === (high | 0)) {
        return { at, fresh: expiry <= now };
      }
      if (expiry < firstExpiry) {
        first = at;
        firstExpiry = expiry;
      }
    }
    if (firstExpiry <= now) return { at: first, fresh: true };
    Atomics.add(this.#header, evict ? EVICTIONS_AT : REFUSALS_AT, 1);
    return { at: evict ? first : -1, fresh: true };
  }

  #lock(set: number): void {
    let waitedMs = 0;
    for (let spins = 0; Atomics.compareExchange(this.#locks, set, 0, 1) !== 0; spins++) {
      if (spins < SPINS) continue;
      if (waitedMs >= STEAL_MS) return;
      Atomics.wait(this.#locks, set, 1, PAUSE_MS);
      waitedMs += PAUSE_MS;
    }
  }
}

/** Where the sets begin: behind the locks, at a multiple of 64 bytes. */
function setsFrom(sets: number): number {
  return Math.ceil((HEADER_WORDS * 4 + sets * 4) / 64) * 64;
}
