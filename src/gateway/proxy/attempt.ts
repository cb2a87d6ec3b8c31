/**
 * One attempt of a request at one target: the handler undici calls. It tells the exchange what comes, and the upstream what
 * became of it, once.
 */
import type { Dispatcher } from 'undici';
import { asSluiceError, type Clock } from '#kernel';
import type { Carried, CarriedOptions } from '../upstream/connections.ts';
import type { Target } from '../upstream/target.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** The exchange, as an attempt sees it. */
export interface AttemptOwner {
  /** The head of an answer. False: it is not wanted. @throws UPSTREAM_ANSWER_INVALID */
  answered(
    attempt: Attempt,
    status: number,
    raw: readonly Buffer[],
    controller: Dispatcher.DispatchController,
  ): boolean;
  data(attempt: Attempt, chunk: Buffer, controller: Dispatcher.DispatchController): void;
  ended(attempt: Attempt): void;
  broke(attempt: Attempt, error: Error): void;
}

export class Attempt implements Carried {
  readonly upstream: Upstream;
  readonly target: Target;
  /** The status is as bad as no answer. */
  failed = false;
  readonly #exchange: AttemptOwner;
  readonly #clock: Clock;
  readonly #startedAt: number;
  #controller: Dispatcher.DispatchController | undefined;
  #abortedBy: Error | undefined;
  #wanted = false;
  #settled = false;

  constructor(exchange: AttemptOwner, upstream: Upstream, target: Target, clock: Clock) {
    this.#exchange = exchange;
    this.upstream = upstream;
    this.target = target;
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  begin(options: CarriedOptions): void {
    this.target.inFlight++;
    this.target.breaker.begin();
    this.target.connections.carry(options, this);
  }

  /** Given up, maybe before it was sent. */
  get abandoned(): boolean {
    return this.#abortedBy !== undefined;
  }

  /** @param blame the target is to blame for it */
  abort(error: Error, blame = false): void {
    if (this.#abortedBy !== undefined) return;
    this.#abortedBy = error;
    this.#settle(blame ? false : this.#wanted ? !this.failed : undefined);
    this.#controller?.abort(error);
  }

  #settle(good: boolean | undefined): void {
    if (this.#settled) return;
    this.#settled = true;
    this.target.inFlight--;
    this.upstream.learned(this.target, good);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#abortedBy !== undefined) controller.abort(this.#abortedBy);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    const now = this.#clock.monotonic();
    this.target.measured(now - this.#startedAt, now);
    this.failed = this.upstream.isFailure(status);
    try {
      this.#wanted = this.#exchange.answered(this, status, controller.rawHeaders as Buffer[], controller);
      if (!this.#wanted) this.abort(new Error('an answer nobody wants'), this.failed);
    } catch (error) {
      this.#broke(asSluiceError(error));
      controller.abort(error as Error);
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#wanted) this.#exchange.data(this, chunk, controller);
  }

  onResponseEnd(): void {
    this.#settle(!this.failed);
    if (this.#wanted) this.#exchange.ended(this);
    this.target.connections.release(this);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#broke(error);
    this.target.connections.release(this);
  }

  #broke(error: Error): void {
    if (this.#abortedBy !== undefined) return;
    this.#abortedBy = error;
    this.#settle(false);
    this.#exchange.broke(this, error);
  }
}
