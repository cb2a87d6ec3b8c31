/**
 * The policy of a route with `capture`: the first of all, so that it has the request as the caller sent it and the answer
 * as the caller gets it. It changes neither, keeps nobody waiting, and when the log does not keep up captures are lost, and
 * counted. Answers are collected up to the limit; event streams and the like pass by. Runs on listener threads.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, encodeUtf8 } from '#kernel';
import { encodeBatch } from '#record';
import { callerOf } from '../caller.ts';
import type { ThreadLink } from '../link.ts';
import type { AnswerStep, BodyStep, GatewayRequest, Outcome, Policy, WholeAnswer } from '../policy.ts';
import { routeOfStatus } from '../queued/policy.ts';
import { type CapturedBody, type CapturedRequest, Redaction } from './captured-request.ts';
import type { CaptureSpec } from './schema.ts';

/** They are meant to be read while they come. */
const STREAMED = /^(text\/event-stream|application\/(x-)?ndjson|application\/stream\+json|multipart\/)/i;

interface Taken {
  request: CapturedBody;
  answer: (CapturedBody & { readonly headers: readonly string[] }) | undefined;
}

export class CapturePolicy implements Policy {
  readonly name = 'capture';
  readonly body: BodyStep;
  readonly answer: AnswerStep;
  readonly #route: string;
  readonly #percent: number;
  readonly #until: number;
  readonly #redaction: Redaction;
  readonly #link: ThreadLink;
  readonly #clock: Clock;
  readonly #pendingBytesMax: number;
  readonly #taken = new WeakMap<GatewayRequest, Taken>();
  #pendingBytes = 0;
  /** Since it was last told. */
  #lost = 0;

  constructor(route: string, spec: CaptureSpec, link: ThreadLink, clock: Clock, pendingBytesMax: number) {
    this.#route = route;
    this.#percent = spec.percent;
    this.#until = spec.until === undefined ? Number.POSITIVE_INFINITY : Date.parse(spec.until);
    this.#redaction = new Redaction(spec);
    this.#link = link;
    this.#clock = clock;
    this.#pendingBytesMax = pendingBytesMax;
    const bytesMax = spec.body_bytes_max;
    this.body = { bytesMax, whenLonger: 'pass', check: (request) => this.#body(request) };
    this.answer = {
      bytesMax,
      whenLonger: 'pass',
      wants: (request, _status, headers) =>
        this.#taken.has(request) && !STREAMED.test(headerOf(headers, 'content-type')),
      edit: (request, answer) => this.#answer(request, answer),
    };
  }

  check(request: GatewayRequest): undefined {
    if (this.#clock.now() >= this.#until || Math.random() * 100 >= this.#percent) return;
    if (routeOfStatus(request.path) !== undefined) return;
    const hasBody =
      (request.header('content-length') ?? '0') !== '0' || request.header('transfer-encoding') !== undefined;
    this.#taken.set(request, { request: hasBody ? { body_omitted: true } : {}, answer: undefined });
  }

  #body(request: GatewayRequest): undefined {
    const taken = this.#taken.get(request);
    if (taken === undefined || request.body === undefined) return;
    taken.request = this.#redaction.body(request.body, request.header('content-type'));
  }

  #answer(request: GatewayRequest, answer: WholeAnswer): WholeAnswer {
    const taken = this.#taken.get(request);
    if (taken !== undefined) {
      const body = this.#redaction.body(answer.body, headerOf(answer.headers, 'content-type'));
      taken.answer = { ...body, headers: this.#redaction.headers(answer.headers) };
    }
    return answer;
  }

  ended(request: GatewayRequest, { status, code, beganAt, elapsedMs }: Outcome): void {
    const taken = this.#taken.get(request);
    if (taken === undefined || status === 0) return;
    const { method, host, path, query } = request;
    const captured: CapturedRequest = {
      id: randomUUID(),
      at: Math.round(beganAt),
      route: this.#route,
      client: callerOf(request),
      request: {
        method,
        host,
        path,
        query: this.#redaction.query(query),
        target: this.#redaction.target(request.target()),
        headers: this.#redaction.headers(request.headers),
        ...taken.request,
      },
      answer: { status, ...(taken.answer ?? unseen(method, status)) },
      code: code ?? null,
      elapsed_ms: Math.round(elapsedMs),
    };
    this.#send(encodeBatch([{ key: null, value: encodeUtf8(JSON.stringify(captured)) }]));
  }

  #send(batch: Uint8Array): void {
    const bytes = batch.length;
    if (this.#pendingBytes + bytes > this.#pendingBytesMax) {
      this.#lost++;
      return;
    }
    this.#pendingBytes += bytes;
    const lost = this.#lost;
    this.#lost = 0;
    this.#link
      .ask('capture', { route: this.#route, batch, lost })
      // The log's thread has said why; here it is one more that is lost.
      .catch(() => {
        this.#lost += lost + 1;
      })
      .finally(() => {
        this.#pendingBytes -= bytes;
      });
  }
}

function unseen(method: string, status: number): CapturedBody & { readonly headers: null } {
  const bodiless = method === 'HEAD' || status === 204 || status === 304;
  return bodiless ? { headers: null } : { headers: null, body_omitted: true };
}

function headerOf(headers: readonly (string | Buffer)[], name: string): string {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return String(headers[i + 1]);
  return '';
}
