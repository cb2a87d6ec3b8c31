/**
 * One request through the gateway.
 *
 *   head ─▶ route ─▶ policies: head ─▶ body gathered ─▶ policies: body ─▶ tries ─▶ policies: answer ─▶ client
 *     │        │         │                or streaming         │
 *     └────────┴─────────┴─ refused with a problem, or answered┘
 *
 * It is over once: answered, refused, cut, or the client went away. After that no native call is made.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { CHUNKED, NO_BODY } from '#http1';
import { asSluiceError, SluiceError } from '#kernel';
import type { WholeAnswer } from '../policy.ts';
import type { AnsweredHead } from '../upstream/carried.ts';
import { Admission, type AdmissionOwner } from './admission.ts';
import { Answer, type AnswerOwner, type Source } from './answer.ts';
import { CollectedAnswer, collectors, editHead, editWhole } from './answer-edits.ts';
import { requestEnded } from './ending.ts';
import { type AnswerHead, answerHead } from './headers.ts';
import type { HeldAccount } from './held-bytes.ts';
import type { ListenerHost, LiveRoute } from './live-table.ts';
import { answersBefore } from './plan.ts';
import { writeProblem, writeWhole } from './problem.ts';
import { RequestBody } from './request-body.ts';
import { RequestHead } from './request-head.ts';
import { Tries, type TriesOwner } from './tries.ts';
import type { Watched } from './watch.ts';

const DISTRUSTED: ReadonlySet<string> = new Set(['REQUEST_SMUGGLING', 'REQUEST_MALFORMED', 'EXPECTATION_FAILED']);
const NO_BYTES = Buffer.alloc(0);

export class Exchange implements Watched, AdmissionOwner, TriesOwner, AnswerOwner {
  deadline = Number.POSITIVE_INFINITY;
  watchedAt = -1;
  over = false;
  readonly #res: HttpResponse;
  readonly #host: ListenerHost;
  readonly #head: RequestHead;
  readonly #startedAt: number;
  #totalDeadline = Number.POSITIVE_INFINITY;
  #live: LiveRoute | undefined;
  #body: RequestBody | undefined;
  #held: HeldAccount | undefined;
  #phase: 'receiving' | 'waiting' | 'answering' = 'receiving';
  #tries: Tries | undefined;
  /** The client has, and the upstream is heard out: no native call may follow. */
  #gone = false;
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
    this.#startedAt = host.clock.monotonic();
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
    const { plan, bodyBytesMax: bytesMax } = live;
    if (length > bytesMax) throw new SluiceError('REQUEST_TOO_LARGE', `the body has more than ${bytesMax} bytes`);
    if (spec.total_ms !== undefined) this.#totalDeadline = this.#startedAt + spec.total_ms;
    this.#extend(spec.headers_ms, this.#startedAt);
    this.#host.watch.add(this);
    if (length === NO_BODY && plan.heads.length === 0 && plan.bodies.length === 0) {
      this.#head.body = NO_BYTES;
      this.passed();
      return;
    }
    const admission = new Admission(plan, this.#head, this);
    if (length !== NO_BODY) {
      this.#body = new RequestBody(this.#res, length, bytesMax, plan.bodyBytesMax, this.#holding(), {
        ready: () => admission.bodyReady(),
        progress: () => this.#extend(this.#phase === 'answering' ? spec.idle_ms : spec.headers_ms),
        failed: (error) => this.failed(error),
      });
    }
    admission.begin(this.#body);
  }

  #holding(): HeldAccount {
    this.#held ??= this.#host.held.account();
    return this.#held;
  }

  #extend(ms: number, now = this.#host.clock.monotonic()): void {
    this.deadline = Math.min(now + ms, this.#totalDeadline);
  }

  passed(): void {
    const tries = new Tries(this, this.#host, this.#head, (this.#live as LiveRoute).plan, this.#body);
    this.#tries = tries;
    tries.begin();
    if (this.#head.route.spec.shadow !== undefined) this.#host.shadows.copy(this.#head, tries.replayable);
  }

  refused(error: SluiceError): void {
    this.#refuse(error);
  }

  answeredBy(at: number, answer: WholeAnswer): void {
    this.#edit(answer, at);
  }

  get committed(): boolean {
    return this.#answer?.started === true;
  }

  asked(): void {
    this.#phase = 'waiting';
    this.#extend((this.#live as LiveRoute).named.spec.headers_ms);
  }

  again(): void {
    this.#answer = undefined;
    this.#collected = undefined;
  }

  answered(answered: AnsweredHead, source: Source): boolean {
    const { status } = answered;
    const { answers } = (this.#live as LiveRoute).plan;
    const head = answerHead(answered);
    const now = this.#host.clock.monotonic();
    this.#phase = 'answering';
    this.#upstreamMs = now - this.#startedAt;
    this.#extend((this.#live as LiveRoute).named.spec.idle_ms, now);
    if (answers.length === 0) {
      this.#stream(status, head, source);
      return true;
    }
    return this.#passes(() => {
      const collecting = collectors(answers, this.#head, status, head);
      if (collecting.length > 0) this.#collected = new CollectedAnswer(status, head, collecting);
      else this.#stream(status, head, source);
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
  #stream(status: number, head: AnswerHead, source: Source): void {
    // Nobody is left to give it to.
    if (this.#gone) return;
    const { answers } = (this.#live as LiveRoute).plan;
    const edited = answers.length === 0 ? undefined : editHead(answers, this.#head, status, head);
    this.#status = edited?.status ?? status;
    this.#answer = new Answer(this, source, this.#res, this.#head.method, this.#status, edited?.head ?? head);
  }

  writeExtra(): void {
    const further = this.#head.furtherAnswerHeaders ?? [];
    for (let i = 0; i < further.length; i += 2) this.#res.writeHeader(further[i] as string, further[i + 1] as string);
    this.#res.writeHeader('via', this.#host.via);
  }

  progress(): void {
    this.#extend((this.#live as LiveRoute).named.spec.idle_ms);
  }

  ending(): void {
    this.#body?.discard();
  }

  given(): void {
    this.#end(this.#status);
  }

  data(chunk: Buffer, source: Source): void {
    if (this.over) return;
    this.#answerBytes += chunk.length;
    const collected = this.#collected;
    if (collected === undefined) {
      this.#answer?.data(chunk);
      return;
    }
    this.progress();
    this.#passes(() => {
      this.#holding().take(chunk.length);
      if (collected.add(chunk)) return;
      this.#collected = undefined;
      this.#stream(collected.status, collected.head, source);
      this.#answer?.data(collected.body());
    });
  }

  ended(): void {
    if (this.over) return;
    if (this.#collected !== undefined) this.#edit(this.#collected.whole());
    else if (this.#gone) this.#end(0);
    else this.#answer?.end();
  }

  /** Gives a whole answer, as the policies before the place `until` leave it. */
  #edit(answer: WholeAnswer, until = Number.POSITIVE_INFINITY): void {
    const steps = answersBefore((this.#live as LiveRoute).plan, until);
    const done = (edited: WholeAnswer | SluiceError) => {
      if (this.over) return;
      if (edited instanceof SluiceError) return this.#refuse(edited);
      this.#answerBytes = edited.body.length;
      const extra = [...this.#head.answerHeaders, 'via', this.#host.via];
      this.#write(edited.status, (close) => writeWhole(this.#res, edited, this.#head.method, close, extra));
    };
    if (steps.length === 0) done(answer);
    else editWhole(steps, this.#head, answer).then(done, (error: unknown) => this.#refuse(asSluiceError(error)));
  }

  overdue(): void {
    if (this.over) return;
    this.deadline = Number.POSITIVE_INFINITY;
    if (this.#phase === 'receiving' || this.#tries === undefined) {
      this.failed(new SluiceError('REQUEST_TIMEOUT', 'the request did not end in time'));
    } else if (this.committed) {
      // What has begun can only be cut, so that nobody takes it for whole.
      this.#cut();
    } else this.failed(this.#tries.overdue());
  }

  /** Refused or failed before anything went to the client, else cut. */
  failed(error: SluiceError): void {
    if (this.over) return;
    if (this.committed) this.#cut();
    else this.#refuse(error);
  }

  #refuse(error: SluiceError): void {
    if (this.over) return;
    this.#tries?.stop();
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
    const close = this.closes();
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
  closes(): boolean {
    const { bodyLength: length } = this.#head;
    if (this.#distrusted || length === CHUNKED) return true;
    return length - (this.#body?.received ?? 0) > this.#host.settings.limits.gatewayDiscardBytesMax;
  }

  #cut(): void {
    if (this.over) return;
    this.#tries?.stop();
    const res = this.#res;
    this.#end(this.#status);
    if (!this.#gone) res.close();
  }

  #aborted(): void {
    if (this.over) return;
    const tries = this.#tries;
    if (tries?.underWay === true) {
      tries.reached = true;
      if (this.#head.outlives && this.#answer === undefined) {
        this.#gone = true;
        this.#body?.end();
        return;
      }
    }
    this.#end(0);
    tries?.stop();
  }

  #end(status: number): void {
    this.over = true;
    this.#answer?.abandon();
    this.#body?.end();
    this.#held?.settle();
    this.#host.watch.delete(this);
    this.#host.count(-1);
    const tries = this.#tries;
    requestEnded(this.#host, this.#head, this.#live, this.#startedAt, {
      status,
      code: this.#code,
      upstream: tries?.upstreamName,
      target: tries?.target?.url,
      attempts: tries?.count ?? 0,
      reached: tries?.reached ?? false,
      requestBytes: this.#body?.received ?? 0,
      answerBytes: this.#answerBytes,
      upstreamMs: this.#upstreamMs,
      beganAt: 0,
      elapsedMs: 0,
    });
  }
}
