/**
 * Idempotency keys, on the main thread, which decides for all listener threads who is first with a key.
 *
 *   free ── reserve, synced ──▶ under way ── answer, synced ──▶ answered ── its time is over ──▶ free
 *             ▲                    │  └─ may have reached the upstream, no answer known ──▶ unanswerable ──▶ free, later
 *             └── never sent ──────┘
 *
 * What is under way when the process dies is unanswerable afterwards: whether the upstream did it nobody knows, and to say
 * so is safe, while to send it again is what keys are to prevent. A route may ask for the latter (`repeat`).
 * Bounded: keys by `idempotencyKeysMax`, their answers by `idempotencyBytesMax`; beyond them new keys are refused, since
 * to forget one early would break what was promised for it.
 */
import { type Clock, decodeUtf8, encodeUtf8, type Limits, type Logger, SluiceError } from '#kernel';
import type { Log, StateChange } from '#log';

const SPACE = 'gateway.idempotency';
const ANSWERS = 'gateway.idempotency.answers';
const PAGE = 1_000;
const SWEEP_MS = 10_000;

export interface Reservation {
  /** Of route, client and key. */
  readonly place: string;
  readonly fingerprint: string;
  readonly ttlMs: number;
  /** What is unanswerable may be sent again. */
  readonly repeat: boolean;
}

export interface KeptAnswer {
  readonly place: string;
  readonly status: number;
  readonly bytes: Uint8Array;
}

export interface KeyEnd {
  readonly place: string;
  /** The upstream may have seen the request. */
  readonly reached: boolean;
  /** Of an answer that was passed on and is not kept; else 0. */
  readonly status: number;
}

interface Entry {
  readonly fingerprint: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  state: 'under way' | 'answered' | 'unanswerable';
  status: number;
  bytes: number;
}

