/**
 * One request through the gateway.
 *
 *   head ─▶ route ─▶ policies: head ─▶ body gathered ─▶ policies: body ─▶ attempt ─▶ policies: answer ─▶ client
 *     │        │         │                or streaming         │        ▲     │
 *     └────────┴─────────┴─ refused with a problem, or answered┘        └─────┘ safe to repeat, and the budget allows it
 *
 * It is over once: answered, refused, cut, or the client went away. After that no native call is made.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { CHUNKED, NO_BODY } from '#http1';
import { asSluiceError, SluiceError } from '#kernel';
import type { WholeAnswer } from '../policy.ts';
import type { AnsweredHead } from '../upstream/carried.ts';
import type { Target } from '../upstream/target.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { Admission, type AdmissionOwner } from './admission.ts';
import { Answer } from './answer.ts';
import { CollectedAnswer, collectors, editHead, editWhole } from './answer-edits.ts';
import { Attempt, type AttemptOwner } from './attempt.ts';
import { chooseUpstream, hashKey } from './choice.ts';
import { requestEnded } from './ending.ts';
import { type AnswerHead, answerHead } from './headers.ts';
import type { HeldAccount } from './held-bytes.ts';
import type { ListenerHost, LiveRoute } from './live-table.ts';
import { answersBefore } from './plan.ts';
import { upstreamError, wasNotSent, writeProblem, writeWhole } from './problem.ts';
import { RequestBody } from './request-body.ts';
import { RequestHead } from './request-head.ts';
import type { Watched } from './watch.ts';

const DISTRUSTED: ReadonlySet<string> = new Set(['REQUEST_SMUGGLING', 'REQUEST_MALFORMED', 'EXPECTATION_FAILED']);
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);

export class Exchange implements Watched, AttemptOwner, AdmissionOwner {
  deadline: number;
  watchedAt = -1;
  over = false;
  readonly #res: HttpResponse;
  readonly #host: ListenerHost;
  readonly #head: RequestHead;
  readonly #held: HeldAccount;
  readonly #startedAt: number;
  #totalDeadline = Number.POSITIVE_INFINITY;
  #live: LiveRoute | undefined;
  #body: RequestBody | undefined;
  #upstreamName = '';
  #phase: 'receiving' | 'waiting' | 'answering' = 'receiving';
  #attempt: Attempt | undefined;
  #attempts = 0;
  #reached = false;
  /** The client has, and the upstream is heard out: no native call may follow. */
  #gone = false;
  readonly #tried: Target[] = [];
  #answer: Answer | undefined;
  #collected: CollectedAnswer | undefined;
  #status = 0;
  #code: string | undefined;
  #answerBytes = 0;
  #upstreamMs: number | undefined;
  /** Whoever sends such heads may mean what follows them otherwise too. */
  #distrusted = false;

  constructor(res: HttpResponse, req: HttpRequest, host: ListenerHost) {
    res.onAborted(() => this.#aborted());
    this.#res = res;
    this.#host = host;
    this.#held = host.held.account();
    this.#startedAt = host.clock.monotonic();
    this.deadline = Number.POSITIVE_INFINITY;
    this.#head = new RequestHead(res, req, host);
    host.count(1);
    try {
      this.#live = this.#head.resolve();
      this.#accept(this.#live);
    } catch (thrown) {
      const error = asSluiceError(thrown);
      this.#distrusted = DISTRUSTED.has(error.code);
      this.#refuse(error);
    }
  }

  #accept(live: LiveRoute): void {
    const { spec } = live.named;
    const { bodyLength: length } = this.#head;
    const { bodyBytesMax: bytesMax } = live;
    if (length > bytesMax) throw new SluiceError('REQUEST_TOO_LARGE', `the body has more than ${bytesMax} bytes`);
    if (spec.total_ms !== undefined) this.#totalDeadline = this.#startedAt + spec.total_ms;
    this.#extend(spec.headers_ms);
    this.#host.watch.add(this);
    const admission = new Admission(live.plan, this.#head, this);
    if (length !== NO_BODY) {
      this.#body = new RequestBody(this.#res, length, bytesMax, live.plan.bodyBytesMax, this.#held, {
        ready: () => admission.bodyReady(),
        progress: () => this.#extend(this.#phase === 'answering' ? spec.idle_ms : spec.headers_ms),
        failed: (error) => this.#fail(error),
      });
    }
    admission.begin(this.#body);
  }

  passed(): void {
    this.#upstreamName = chooseUpstream(this.#head);
    this.#try();
    if (this.#head.route.spec.shadow !== undefined) this.#host.shadows.copy(this.#head, this.#replayable());
  }

  /** The body as it can be sent again: null where there is none, undefined where it streams. */
  #replayable(): Buffer | null | undefined {
    if (this.#body?.stream !== undefined) return undefined;
    return this.#body === undefined ? null : (this.#head.body ?? null);
  }

  refused(error: SluiceError): void {
    this.#refuse(error);
  }

  answeredBy(at: number, answer: WholeAnswer): void {
    this.#edit(answer, at);
  }

  #extend(ms: number): void {
    this.deadline = Math.min(this.#host.clock.monotonic() + ms, this.#totalDeadline);
  }

  #try(): void {
    // As the newest table has it, so that an attempt never goes where nobody is meant to go any more.
    const upstream = this.#host.table.upstream(this.#upstreamName);
    const head = this.#head;
    if (upstream === undefined) {
      this.#fail(new SluiceError('UPSTREAM_UNAVAILABLE', `there is no upstream ${this.#upstreamName} any more`));
      return;
    }
    if (this.#attempts === 0) upstream.budget.earn();
    const repeatable = this.#body?.stream === undefined && IDEMPOTENT.has(head.method);
    const target = upstream.pick(hashKey(upstream.spec, head), this.#tried, repeatable);
    if (typeof target === 'string') {
      const code = target === 'busy' ? 'UPSTREAM_BUSY' : 'UPSTREAM_UNAVAILABLE';
      const why = target === 'busy' ? 'has as many requests under way as it may' : 'has no target that is well';
      this.#fail(new SluiceError(code, `upstream ${upstream.name} ${why}`, { upstream: upstream.name }));
      return;
    }
    this.#attempts++;
    this.#tried.push(target);
    this.#phase = 'waiting';
    const { named, plan } = this.#live as LiveRoute;
    this.#extend(named.spec.headers_ms);
    // What policies are to read must not be compressed.
    const reads = plan.readsAnswer(head);
    if (reads) head.spent.add('accept-encoding');
    const headers = head.forwarded();
    if (reads) headers.push('accept-encoding', 'identity');
    headers.push('host', upstream.spec.pass_host ? (head.header('host') ?? target.host) : target.host);
    const stream = this.#body?.stream;
    if (stream !== undefined && head.bodyLength !== CHUNKED) headers.push('content-length', String(head.bodyLength));
    const body = stream ?? this.#replayable() ?? null;
    const attempt = new Attempt(this, upstream, target, this.#host.clock);
    this.#attempt = attempt;
    try {
      attempt.begin({ path: head.target(), method: head.method, headers, body });
    } catch (error) {
      this.#attempt = undefined;
      this.#fail(asSluiceError(error));
    }
  }

  /** Whether another attempt may be made instead of this answer or error. Takes it out of the budget. */
  #repeats(upstream: Upstream, notSent: boolean): boolean {
    if (this.over || this.#answer?.started === true || this.#body?.stream !== undefined) return false;
    if (!notSent && !IDEMPOTENT.has(this.#head.method)) return false;
    if (this.#attempts >= upstream.spec.attempts_max || !upstream.budget.spend()) return false;
    this.#host.stats.retried(upstream.name);
    return true;
  }

  /** The head of an upstream's answer. False: it is not wanted, and the attempt is done with. */
  answered(attempt: Attempt, answered: AnsweredHead): boolean {
    if (this.over || attempt !== this.#attempt) return false;
    this.#reached = true;
    const { upstream } = attempt;
    if (attempt.faulty && this.#repeats(upstream, false)) {
      this.#host.stats.failed(upstream.name, attempt.target.url);
      this.#try();
      return false;
    }
    const { status } = answered;
    const head = answerHead(answered);
    const { plan, named } = this.#live as LiveRoute;
    this.#phase = 'answering';
    this.#upstreamMs = this.#host.clock.monotonic() - this.#startedAt;
    this.#extend(named.spec.idle_ms);
    return this.#passes(() => {
      const collecting = plan.answers.length === 0 ? [] : collectors(plan.answers, this.#head, status, head);
      if (collecting.length > 0) this.#collected = new CollectedAnswer(status, head, collecting);
      else this.#stream(status, head, attempt);
    });
  }

  /** Whether the policies bear with an answer; if not, they have refused it, which is not for want of the target. */
  #passes(step: () => void): boolean {
    try {
      step();
      return true;
    } catch (error) {
      this.#refuse(asSluiceError(error));
      return false;
    }
  }

  /** Lets an answer run through, its head as the policies leave it. */
  #stream(status: number, head: AnswerHead, attempt: Attempt): void {
    const { plan, named } = this.#live as LiveRoute;
    // Nobody is left to give it to.
    if (this.#gone) return;
    const edited = plan.answers.length === 0 ? { status, head } : editHead(plan.answers, this.#head, status, head);
    this.#status = edited.status;
    this.#answer = new Answer(
      {
        res: this.#res,
        method: this.#head.method,
        status: edited.status,
        head: edited.head,
        extra: this.#extraHeaders(),
        close: () => this.#closes(),
        progress: () => this.#extend(named.spec.idle_ms),
        ending: () => this.#body?.discard(),
      },
      attempt,
    );
  }

  #extraHeaders(): string[] {
    return [...this.#head.answerHeaders, 'via', `1.1 ${this.#host.settings.pseudonym}`];
  }

  data(attempt: Attempt, chunk: Buffer): void {
    if (this.over || attempt !== this.#attempt) return;
    this.#answerBytes += chunk.length;
    const collected = this.#collected;
    if (collected === undefined) {
      this.#answer?.data(chunk);
      return;
    }
    this.#extend((this.#live as LiveRoute).named.spec.idle_ms);
    this.#passes(() => {
      this.#held.take(chunk.length);
      if (collected.add(chunk)) return;
      this.#collected = undefined;
      this.#stream(collected.status, collected.head, attempt);
      this.#answer?.data(collected.body());
    });
  }

  ended(attempt: Attempt): void {
    if (this.over || attempt !== this.#attempt) return;
    if (this.#collected !== undefined) this.#edit(this.#collected.whole());
    else if (this.#gone) this.#end(0);
    else this.#answer?.end(() => this.#end(this.#status));
  }

  /** Gives a whole answer, as the policies before the place `until` leave it. */
  #edit(answer: WholeAnswer, until = Number.POSITIVE_INFINITY): void {
    const steps = answersBefore((this.#live as LiveRoute).plan, until);
    const done = (edited: WholeAnswer | SluiceError) => {
      if (this.over) return;
      if (edited instanceof SluiceError) return this.#refuse(edited);
      this.#answerBytes = edited.body.length;
      this.#write(edited.status, (close) =>
        writeWhole(this.#res, edited, this.#head.method, close, this.#extraHeaders()),
      );
    };
    if (steps.length === 0) done(answer);
    else editWhole(steps, this.#head, answer).then(done, (error: unknown) => this.#refuse(asSluiceError(error)));
  }

  /** The attempt failed: connection, time, or an answer that is none. */
  broke(attempt: Attempt, error: Error): void {
    if (this.over || attempt !== this.#attempt) return;
    const { upstream, target } = attempt;
    this.#host.stats.failed(upstream.name, target.url);
    this.#reached ||= !wasNotSent(error);
    const timedOut = error instanceof SluiceError && error.code === 'UPSTREAM_TIMEOUT';
    if (!timedOut && this.#repeats(upstream, wasNotSent(error))) {
      this.#answer = undefined;
      this.#collected = undefined;
      this.#try();
      return;
    }
    this.#fail(upstreamError(error, upstream.name));
  }

  overdue(): void {
    if (this.over) return;
    this.deadline = Number.POSITIVE_INFINITY;
    if (this.#phase === 'receiving') {
      this.#fail(new SluiceError('REQUEST_TIMEOUT', 'the request did not end in time'));
    } else if (this.#answer?.started === true) {
      // What has begun can only be cut, so that nobody takes it for whole.
      this.#cut();
    } else {
      const name = this.#upstreamName;
      const error = new SluiceError('UPSTREAM_TIMEOUT', `upstream ${name} did not answer in time`, { upstream: name });
      this.#host.stats.failed(name, this.#attempt?.target.url ?? '');
      this.#reached = true;
      this.#attempt?.abort(true);
      this.#fail(error);
    }
  }

  /** Refused or failed before anything went to the client, else cut. */
  #fail(error: SluiceError): void {
    if (this.over) return;
    if (this.#answer?.started === true) this.#cut();
    else this.#refuse(error);
  }

  #refuse(error: SluiceError): void {
    if (this.over) return;
    this.#attempt?.abort();
    this.#attempt = undefined;
    this.#code = error.code;
    this.#write(error.status, (close) =>
      writeProblem(this.#res, error, this.#head.method, close, this.#head.problemHeaders()),
    );
  }

  /**
   * An answer that closes the connection leaves in a later turn: within this one the parser would go on to what follows
   * the request and serve that too; with an answer pending it drops the connection instead.
   */
  #write(status: number, write: (close: boolean) => void): void {
    if (this.#gone) {
      this.#end(0);
      return;
    }
    const close = this.#closes();
    const now = () => {
      if (this.over) return;
      this.#body?.discard();
      this.#res.cork(() => write(close));
      this.#end(status);
    };
    if (close) setImmediate(now);
    else now();
  }

  /**
   * Where a next request begins is in doubt, or too much of this one would have to be read first. A close with bytes
   * unread resets the connection, and the client may never see its answer; so what can be read to its end, is.
   */
  #closes(): boolean {
    const { bodyLength: length } = this.#head;
    if (this.#distrusted || length === CHUNKED) return true;
    return length - (this.#body?.received ?? 0) > this.#host.settings.limits.gatewayDiscardBytesMax;
  }

  #cut(): void {
    if (this.over) return;
    this.#attempt?.abort();
    const res = this.#res;
    this.#end(this.#status);
    if (!this.#gone) res.close();
  }

  #aborted(): void {
    if (this.over) return;
    const attempt = this.#attempt;
    this.#reached ||= attempt !== undefined;
    if (attempt !== undefined && this.#head.outlives && this.#answer === undefined) {
      this.#gone = true;
      this.#body?.end();
      return;
    }
    this.#end(0);
    attempt?.abort();
  }

  #end(status: number): void {
    this.over = true;
    this.#answer?.abandon();
    this.#body?.end();
    this.#held.settle();
    this.#host.watch.delete(this);
    this.#host.count(-1);
    requestEnded(this.#host, this.#head, this.#live, this.#startedAt, {
      status,
      code: this.#code,
      upstream: this.#upstreamName === '' ? undefined : this.#upstreamName,
      target: this.#tried[this.#tried.length - 1]?.url,
      attempts: this.#attempts,
      reached: this.#reached,
      requestBytes: this.#body?.received ?? 0,
      answerBytes: this.#answerBytes,
      upstreamMs: this.#upstreamMs,
      beganAt: 0,
      elapsedMs: 0,
    });
  }
}
