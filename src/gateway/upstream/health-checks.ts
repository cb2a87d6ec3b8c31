/** Asks every target of an upstream at intervals, and keeps its health record. One for each upstream that wants it. */
import type { Pool } from 'undici';
import type { Clock } from '#kernel';
import type { UpstreamSpec } from '../kinds/upstream-kind.ts';
import type { Target } from './target.ts';

export class HealthChecks {
  readonly #timer: NodeJS.Timeout;
  readonly #pools: Pool[] = [];
  #stopped = false;

  constructor(targets: readonly Target[], settings: NonNullable<UpstreamSpec['health']>, clock: Clock) {
    const asking = new Set<Target>();
    const pools = new Map(targets.map((target) => [target, target.checker()]));
    this.#pools.push(...pools.values());
    const askAll = () => {
      for (const [target, pool] of pools) {
        if (asking.has(target)) continue;
        asking.add(target);
        void ask(pool, settings.path, settings.timeout_ms).then((good) => {
          asking.delete(target);
          if (this.#stopped) return;
          if (target.health.note(good, settings) && good) target.breaker.recoveredAt = clock.monotonic();
        });
      }
    };
    askAll();
    this.#timer = setInterval(askAll, settings.interval_ms);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    for (const pool of this.#pools) void pool.destroy();
  }
}

/** Any failure is an answer here: the target is not well. */
async function ask(pool: Pool, path: string, timeoutMs: number): Promise<boolean> {
  try {
    const { statusCode, body } = await pool.request({
      path,
      method: 'GET',
      headers: { 'user-agent': 'sluice-health-check' },
      signal: AbortSignal.timeout(timeoutMs),
    });
    await body.dump();
    return statusCode >= 200 && statusCode < 400;
  } catch {
    return false;
  }
}
