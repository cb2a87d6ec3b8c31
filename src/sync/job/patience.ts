/** How long to wait after failures in a row, and when to give up: doubling, with a share of chance so that many do not come at once. */
import type { Clock, SluiceError } from '#kernel';

export interface PatienceRules {
  /** 0: no end. */
  readonly attempts_max: number;
  readonly backoff_ms: number;
  readonly backoff_max_ms: number;
}

/** Why something waits, for people. */
export interface Reason {
  readonly code: string;
  readonly message: string;
}

export class Patience {
  readonly #rules: PatienceRules;
  readonly #clock: Clock;
  failures = 0;
  reason: Reason | null = null;
  /** Epoch ms of the next attempt; null while nothing is wrong. */
  nextAt: number | null = null;

  constructor(rules: PatienceRules, clock: Clock) {
    this.#rules = rules;
    this.#clock = clock;
  }

  /** How long to wait, in milliseconds; undefined: no more attempts. */
  failed({ code, message, details }: SluiceError): number | undefined {
    const { attempts_max, backoff_ms, backoff_max_ms } = this.#rules;
    this.failures++;
    this.reason = { code, message };
    if (attempts_max > 0 && this.failures >= attempts_max) return undefined;
    const doubled = Math.min(backoff_ms * 2 ** (this.failures - 1), backoff_max_ms);
    const asked = Number(details['retry_after_ms'] ?? 0);
    const waitMs = Math.max(doubled * (0.5 + Math.random() / 2), asked);
    this.nextAt = this.#clock.now() + waitMs;
    return waitMs;
  }

  succeeded(): void {
    this.failures = 0;
    this.reason = null;
    this.nextAt = null;
  }
}
