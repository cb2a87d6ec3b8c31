/**
 * The access token of an account, in memory that all its connections share: whoever finds it stale takes the lock and fetches
 * another, and the others find it when they get the lock. So a refresh token that is good for one use is used once. It holds
 * no token of an account whose secrets are the same and whose other settings are not: a mark tells.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { processMs, SluiceError } from '#kernel';
import { BUDGET_BYTES } from './budget.ts';

export interface Tokens {
  readonly access: string;
  /** Epoch ms; Infinity: nobody said. */
  readonly expiresAtMs: number;
  /** What the system has replaced the configured one with. */
  readonly refresh?: string;
}

const LOCK = 0;
const LENGTH = 1;
const WORDS_BYTES = 8;
const LOCKED_AT_BYTES = 8;
const MARK_BYTES = 16;
const POLL_MS = 20;
/** A thread that ended with the lock holds it no longer than this. */
const LOCK_MS_MAX = 60_000;

export class TokenCell {
  readonly #words: Int32Array;
  readonly #lockedAt: BigInt64Array;
  readonly #mark: Uint8Array;
  readonly #bytes: Uint8Array;
  readonly #own: Buffer;

  /** @param account all settings by which one token is not another */
  constructor(shared: SharedArrayBuffer, account: string) {
    const textAt = BUDGET_BYTES + WORDS_BYTES + LOCKED_AT_BYTES + MARK_BYTES;
    this.#words = new Int32Array(shared, BUDGET_BYTES, 2);
    this.#lockedAt = new BigInt64Array(shared, BUDGET_BYTES + WORDS_BYTES, 1);
    this.#mark = new Uint8Array(shared, textAt - MARK_BYTES, MARK_BYTES);
    this.#bytes = new Uint8Array(shared, textAt);
    this.#own = createHash('sha256').update(account).digest().subarray(0, MARK_BYTES);
  }

  /** One at a time over all threads. @throws ENDPOINT_RATE_LIMITED when another takes too long */
  async exclusively<T>(deadlineMs: number, work: () => Promise<T>): Promise<T> {
    while (Atomics.compareExchange(this.#words, LOCK, 0, 1) !== 0) {
      const since = Number(Atomics.load(this.#lockedAt, 0));
      if (processMs() - since > LOCK_MS_MAX && since !== 0) {
        Atomics.store(this.#lockedAt, 0, BigInt(Math.floor(processMs())));
        break;
      }
      if (processMs() > deadlineMs) {
        throw new SluiceError('ENDPOINT_UNREACHABLE', 'another connection is fetching a token, and takes long');
      }
      await sleep(POLL_MS);
    }
    Atomics.store(this.#lockedAt, 0, BigInt(Math.floor(processMs())));
    try {
      return await work();
    } finally {
      Atomics.store(this.#words, LOCK, 0);
    }
  }

  /** Under the lock. */
  read(): Tokens | undefined {
    const length = Atomics.load(this.#words, LENGTH);
    if (length === 0 || Buffer.compare(this.#own, this.#mark) !== 0) return undefined;
    return JSON.parse(Buffer.from(this.#bytes.slice(0, length)).toString('utf8'), (name, value: unknown) =>
      name === 'expiresAtMs' && value === null ? Number.POSITIVE_INFINITY : value,
    ) as Tokens;
  }

  /** Under the lock. What is too long for it stays with the connection that has it. */
  write(tokens: Tokens): void {
    const text = Buffer.from(JSON.stringify(tokens));
    if (text.length > this.#bytes.length) return;
    this.#bytes.set(text);
    this.#mark.set(this.#own);
    Atomics.store(this.#words, LENGTH, text.length);
  }
}
