/**
 * The attempts of one request at the targets of its upstream: which target is asked, with what, and whether another one may
 * be asked after it. Made by the exchange once the policies have let the request on.
 *
 *   begin ─▶ attempt ─▶ answered ─▶ data ─▶ ended                              the exchange hears of it
 *      ▲        └─▶ broke, or an answer as bad as none: safe to repeat, nothing given to the client, and in the budget?
 *      └───────────────────────────────────────────────────────────────── yes ─┘        no: the exchange hears of it
 */
import { CHUNKED } from '#http1';
import { asSluiceError, SluiceError } from '#kernel';
import type { AnsweredHead } from '../upstream/carried.ts';
import type { Target } from '../upstream/target.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { Attempt, type AttemptOwner } from './attempt.ts';
import { chooseUpstream, hashKey } from './choice.ts';
import type { ListenerHost } from './live-table.ts';
import type { Plan } from './plan.ts';
import { upstreamError, wasNotSent } from './problem.ts';
import type { RequestBody } from './request-body.ts';
import type { RequestHead } from './request-head.ts';

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);

export interface TriesOwner {
  readonly over: boolean;
  /** Something went to the client: there is no way back. */
  readonly committed: boolean;
  /** A target is asked. */
  asked(): void;
  /** What came of an answer is forgotten: another target is asked. */
  again(): void;
  /** False: it is not wanted. @throws what the answer is refused with */
  answered(head: AnsweredHead, attempt: Attempt): boolean;
  /** The bytes are only there until this returns, or, of the last ones, until `ended` does. */
  data(chunk: Buffer, attempt: Attempt): void;
  ended(): void;
  failed(error: SluiceError): void;
}

export class Tries implements AttemptOwner {
  readonly upstreamName: string;
  count = 0;
  /** An upstream may have seen the request, whole or in part. */
  reached = false;
  readonly #owner: TriesOwner;
  readonly #host: ListenerHost;
  readonly #head: RequestHead;
  readonly #plan: Plan;
  readonly #body: RequestBody | undefined;
  readonly #tried: Target[] = [];
  #attempt: Attempt | undefined;

  constructor(owner: TriesOwner, host: ListenerHost, head: RequestHead, plan: Plan, body: RequestBody | undefined) {
    this.#owner = owner;
    this.#host = host;
    this.#head = head;
    this.#plan = plan;
    this.#body = body;
    this.upstreamName = chooseUpstream(head);
  }

  /** The target asked last. */
  get target(): Target | undefined {
    return this.#tried[this.#tried.length - 1];
  }

  /** Some target has been asked and not given up. */
  get underWay(): boolean {
    return this.#attempt !== undefined;
  }

  /** The body as it can be sent again: null where there is none, undefined where it streams. */
  get replayable(): Buffer | null | undefined {
    if (this.#body?.stream !== undefined) return undefined;
    return this.#body === undefined ? null : (this.#head.body ?? null);
  }

  begin(): void {
    // As the newest table has it, so that an attempt never goes where nobody is meant to go any more.
    const upstream = this.#host.table.upstream(this.upstreamName);
    const head = this.#head;
    if (upstream === undefined) {
      this.#fail('UPSTREAM_UNAVAILABLE', `there is no upstream ${this.upstreamName} any more`);
      return;
    }
    if (this.count === 0) upstream.budget.earn();
    const repeatable = this.#body?.stream === undefined && IDEMPOTENT.has(head.method);
    const target = upstream.pick(hashKey(upstream.spec, head), this.#tried, repeatable);
    if (target === 'busy') {
      this.#fail('UPSTREAM_BUSY', `upstream ${upstream.name} has as many requests under way as it may`);
    } else if (target === 'down') {
      this.#fail('UPSTREAM_UNAVAILABLE', `upstream ${upstream.name} has no target that is well`);
    } else this.#ask(upstream, target);
  }

  #fail(code: 'UPSTREAM_UNAVAILABLE' | 'UPSTREAM_BUSY', message: string): void {
    this.#owner.failed(new SluiceError(code, message, { upstream: this.upstreamName }));
  }

  #ask(upstream: Upstream, target: Target): void {
    const head = this.#head;
    this.count++;
    this.#tried.push(target);
    this.#owner.asked();
    // What policies are to read must not be compressed.
    const reads = this.#plan.answers.length > 0 && this.#plan.readsAnswer(head);
    if (reads) head.spent.add('accept-encoding');
    const headers = head.forwarded();
    if (reads) headers.push('accept-encoding', 'identity');
    headers.push('host', upstream.spec.pass_host ? (head.header('host') ?? target.host) : target.host);
    const stream = this.#body?.stream;
    if (stream !== undefined && head.bodyLength !== CHUNKED) headers.push('content-length', String(head.bodyLength));
    const attempt = new Attempt(this, upstream, target, this.#host.clock);
    this.#attempt = attempt;
    try {
      attempt.begin({ path: head.target(), method: head.method, headers, body: stream ?? this.replayable ?? null });
    } catch (error) {
      this.#attempt = undefined;
      this.#owner.failed(asSluiceError(error));
    }
  }

  /** Whether another attempt may be made instead of this answer or error. Takes it out of the budget. */
  #repeats(upstream: Upstream, notSent: boolean): boolean {
    if (this.#owner.over || this.#owner.committed || this.#body?.stream !== undefined) return false;
    if (!notSent && !IDEMPOTENT.has(this.#head.method)) return false;
    if (this.count >= upstream.spec.attempts_max || !upstream.budget.spend()) return false;
    this.#host.stats.retried(upstream.name);
    return true;
  }

  answered(attempt: Attempt, head: AnsweredHead): boolean {
    if (this.#owner.over || attempt !== this.#attempt) return false;
    this.reached = true;
    const { upstream } = attempt;
    if (!attempt.faulty || !this.#repeats(upstream, false)) return this.#owner.answered(head, attempt);
    this.#host.stats.failed(upstream.name, attempt.target.url);
    this.begin();
    return false;
  }

  data(attempt: Attempt, chunk: Buffer): void {
    if (attempt === this.#attempt) this.#owner.data(chunk, attempt);
  }

  ended(attempt: Attempt): void {
    if (attempt === this.#attempt) this.#owner.ended();
  }

  /** The attempt failed: connection, time, or an answer that is none. */
  broke(attempt: Attempt, error: Error): void {
    if (this.#owner.over || attempt !== this.#attempt) return;
    const { upstream, target } = attempt;
    this.#host.stats.failed(upstream.name, target.url);
    const notSent = wasNotSent(error);
    this.reached ||= !notSent;
    if (!this.#repeats(upstream, notSent)) {
      this.#owner.failed(upstreamError(error, upstream.name));
      return;
    }
    this.#owner.again();
    this.begin();
  }

  /** The upstream has not answered in time. What it is refused with. */
  overdue(): SluiceError {
    const name = this.upstreamName;
    this.#host.stats.failed(name, this.target?.url ?? '');
    this.reached = true;
    this.stop(true);
    return new SluiceError('UPSTREAM_TIMEOUT', `upstream ${name} did not answer in time`, { upstream: name });
  }

  /** Nothing more is heard of the attempt. @param blame the target is to blame */
  stop(blame = false): void {
    this.#attempt?.abort(blame);
    this.#attempt = undefined;
  }
}
