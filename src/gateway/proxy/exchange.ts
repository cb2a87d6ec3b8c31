/**
 * One request through the gateway.
 *
 *   head ─▶ route ─▶ policies ─▶ body gathered or streaming ─▶ attempt ─▶ answer
 *     │        │         │                                   ▲     │
 *     └────────┴─ refused, with a problem                    └─────┘ safe to repeat, and the budget allows it
 *
 * It is over once: answered, refused, cut, or the client went away. After that no native call is made.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Dispatcher } from 'undici';
import { CHUNKED, NO_BODY } from '#http1';
import { asSluiceError, SluiceError } from '#kernel';
import { checkAll } from '../policy.ts';
import type { Target } from '../upstream/target.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { Answer } from './answer.ts';
import { Attempt, type AttemptOwner } from './attempt.ts';
import { chooseUpstream, hashKey } from './choice.ts';
import { answerHead } from './headers.ts';
import type { ListenerHost, LiveRoute } from './live-table.ts';
import { upstreamError, wasNotSent, writeProblem } from './problem.ts';
import { RequestBody } from './request-body.ts';
import { RequestHead } from './request-head.ts';
import type { Watched } from './watch.ts';

const DISTRUSTED: ReadonlySet<string> = new Set(['REQUEST_SMUGGLING', 'REQUEST_MALFORMED', 'EXPECTATION_FAILED']);
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);

export class Exchange implements Watched, AttemptOwner {
  deadline: number;
  over = false;
  readonly #res: HttpResponse;
  readonly #host: ListenerHost;
  readonly #head: RequestHead;
  readonly #startedAt: number;
  #totalDeadline = Number.POSITIVE_INFINITY;
  #live: LiveRoute | undefined;
  #body: RequestBody | undefined;
  #upstreamName = '';
  #phase: 'receiving' | 'waiting' | 'answering' = 'receiving';
  #attempt: Attempt | undefined;
  #attempts = 0;
  readonly #tried: Target[] = [];
  #answer: Answer | undefined;
  #status = 0;
  /** Whoever sends such heads may mean what follows them otherwise too. */
  #distrusted = false;

  constructor(res: HttpResponse, req: HttpRequest, host: ListenerHost) {
    res.onAborted(() => this.#aborted());
    this.#res = res;
    this.#host = host;
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
    const bytesMax = spec.body_bytes_max ?? Number.POSITIVE_INFINITY;
    if (length > bytesMax) throw new SluiceError('REQUEST_TOO_LARGE', `the body has more than ${bytesMax} bytes`);
    if (spec.total_ms !== undefined) this.#totalDeadline = this.#startedAt + spec.total_ms;
    this.#extend(spec.headers_ms);
    this.#host.watch.add(this);
    let ready = length === NO_BODY;
    let admitted = false;
    const go = () => {
      if (ready && admitted && !this.over && this.#attempts === 0) this.#try();
    };
    if (length !== NO_BODY) {
      this.#body = new RequestBody(this.#res, length, bytesMax, {
        ready: () => {
          ready = true;
          go();
        },
        progress: () => this.#extend(this.#phase === 'answering' ? spec.idle_ms : spec.headers_ms),
        failed: (error) => this.#fail(error),
      });
      if (!this.#body.replayable) ready = true;
    }
    const verdict = checkAll(live.policies, this.#head);
    const admit = (refusal: SluiceError | undefined) => {
      if (this.over) return;
      if (refusal !== undefined) return this.#refuse(refusal);
      admitted = true;
      this.#upstreamName = chooseUpstream(this.#head);
      go();
    };
    if (verdict instanceof Promise) verdict.then(admit, (error: unknown) => this.#refuse(asSluiceError(error)));
    else admit(verdict);
  }

  #extend(ms: number): void {
    this.deadline = Math.min(this.#host.clock.monotonic() + ms, this.#totalDeadline);
  }

  /** The upstream as the newest table has it, so that an attempt never goes where nobody is meant to go any more. */
  #upstream(): Upstream | undefined {
    return this.#host.table.upstream(this.#upstreamName);
  }

  #try(): void {
    const upstream = this.#upstream();
    const head = this.#head;
    if (upstream === undefined) {
      this.#fail(new SluiceError('UPSTREAM_UNAVAILABLE', `there is no upstream ${this.#upstreamName} any more`));
      return;
    }
    if (this.#attempts === 0) upstream.budget.earn();
    const repeatable = this.#body?.replayable !== false && IDEMPOTENT.has(head.method);
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
    const { headers_ms } = (this.#live as LiveRoute).named.spec;
    this.#extend(headers_ms);
    const headers = head.forwarded();
    headers.push('host', upstream.spec.pass_host ? (head.header('host') ?? target.host) : target.host);
    const body = this.#body?.source() ?? null;
    if (body !== null && !Buffer.isBuffer(body) && head.bodyLength !== CHUNKED) {
      headers.push('content-length', String(head.bodyLength));
    }
    const attempt = new Attempt(this, upstream, target, this.#host.clock);
    this.#attempt = attempt;
    attempt.begin({ path: head.target(), method: head.method as Dispatcher.HttpMethod, headers, body });
  }

  /** Whether another attempt may be made instead of this answer or error. Takes it out of the budget. */
  #repeats(upstream: Upstream, notSent: boolean): boolean {
    if (this.over || this.#answer?.started === true || this.#body?.replayable === false) return false;
    if (!notSent && !IDEMPOTENT.has(this.#head.method)) return false;
    if (this.#attempts >= upstream.spec.attempts_max || !upstream.budget.spend()) return false;
    this.#host.stats.retried(upstream.name);
    return true;
  }

  /** The head of an upstream's answer. False: it is not wanted, and the attempt is done with. */
  answered(
    attempt: Attempt,
    status: number,
    raw: readonly Buffer[],
    controller: Dispatcher.DispatchController,
  ): boolean {
    if (this.over || attempt !== this.#attempt) return false;
    const { upstream } = attempt;
    if (attempt.failed && this.#repeats(upstream, false)) {
      this.#host.stats.failed(upstream.name, attempt.target.url);
      this.#try();
      return false;
    }
    const head = answerHead(raw);
    const { spec } = (this.#live as LiveRoute).named;
    this.#phase = 'answering';
    this.#status = status;
    this.#extend(spec.idle_ms);
    const extra = [...this.#head.answerHeaders, 'via', `1.1 ${this.#host.settings.pseudonym}`];
    this.#answer = new Answer(
      {
        res: this.#res,
        method: this.#head.method,
        status,
        head,
        extra,
        close: () => this.#closes(),
        progress: () => this.#extend(spec.idle_ms),
      },
      controller,
    );
    return true;
  }

  data(attempt: Attempt, chunk: Buffer): void {
    if (this.over || attempt !== this.#attempt) return;
    this.#answer?.data(chunk);
  }

  ended(attempt: Attempt): void {
    if (this.over || attempt !== this.#attempt) return;
    this.#answer?.end(() => this.#end(this.#status));
  }

  /** The attempt failed: connection, time, or an answer that is none. */
  broke(attempt: Attempt, error: Error): void {
    if (this.over || attempt !== this.#attempt) return;
    const { upstream, target } = attempt;
    this.#host.stats.failed(upstream.name, target.url);
    const timedOut = error instanceof SluiceError && error.code === 'UPSTREAM_TIMEOUT';
    if (!timedOut && this.#repeats(upstream, wasNotSent(error))) {
      this.#answer = undefined;
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
      this.#attempt?.abort(error, true);
      this.#fail(error);
    }
  }

  /** Refused or failed before anything went to the client, else cut. */
  #fail(error: SluiceError): void {
    if (this.over) return;
    if (this.#answer?.started === true) this.#cut();
    else this.#refuse(error);
  }

  /**
   * An answer that closes the connection leaves in a later turn: within this one the parser would go on to what follows
   * the request and serve that too; with an answer pending it drops the connection instead.
   */
  #refuse(error: SluiceError): void {
    if (this.over) return;
    this.#attempt?.abort(error);
    this.#attempt = undefined;
    const close = this.#closes();
    const write = () => {
      if (this.over) return;
      this.#res.cork(() => writeProblem(this.#res, error, this.#head.method, close, this.#head.answerHeaders));
      this.#end(error.status);
    };
    if (close) setImmediate(write);
    else write();
  }

  /** Where a next request begins is in doubt, or the rest of this one would have to be read first. */
  #closes(): boolean {
    const { bodyLength: length } = this.#head;
    if (this.#distrusted || length === CHUNKED) return true;
    return length > 0 && this.#body?.whole !== true;
  }

  #cut(): void {
    if (this.over) return;
    this.#attempt?.abort(new SluiceError('CONNECTION_LOST', 'the answer was cut'));
    const res = this.#res;
    this.#end(this.#status);
    res.close();
  }

  #aborted(): void {
    if (this.over) return;
    const attempt = this.#attempt;
    this.#end(0);
    attempt?.abort(new SluiceError('CONNECTION_LOST', 'the client went away'));
  }

  #end(status: number): void {
    this.over = true;
    this.#answer?.abandon();
    this.#body?.end();
    this.#host.watch.delete(this);
    this.#host.count(-1);
    if (this.#live === undefined) this.#host.stats.refused();
    else this.#live.stats.ended(status, this.#host.clock.monotonic() - this.#startedAt);
  }
}
