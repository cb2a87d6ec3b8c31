/**
 * An upstream on one listener thread: chooses a target for each attempt, learns from what became of it, and pays for
 * repeats out of a budget. Threads do not share what they learn; each sees enough to judge by itself.
 */
import type { Clock } from '#kernel';
import type { UpstreamSpec } from '../kinds/upstream-kind.ts';
import { BALANCES, type Balance } from './balance.ts';
import { RetryBudget } from './breaker.ts';
import { HealthChecks } from './health-checks.ts';
import { Target } from './target.ts';

/** Repeats that may be made at once, when a target dies with many requests under way. */
const RETRY_RESERVE = 1_000;
const SLOW_START_SHARE_MIN = 0.05;

export class Upstream {
  readonly name: string;
  readonly spec: UpstreamSpec;
  readonly targets: readonly Target[];
  readonly budget: RetryBudget;
  readonly #retryStatuses: ReadonlySet<number>;
  readonly #balance: Balance;
  readonly #clock: Clock;
  readonly #checks: HealthChecks | undefined;
  readonly #candidates: Target[] = [];

  /** @param previous the upstream of this name before, whose targets are taken over where they are the same */
  constructor(name: string, spec: UpstreamSpec, clock: Clock, previous?: Upstream) {
    this.name = name;
    this.spec = spec;
    this.#clock = clock;
    this.#balance = BALANCES[spec.balance];
    this.#retryStatuses = new Set(spec.retry_statuses);
    this.budget = new RetryBudget(spec.retry_percent, RETRY_RESERVE);
    const known = new Map(previous?.targets.map((target) => [Target.key(target.url, previous.spec), target]));
    this.targets = spec.targets.map(({ url, weight }) => {
      const key = Target.key(url, spec);
      const target = known.get(key) ?? new Target(url, spec);
      known.delete(key);
      target.weight = weight;
      if (spec.health === undefined) target.health.up = true;
      return target;
    });
    previous?.stopChecks();
    for (const target of known.values()) target.retire();
    this.#checks = spec.health === undefined ? undefined : new HealthChecks(this.targets, spec.health, clock);
  }

  /**
   * A target for the next attempt, or why there is none. One that is on trial gets only what can be repeated elsewhere,
   * unless no other is left.
   * @param tried those that failed this request already; asked again only when nothing else is left
   */
  pick(keyHash: number, tried: readonly Target[], repeatable: boolean): Target | 'busy' | 'down' {
    const now = this.#clock.monotonic();
    let trial: Target | undefined;
    let again: Target | undefined;
    let busy = false;
    const candidates = this.#candidates;
    candidates.length = 0;
    for (const target of this.targets) {
      const admits = target.health.up ? target.breaker.admits(now) : 'no';
      if (admits === 'no') continue;
      if (target.inFlight >= this.spec.requests_max) busy = true;
      else if (tried.includes(target)) again = target;
      else if (admits === 'trial') trial = target;
      else {
        target.share = target.weight * this.#slowStart(target, now);
        candidates.push(target);
      }
    }
    if (trial !== undefined && (repeatable || candidates.length === 0)) return trial;
    if (candidates.length > 0) return this.#balance(candidates, keyHash);
    return again ?? (busy ? 'busy' : 'down');
  }

  #slowStart({ breaker }: Target, now: number): number {
    const { slow_start_ms } = this.spec;
    const elapsed = now - breaker.recoveredAt;
    return elapsed >= slow_start_ms ? 1 : Math.max(elapsed / slow_start_ms, SLOW_START_SHARE_MIN);
  }

  /** Whether an answer with this status is as bad as none. */
  isFailure(status: number): boolean {
    return status >= 500 && this.#retryStatuses.has(status);
  }

  /** What became of an attempt; `undefined`: not known. */
  learned(target: Target, good: boolean | undefined): void {
    if (good === undefined) target.breaker.unknown();
    else if (good) target.breaker.succeeded(target.breaker.open ? this.#clock.monotonic() : 0);
    else target.breaker.failed(this.#clock.monotonic(), this.spec.breaker);
  }

  /** Whether the target can be sent requests, apart from trials. */
  available(target: Target): boolean {
    return target.health.up && !target.breaker.open;
  }

  stopChecks(): void {
    this.#checks?.stop();
  }

  retire(): void {
    this.stopChecks();
    for (const target of this.targets) target.retire();
  }

  destroy(): void {
    this.stopChecks();
    for (const target of this.targets) target.destroy();
  }
}
