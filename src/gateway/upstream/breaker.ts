/**
 * Keeps requests away from a target that fails, for a time that doubles, and lets it back carefully.
 *
 *   closed ── failures in a row ──▶ open ── time is up ──▶ trial: one request ── good ──▶ closed, slow start
 *      ▲ a good answer: from the start      ▲──────────────── bad: twice as long ──┘
 *
 * Pure: the time is handed in. A target has one, used by the upstream.
 */

export interface BreakerSettings {
  readonly failures: number;
  readonly open_ms: number;
  readonly open_ms_max: number;
}

export class Breaker {
  #failures = 0;
  /** How often it opened without a good answer in between. */
  #opened = 0;
  #openUntil = 0;
  #trial = false;
  /** How often it has opened, trials that failed included. */
  ejections = 0;
  /** When it was let back; for slow start. */
  recoveredAt = Number.NEGATIVE_INFINITY;

  get open(): boolean {
    return this.#opened > 0;
  }

  /** `trial`: one request may find out; whoever sends it calls `begin`. */
  admits(now: number): 'yes' | 'trial' | 'no' {
    if (this.#opened === 0) return 'yes';
    return !this.#trial && now >= this.#openUntil ? 'trial' : 'no';
  }

  begin(): void {
    if (this.#opened > 0) this.#trial = true;
  }

  /** What became of a request is not known: its client went away. */
  unknown(): void {
    this.#trial = false;
  }

  succeeded(now: number): void {
    this.#failures = 0;
    if (this.#opened === 0) return;
    this.#opened = 0;
    this.#trial = false;
    this.recoveredAt = now;
  }

  failed(now: number, settings: BreakerSettings): void {
    this.#failures++;
    const wasTrial = this.#trial;
    this.#trial = false;
    // What was under way when it opened says nothing new.
    if (this.#opened > 0 && !wasTrial) return;
    if (this.#opened === 0 && this.#failures < settings.failures) return;
    this.#openUntil = now + Math.min(settings.open_ms * 2 ** Math.min(this.#opened, 30), settings.open_ms_max);
    this.#opened++;
    this.ejections++;
  }
}

/** Up or down by what checks at intervals say. */
export class HealthRecord {
  up = true;
  #streak = 0;

  /** True when this turned it. */
  note(good: boolean, settings: { readonly healthy: number; readonly unhealthy: number }): boolean {
    if (good === this.up) {
      this.#streak = 0;
      return false;
    }
    this.#streak++;
    if (this.#streak < (good ? settings.healthy : settings.unhealthy)) return false;
    this.#streak = 0;
    this.up = good;
    return true;
  }
}

/** Repeats are paid for by requests: a share of them, and a reserve for when a target dies with many under way. */
export class RetryBudget {
  readonly #share: number;
  readonly #reserve: number;
  #tokens: number;

  constructor(percent: number, reserve: number) {
    this.#reserve = reserve;
    this.#share = percent / 100;
    this.#tokens = percent === 0 ? 0 : reserve;
  }

  earn(): void {
    this.#tokens = Math.min(this.#tokens + this.#share, this.#reserve);
  }

  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
