/**
 * What becomes of a record that fails: everything before it is processed first, then it alone is tried again with a
 * growing pause, and at last it is given up on, so that what comes after it can go on.
 *
 *   fault at 41, run began at 30 ─▶ run to 41 ─▶ run 41 alone, after a pause ─▶ … ─▶ run on without 41, a dead letter
 */
import type { DeadNotice } from '../task.ts';
import type { Fault } from '../worker/protocol.ts';
import type { ProcessorSettings } from './settings.ts';

interface Suspect {
  readonly offset: number;
  attempts: number;
  /** It has failed once too often. */
  dead: DeadNotice | undefined;
}

type RetryRules = Pick<ProcessorSettings, 'attemptsMax' | 'backoffMs' | 'backoffMaxMs'>;

export class Attempts {
  readonly #rules: RetryRules;
  /** By input. */
  readonly #suspects = new Map<number, Suspect>();
  /** Of runs that failed without a record to blame. */
  blameless = 0;

  constructor(rules: RetryRules) {
    this.#rules = rules;
  }

  /** Where a run of this input from `from` on must stop; a record that is dead is also left behind by itself. */
  until(input: number, from: number): number | undefined {
    const suspect = this.#suspects.get(input);
    if (suspect === undefined) return undefined;
    return from < suspect.offset ? suspect.offset : suspect.offset + 1;
  }

  dead(): DeadNotice[] {
    return [...this.#suspects.values()].flatMap(({ dead }) => dead ?? []);
  }

  /** The input has come to `next`: what lies before it needs no more attempts. */
  passed(input: number, next: number): void {
    const suspect = this.#suspects.get(input);
    if (suspect !== undefined && next > suspect.offset) this.#suspects.delete(input);
    this.blameless = 0;
  }

  /**
   * Notes a fault of a run that began at `from`. Answers how long to wait before the next run, in milliseconds; undefined
   * when no record is to blame and all attempts are used up.
   */
  failed({ input, offset, code, message, stack }: Fault, topic: string, from: number): number | undefined {
    if (input < 0 || offset < 0) {
      this.blameless++;
      return this.blameless < this.#rules.attemptsMax ? this.#backoffMs(this.blameless) : undefined;
    }
    let suspect = this.#suspects.get(input);
    if (suspect === undefined || suspect.offset !== offset) {
      suspect = { offset, attempts: 0, dead: undefined };
      this.#suspects.set(input, suspect);
    }
    // Failing beside others does not count: it is going to be tried alone.
    if (from < offset) return 0;
    suspect.attempts++;
    if (suspect.attempts < this.#rules.attemptsMax) return this.#backoffMs(suspect.attempts);
    const facts = { topic, offset, code, message, attempts: suspect.attempts };
    suspect.dead = stack === undefined ? facts : { ...facts, stack };
    return 0;
  }

  #backoffMs(attempts: number): number {
    return Math.min(this.#rules.backoffMaxMs, this.#rules.backoffMs * 2 ** (attempts - 1));
  }
}
