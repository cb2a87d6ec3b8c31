/**
 * Bytes in flight: what has been handed to workers and is not committed yet. One budget, granted in equal shares to the
 * lanes, so that a processor that is slow, or whose output is large, holds up its own lane's share and no more.
 *
 *   take(estimate) ─▶ run ─▶ settle(what came out) ─▶ committed ─▶ give back
 */
import type { Counter, Metrics } from '#kernel';

interface Share {
  used: number;
  readonly waiting: { readonly bytes: number; resolve(): void }[];
}

/** What one run holds. */
export interface Loan {
  /** The estimate turned out to be another number of bytes. */
  settle(bytes: number): void;
  giveBack(): void;
}

export class Credit {
  readonly #shares: Share[];
  readonly #shareBytes: number;
  readonly #waited: Counter;

  constructor(totalBytes: number, lanes: number, metrics: Metrics) {
    this.#shareBytes = Math.floor(totalBytes / lanes);
    this.#shares = Array.from({ length: lanes }, () => ({ used: 0, waiting: [] }));
    this.#waited = metrics.counter('sluice_processing_credit_waits_total', 'Runs that had to wait for bytes in flight');
    metrics.gauge('sluice_processing_credit_granted_bytes', 'Bytes that may be in flight on each lane', () =>
      this.#shares.map((_, lane) => [{ lane: String(lane) }, this.#shareBytes] as const),
    );
    metrics.gauge('sluice_processing_credit_used_bytes', 'Bytes in flight on each lane', () =>
      this.#shares.map(({ used }, lane) => [{ lane: String(lane) }, used] as const),
    );
  }

  /** Resolves when the lane's share admits so many bytes; one run is always admitted. */
  async take(lane: number, bytes: number): Promise<Loan> {
    const share = this.#shares[lane] as Share;
    if (share.waiting.length > 0 || !this.#admits(share, bytes)) {
      this.#waited.add();
      await new Promise<void>((resolve) => share.waiting.push({ bytes, resolve }));
    } else {
      share.used += bytes;
    }
    let held = bytes;
    return {
      settle: (actual) => {
        share.used += actual - held;
        held = actual;
        this.#admitWaiting(share);
      },
      giveBack: () => {
        share.used -= held;
        held = 0;
        this.#admitWaiting(share);
      },
    };
  }

  #admits(share: Share, bytes: number): boolean {
    return share.used === 0 || share.used + bytes <= this.#shareBytes;
  }

  #admitWaiting(share: Share): void {
    for (let next = share.waiting[0]; next !== undefined && this.#admits(share, next.bytes); next = share.waiting[0]) {
      share.waiting.shift();
      share.used += next.bytes;
      next.resolve();
    }
  }
}
