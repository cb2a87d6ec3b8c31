/**
 * Ids that may be used once, over all threads: kept in the shared table until they could not be valid any more. An id is
 * claimed only after the signature over it held, so that nobody can use up another's. Called by the policies of signed
 * requests.
 */
import { processMs, SluiceError } from '#kernel';
import type { SharedTable, Touch } from './shared-table.ts';

class Claim implements Touch {
  first = false;
  untilMs = 0;

  touch(words: Int32Array, _numbers: Float64Array, at: number): number {
    this.first = words[at] === 0;
    words[at] = 1;
    return this.untilMs;
  }
}

export class Replays {
  readonly #table: SharedTable;
  readonly #scope: string;
  readonly #keepMs: number;
  readonly #nowMs: () => number;
  readonly #claim = new Claim();

  /** Ids are kept for `keepMs`: as long as a signature is taken, from the earliest time to the latest. */
  constructor(table: SharedTable, scope: string, keepMs: number, nowMs: () => number = processMs) {
    this.#table = table;
    this.#scope = scope;
    this.#keepMs = keepMs;
    this.#nowMs = nowMs;
  }

  /** Allows the first use of the id. What there is no room to remember is not taken: LIMIT_EXCEEDED. */
  claim(id: string): SluiceError | undefined {
    const now = this.#nowMs();
    this.#claim.untilMs = now + this.#keepMs;
    const found = this.#table.update(`${this.#scope}\0${id}`, now, false, this.#claim);
    if (!found) return new SluiceError('LIMIT_EXCEEDED');
    return this.#claim.first ? undefined : new SluiceError('SIGNATURE_REPLAYED');
  }
}
