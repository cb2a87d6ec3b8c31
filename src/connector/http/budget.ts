/**
 * How many requests an account may make, held by all its connections on all threads together: the counts are in memory that
 * they share. A budget of 100 in 10 s lets through a quarter at once and spreads the rest, so that no 10 s see more than 100.
 * What an answer says of what remains, or of when to come again, stops all of them. Used by `client.ts`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { processMs, SluiceError } from '#kernel';
import type { HttpRequest } from './declaration.ts';
import type { Hints } from './retry-hints.ts';

export interface Budget {
  readonly requests: number;
  readonly perMs: number;
  /** Which requests it counts; default: all. */
  readonly match?: (request: HttpRequest) => boolean;
  /** What one of them costs; default 1. */
  readonly cost?: (request: HttpRequest) => number;
}

/** Slots of 64 bits: of each budget when its next request is due, and at the end until when nothing goes. */
const SLOTS = 64;
const BLOCKED = SLOTS - 1;
export const BUDGET_BYTES = SLOTS * BigInt64Array.BYTES_PER_ELEMENT;
const US = 1000;
/** Below it there is nothing to spread. */
const SMALL = 4;

export class Budgets {
  readonly #slots: BigInt64Array;
  readonly #budgets: readonly Budget[];

  constructor(shared: SharedArrayBuffer, budgets: readonly Budget[]) {
    this.#slots = new BigInt64Array(shared, 0, SLOTS);
    this.#budgets = budgets.slice(0, BLOCKED);
  }

  /** Waits for the turn of a request. @param deadlineMs by `processMs` @throws ENDPOINT_RATE_LIMITED when that is too late */
  async take(request: HttpRequest, deadlineMs: number): Promise<void> {
    await this.#waitFor(this.#blockedMs(), deadlineMs);
    for (let i = 0; i < this.#budgets.length; i++) {
      const budget = this.#budgets[i] as Budget;
      if (budget.match !== undefined && !budget.match(request)) continue;
      await this.#waitFor(this.#claim(i, budget, budget.cost?.(request) ?? 1, deadlineMs), deadlineMs);
    }
  }

  /** Nothing goes, on any connection, for so long. */
  block(waitMs: number): void {
    const until = BigInt(Math.ceil((processMs() + waitMs) * US));
    for (;;) {
      const before = Atomics.load(this.#slots, BLOCKED);
      if (before >= until || Atomics.compareExchange(this.#slots, BLOCKED, before, until) === before) return;
    }
  }

  /** Nothing remains: all wait for the reset. */
  learn({ remaining, resetMs }: Hints): void {
    if (remaining !== undefined && remaining < 1 && resetMs !== undefined) this.block(resetMs);
  }

  #blockedMs(): number {
    return Number(Atomics.load(this.#slots, BLOCKED)) / US - processMs();
  }

  /** Its turn is taken where it is in time. @returns how long until then */
  #claim(slot: number, { requests, perMs }: Budget, cost: number, deadlineMs: number): number {
    const burst = requests < SMALL ? 1 : Math.floor(requests / SMALL);
    const intervalUs = (perMs * US) / (requests < SMALL ? requests : requests - burst);
    for (;;) {
      const before = Atomics.load(this.#slots, slot);
      const nowUs = processMs() * US;
      const due = Math.max(Number(before), nowUs) + cost * intervalUs;
      const waitMs = (due - nowUs - burst * intervalUs) / US;
      if (processMs() + waitMs > deadlineMs) return waitMs;
      if (Atomics.compareExchange(this.#slots, slot, before, BigInt(Math.ceil(due))) === before) return waitMs;
    }
  }

  async #waitFor(waitMs: number, deadlineMs: number): Promise<void> {
    if (waitMs <= 0) return;
    if (processMs() + waitMs > deadlineMs) {
      throw new SluiceError('ENDPOINT_RATE_LIMITED', 'the requests that the account may make are used up', {
        retry_after_ms: Math.ceil(waitMs),
      });
    }
    await sleep(waitMs);
  }
}