export class IdempotencyKeys {
  readonly #log: Log;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(log: Log, limits: Limits, clock: Clock, logger: Logger) {
    this.#log = log;
    this.#limits = limits;
    this.#clock = clock;
    this.#logger = logger;
    this.#restore();
    this.#timer = setInterval(() => this.sweep(), SWEEP_MS);
    this.#timer.unref();
  }

  #restore(): void {
    for (let from = ''; ; ) {
      const page = this.#log.scanState(SPACE, from, PAGE);
      for (const [place, value] of page) {
        const entry = JSON.parse(decodeUtf8(value)) as Entry;
        if (entry.state === 'under way') entry.state = 'unanswerable';
        this.#entries.set(place, entry);
        this.#bytes += entry.bytes;
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      from = `${last[0]}\0`;
    }
  }

  /**
   * The answer that is kept, or undefined: the key is reserved, durably, for whoever asked.
   * @throws IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_UNDER_WAY, IDEMPOTENCY_UNANSWERED, LIMIT_EXCEEDED, and as `Log.commit`
   */
  async reserve({ place, fingerprint, ttlMs, repeat }: Reservation): Promise<Uint8Array | undefined> {
    const known = this.#current(place);
    if (known !== undefined) {
      checkSame(known, fingerprint);
      if (known.state === 'answered') return this.#answer(place);
      if (!repeat) throw unanswerable(known);
    }
    this.#makeRoom();
    const entry: Entry = {
      fingerprint,
      expiresAt: this.#clock.now() + ttlMs,
      state: 'under way',
      status: 0,
      bytes: 0,
    };
    this.#entries.set(place, entry);
    try {
      await this.#log.commit({ state: [{ space: ANSWERS, key: place, value: null }, change(place, entry)] });
    } catch (error) {
      this.#entries.delete(place);
      throw error;
    }
    return undefined;
  }

  /** What is known of a key and holds still. */
  #current(place: string): Entry | undefined {
    const entry = this.#entries.get(place);
    if (entry === undefined || entry.state === 'under way' || entry.expiresAt > this.#clock.now()) return entry;
    this.#forget(place, entry);
    return undefined;
  }

  #answer(place: string): Uint8Array {
    const stored = this.#log.getState(ANSWERS, place);
    if (stored === undefined) throw new SluiceError('INTERNAL', 'a kept answer is gone');
    return Uint8Array.from(stored);
  }

  #isFull(): boolean {
    const { idempotencyKeysMax, idempotencyBytesMax } = this.#limits;
    return this.#entries.size >= idempotencyKeysMax || this.#bytes >= idempotencyBytesMax;
  }

  /** @throws LIMIT_EXCEEDED */
  #makeRoom(): void {
    if (this.#isFull()) this.sweep();
    if (this.#isFull()) throw new SluiceError('LIMIT_EXCEEDED', 'no more idempotency keys can be kept at present');
  }

  /** Resolves when the answer is on the disk. */
  async keep({ place, status, bytes }: KeptAnswer): Promise<undefined> {
    const entry = this.#entries.get(place);
    if (entry?.state !== 'under way') return undefined;
    entry.status = status;
    entry.bytes = bytes.length;
    this.#bytes += bytes.length;
    const answered = change(place, { ...entry, state: 'answered' });
    try {
      await this.#log.commit({ state: [{ space: ANSWERS, key: place, value: bytes }, answered] });
      entry.state = 'answered';
    } catch (error) {
      // The client gets its answer all the same; it could not be given again.
      this.#bytes -= bytes.length;
      entry.bytes = 0;
      entry.state = 'unanswerable';
      this.#logger.warn({ err: error }, 'an answer could not be kept for its idempotency key');
    }
    return undefined;
  }

  /** The request ended without an answer that is kept. */
  end({ place, reached, status }: KeyEnd): undefined {
    const entry = this.#entries.get(place);
    if (entry?.state !== 'under way') return undefined;
    if (reached) {
      entry.state = 'unanswerable';
      entry.status = status;
      this.#write([change(place, entry)]);
    } else this.#forget(place, entry);
    return undefined;
  }

  #forget(place: string, entry: Entry): void {
    this.#entries.delete(place);
    this.#bytes -= entry.bytes;
    this.#write([SPACE, ANSWERS].map((space) => ({ space, key: place, value: null })));
  }

  /** Frees the keys whose time is over. */
  sweep(): void {
    const now = this.#clock.now();
    const changes: StateChange[] = [];
    for (const [place, { expiresAt, state, bytes }] of this.#entries) {
      if (expiresAt > now || state === 'under way') continue;
      this.#entries.delete(place);
      this.#bytes -= bytes;
      for (const space of [SPACE, ANSWERS]) changes.push({ space, key: place, value: null });
    }
    for (let i = 0; i < changes.length; i += PAGE) this.#write(changes.slice(i, i + PAGE));
  }

  /** Nobody waits for it: what a failure leaves behind is found again at the next start, and has then expired. */
  #write(state: readonly StateChange[]): void {
    this.#writing = this.#log.commit({ state }).catch((error: unknown) => {
      this.#logger.warn({ err: error }, 'what became of an idempotency key is not stored');
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
  }
}

/** @throws IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_UNDER_WAY */
function checkSame({ fingerprint, state }: Entry, its: string): void {
  if (fingerprint !== its) {
    throw new SluiceError('IDEMPOTENCY_KEY_REUSED', 'this Idempotency-Key was used for another request');
  }
  if (state === 'under way') {
    throw new SluiceError('IDEMPOTENCY_UNDER_WAY', 'the request with this Idempotency-Key is not answered yet');
  }
}

function unanswerable({ status }: Entry): SluiceError {
  if (status === 0) {
    const why = 'the request was interrupted; whether the upstream did it is not known';
    return new SluiceError('IDEMPOTENCY_UNANSWERED', why, { reason: 'interrupted' });
  }
  const why = `the request was answered with ${status}, and that answer was too long to be kept`;
  return new SluiceError('IDEMPOTENCY_UNANSWERED', why, { reason: 'answer_not_kept', answer_status: status });
}

function change(place: string, entry: Entry): StateChange {
  return { space: SPACE, key: place, value: encodeUtf8(JSON.stringify(entry)) };
}
