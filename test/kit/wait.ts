/**
 * Waiting for a condition, which is what tests do instead of sleeping.
 */
import { setTimeout as sleep } from 'node:timers/promises';

type Falsy = false | null | undefined | 0 | '';

export interface WaitOptions {
  /** Names the condition in the error. */
  readonly what: string;
  /** Default 20,000. */
  readonly timeoutMs?: number;
  /** Between two looks; default 10. */
  readonly everyMs?: number;
}

/**
 * Looks until `condition` answers something true, and answers that. A condition that throws counts as not yet true.
 * @throws after `timeoutMs`; the cause is what the condition threw last
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitOptions): Promise<Exclude<T, Falsy>> {
  const { what, timeoutMs = 20_000, everyMs = 10 } = options;
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  do {
    try {
      const answer = await condition();
      if (answer) return answer as Exclude<T, Falsy>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await sleep(everyMs);
  } while (performance.now() < deadline);
  throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause });
}
