/**
 * The two ways to count requests against a limit, as entries of the shared table. Both reckon in whole milliseconds and
 * whole requests, so nothing is lost to rounding and the count is exact whatever the number of threads.
 *
 * Token bucket (GCRA): a request costs `windowMs` units, `limit` units drain each millisecond, and no more than
 * `burst × windowMs` may be outstanding. So `limit` requests pass a window in the long run, `burst` at once.
 *
 * Sliding window: the window is cut into eight slices, and nine are summed, so that a request counts for at least a whole
 * window after it was made: no window, wherever it begins, sees more than `limit`. The price is that room comes back up
 * to an eighth of the window late.
 */
import type { SharedTable, Touch } from './shared-table.ts';

export interface Quota {
  readonly limit: number;
  readonly windowMs: number;
  /** Requests at once; the limit itself for a sliding window. */
  readonly burst: number;
}

/** What the last `take` found. The object is reused: read it before the next. */
export interface Count {
  readonly allowed: boolean;
  readonly remaining: number;
  /** Until everything is there again. */
  readonly resetMs: number;
  /** Until a request of this cost would pass, 0 when it did. */
  readonly retryMs: number;
}

export interface Counter extends Count {
  /** Counts `cost` requests of `key` at `now`, all or none of them. */
  take(table: SharedTable, key: string, now: number, cost: number): Count;
}

/** What both kinds share: the fields of `Count` and those of the request under way. */
abstract class TableCounter implements Counter, Touch {
  allowed = false;
  remaining = 0;
  resetMs = 0;
  retryMs = 0;
  protected readonly quota: Quota;
  protected now = 0;
  protected cost = 0;

  constructor(quota: Quota) {
    this.quota = quota;
  }

  take(table: SharedTable, key: string, now: number, cost: number): Count {
    this.now = Math.floor(now);
    this.cost = cost;
    table.update(key, this.now, true, this);
    return this;
  }

  abstract touch(words: Int32Array, numbers: Float64Array, at: number, fresh: boolean): number;
}

/** numbers: 0 when it was last touched, 1 the units outstanding then. */
export class TokenBucket extends TableCounter {
  touch(_words: Int32Array, numbers: Float64Array, at: number, fresh: boolean): number {
    const { limit, windowMs, burst } = this.quota;
    const index = at / 2;
    const last = fresh ? this.now : (numbers[index] as number);
    // Another thread may have read the clock after this one and come first.
    const now = Math.max(last, this.now);
    const drained = (now - last) * limit;
    const outstanding = Math.max(0, (numbers[index + 1] as number) - drained);
    const after = Math.max(0, outstanding + this.cost * windowMs);
    const full = burst * windowMs;
    this.allowed = after <= full;
    const kept = this.allowed ? after : outstanding;
    this.remaining = Math.floor((full - kept) / windowMs);
    this.resetMs = Math.ceil(kept / limit);
    this.retryMs = this.allowed ? 0 : Math.ceil((after - full) / limit);
    numbers[index] = now;
    numbers[index + 1] = kept;
    return now + this.resetMs;
  }
}

const SLICES = 8;
/** One more than the window has: the oldest is only partly inside it, and counts in full. */
const RING = SLICES + 1;
const RING_AT = 2;

/** numbers: 0 the newest slice; words from 2 on: the ring of counts. */
export class SlidingWindow extends TableCounter {
  touch(words: Int32Array, numbers: Float64Array, at: number, fresh: boolean): number {
    const { limit, windowMs } = this.quota;
    const index = at / 2;
    const ring = at + RING_AT;
    const sliceMs = windowMs / SLICES;
    const current = Math.floor(this.now / sliceMs);
    const newest = fresh ? current : Math.max(current, numbers[index] as number);
    if (!fresh) {
      const stale = Math.min(RING, newest - (numbers[index] as number));
      for (let i = 0; i < stale; i++) words[ring + ((newest - i) % RING)] = 0;
    }
    numbers[index] = newest;
    let total = 0;
    for (let i = 0; i < RING; i++) total += words[ring + i] as number;
    this.allowed = total + this.cost <= limit;
    if (this.allowed) {
      const slot = ring + (newest % RING);
      // Cost below 0 gives back what an earlier slice may have counted: never more than is there.
      const counted = Math.max(0, (words[slot] as number) + this.cost);
      total += counted - (words[slot] as number);
      words[slot] = counted;
    }
    this.remaining = Math.max(0, limit - total);
    this.#tell(words, ring, newest, total, sliceMs);
    return (newest + RING) * sliceMs;
  }

  /** When slices fall out of the window: the one that makes room, and the last with anything in it. */
  #tell(words: Int32Array, ring: number, newest: number, total: number, sliceMs: number): void {
    this.retryMs = 0;
    this.resetMs = 0;
    let left = total;
    for (let slice = newest - SLICES; slice <= newest; slice++) {
      const count = words[ring + (((slice % RING) + RING) % RING)] as number;
      if (count === 0) continue;
      left -= count;
      this.resetMs = Math.ceil((slice + RING) * sliceMs - this.now);
      if (!this.allowed && this.retryMs === 0 && left + this.cost <= this.quota.limit) this.retryMs = this.resetMs;
    }
  }
}
