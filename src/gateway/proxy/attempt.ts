/**
 * One attempt of a request at one target: what a connection carries. It tells the exchange what comes, and the upstream what
 * became of it, once.
 */
import { asSluiceError, type Clock } from '#kernel';
import type { AnsweredHead, Carried, Flow } from '../upstream/carried.ts';
import { type ComposedRequest, writtenRequest } from '../upstream/request-text.ts';
import type { Target } from '../upstream/target.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** The exchange, as an attempt sees it. */
export interface AttemptOwner {
  /** The head of an answer. False: it is not wanted. @throws what the answer is refused with */
  answered(attempt: Attempt, head: AnsweredHead): boolean;
  /** The bytes are only there until this returns, or, of the last ones, until `ended` does. */
  data(attempt: Attempt, chunk: Buffer): void;
  ended(attempt: Attempt): void;
  broke(attempt: Attempt, error: Error): void;
}

export class Attempt implements Carried {
  readonly upstream: Upstream;
  readonly target: Target;
  /** The status is as bad as no answer. */
  faulty = false;
  readonly #exchange: AttemptOwner;
  readonly #clock: Clock;
  readonly #startedAt: number;
  /** While it is on a connection. */
  #flow: Flow | undefined;
  #aborted = false;
  #wanted = false;
  #settled = false;

  constructor(exchange: AttemptOwner, upstream: Upstream, target: Target, clock: Clock) {
    this.#exchange = exchange;
    this.upstream = upstream;
    this.target = target;
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  /** @throws REQUEST_MALFORMED, and then nothing has begun */
  begin(request: ComposedRequest): void {
    const written = writtenRequest(request);
    this.target.inFlight++;
    this.target.breaker.begin();
    this.target.connections.carry(written, this);
  }

  /** Given up, maybe before it was sent. */
  get abandoned(): boolean {
    return this.#aborted;
  }

  /** @param blame the target is to blame for it */
  abort(blame = false): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#settle(blame ? false : this.#wanted ? !this.faulty : undefined);
    this.#flow?.abort();
    this.#flow = undefined;
  }

  /** The client takes no more for now; of what has been read already more may come. */
  pause(): void {
    this.#flow?.pause();
  }

  resume(): void {
    this.#flow?.resume();
  }

  #settle(good: boolean | undefined): void {
    if (this.#settled) return;
    this.#settled = true;
    this.target.inFlight--;
    this.upstream.learned(this.target, good);
  }

  begun(flow: Flow): void {
    this.#flow = flow;
  }

  answered(head: AnsweredHead): void {
    const now = this.#clock.monotonic();
    this.target.measured(now - this.#startedAt, now);
    this.faulty = this.upstream.isFailure(head.status);
    try {
      this.#wanted = this.#exchange.answered(this, head);
    } catch (error) {
      this.abort(true);
      this.#exchange.broke(this, asSluiceError(error));
      return;
    }
    if (!this.#wanted) this.abort(this.faulty);
  }

  data(chunk: Buffer): void {
    if (this.#wanted) this.#exchange.data(this, chunk);
  }

  ended(): void {
    this.#flow = undefined;
    this.#settle(!this.faulty);
    if (this.#wanted) this.#exchange.ended(this);
  }

  failed(error: Error): void {
    this.#flow = undefined;
    if (this.#aborted) return;
    this.#aborted = true;
    this.#settle(false);
    this.#exchange.broke(this, error);
  }
}
