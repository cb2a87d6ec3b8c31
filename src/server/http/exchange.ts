/**
 * One request and its answer: the only wrapper around uWebSockets.js's request and response, for every route.
 *
 *   constructed ──▶ body read (or none) ──▶ answered once (or streamed) ──▶ ended
 *        └────────────── the client goes away, at any point ──────────────────▲
 *
 * It takes what is needed from the native request before the callback returns (after that it is dead),
 * refuses ambiguous framing, reads the body under a byte limit and a deadline, and answers in one cork. A call
 * after the client has gone does nothing: no native call is made then, since it would throw.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { answerStatus, bodyLength, CHUNKED, checkHeaderValue, endHeadOnly, NO_BODY } from '#http1';
import { asSluiceError, assert, SluiceError, toProblem } from '#kernel';
import { nobody, type Principal } from '../auth/principal.ts';
import { problemHeaders } from './answer.ts';
import { BodyReader } from './body-reader.ts';
import { BodyStream } from './body-stream.ts';
import type { ExchangeHost } from './host.ts';
import { LargeAnswer } from './large-answer.ts';
import { parseQuery } from './query.ts';
import type { Route } from './route.ts';

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

let collected: string[] = [];
function collect(name: string, value: string): void {
  collected.push(name, value);
}

export class Exchange {
  /** As sent, e.g. `GET`. */
  readonly method: string;
  /** Without the query, not decoded. */
  readonly path: string;
  readonly rawQuery: string;
  /** Names in lower case and values in turn, as received. */
  readonly headers: readonly string[];
  readonly startedMs: number;
  /** Bytes of the body, `NO_BODY` or `CHUNKED`. */
  readonly bodyLength: number;
  /** Of the route's path template, decoded, in order. Set by the router. */
  params: readonly string[] = [];
  /** Set by the router. */
  route: Route | undefined;
  /** Who asks. Set by the router, before the route runs. */
  principal: Principal = nobody;

  readonly #res: HttpResponse;
  readonly #host: ExchangeHost;
  readonly #refusal: SluiceError | undefined;
  #id: string | undefined;
  #query: ReadonlyMap<string, string> | undefined;
  #answerHeaders: string[] | undefined;
  #state: 'open' | 'answering' | 'ended' = 'open';
  #closeConnection = false;
  #reader: BodyReader | undefined;
  #stream: BodyStream | undefined;
  #large: LargeAnswer | undefined;
  #abortListeners: (() => void)[] | undefined;

  constructor(res: HttpResponse, req: HttpRequest, host: ExchangeHost) {
    res.onAborted(() => this.#aborted());
    this.#res = res;
    this.#host = host;
    this.method = req.getCaseSensitiveMethod();
    this.path = req.getUrl();
    this.rawQuery = req.getQuery() ?? '';
    collected = [];
    req.forEach(collect);
    this.headers = collected;
    this.startedMs = host.clock.monotonic();
    let length = NO_BODY;
    try {
      length = bodyLength(this.headers);
    } catch (error) {
      this.#refusal = asSluiceError(error);
    }
    this.bodyLength = length;
    this.#closeConnection = length === CHUNKED || this.#refusal !== undefined;
  }

  /** Why the head itself is refused; the router answers with it before anything else. */
  get refusal(): SluiceError | undefined {
    return this.#refusal;
  }

  /** Nothing can or need be answered any more: answered, or the client went away. */
  get over(): boolean {
    return this.#state !== 'open';
  }

  /** From `X-Request-Id` when that is sane, else made up. */
  get id(): string {
    if (this.#id === undefined) {
      const given = this.header('x-request-id');
      this.#id = given !== undefined && REQUEST_ID.test(given) ? given : this.#host.nextRequestId();
    }
    return this.#id;
  }

  /** The first header of this name (lower case). */
  header(name: string): string | undefined {
    const headers = this.headers;
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i] === name) return headers[i + 1];
    }
    return undefined;
  }

  /** @throws REQUEST_MALFORMED */
  get query(): ReadonlyMap<string, string> {
    this.#query ??= parseQuery(this.rawQuery);
    return this.#query;
  }

  /** The peer's address as text, for the access log. Only while the exchange is open. */
  remoteAddress(): string {
    return this.#state === 'ended' ? '' : Buffer.from(this.#res.getRemoteAddressAsText()).toString('latin1');
  }

  /** `listener` runs when the client goes away before the answer is complete. */
  onAborted(listener: () => void): void {
    this.#abortListeners ??= [];
    this.#abortListeners.push(listener);
  }

  /**
   * Reads the body and hands it over once it is whole; the bytes are valid only until `then` returns. Must be
   * called before the request's callback returns. Too large, too slow or gone: answered here, `then` is not called.
   */
  readBody(maxBytes: number, then: (body: Uint8Array) => void): void {
    assert(this.#reader === undefined, 'a body is read once');
    if (this.over) return;
    this.#reader = new BodyReader(this.bodyLength, maxBytes, this.startedMs, this.#host, {
      whole: (body) => {
        if (!this.over) then(body);
      },
      failed: (error, complete) => {
        if (!complete) this.#closeConnection = true;
        this.problem(error);
      },
    });
    const reader = this.#reader;
    this.#res.onData((chunk, isLast) => reader.data(chunk, isLast));
  }

  /** Runs `work`; what it throws, or rejects with, is answered as a problem. */
  settle(work: () => void | Promise<void>): void {
    try {
      const pending = work();
      if (pending !== undefined) pending.catch((error: unknown) => this.problem(error));
    } catch (error) {
      this.problem(error);
    }
  }

  /** Adds a header to the answer. @throws REQUEST_INVALID on a value with control characters, such as CR or LF */
  setHeader(name: string, value: string): void {
    checkHeaderValue(name, value);
    this.#answerHeaders ??= [];
    this.#answerHeaders.push(name, value);
  }

  json(status: number, value: unknown): void {
    this.bytes(status, 'application/json', JSON.stringify(value));
  }

  bytes(status: number, contentType: string, body: string | Uint8Array): void {
    if (this.over) return;
    if (this.#closeConnection) this.#deferred(status, contentType, body);
    else this.#write(status, contentType, body);
  }

  /** An answer without a body: 204, 304, or whatever has none here. */
  empty(status: number): void {
    this.bytes(status, '', '');
  }

  /** The error as problem+json, or in the form of the route. Anything but a `SluiceError` answers INTERNAL and is logged with its cause. */
  problem(thrown: unknown): void {
    if (this.over) return;
    const error = asSluiceError(thrown);
    if (error.code === 'INTERNAL' || error.status >= 500) this.#host.failed(this, error);
    for (const [name, value] of problemHeaders(error)) this.setHeader(name, value);
    const form = this.route?.errors;
    if (form === undefined) {
      this.bytes(error.status, 'application/problem+json', JSON.stringify(toProblem(error)));
      return;
    }
    const { status, value } = form.body(error);
    this.bytes(status, form.contentType, JSON.stringify(value));
  }

  /** Answers piece by piece; undefined when the client is gone, or asked for the head only. `filler`: see BodyStream. */
  stream(status: number, contentType: string, filler: string): BodyStream | undefined {
    if (this.over) return undefined;
    if (this.method === 'HEAD') {
      this.bytes(status, contentType, '');
      return undefined;
    }
    this.#state = 'answering';
    this.#res.cork(() => this.#head(status, contentType));
    this.#stream = new BodyStream(this.#res, filler, (bytes) => this.#ended(status, bytes));
    return this.#stream;
  }

  /** Drops the connection without a word. */
  drop(): void {
    if (this.#state !== 'ended') this.#res.close();
  }

  /**
   * Answers that close the connection leave in a later turn: within this one the parser would go on to
   * what follows the request and serve that too; with an answer pending it drops the connection instead.
   */
  #deferred(status: number, contentType: string, body: string | Uint8Array): void {
    this.#state = 'answering';
    const kept = typeof body === 'string' ? body : body.slice();
    setImmediate(() => {
      if (this.#state === 'answering') this.#write(status, contentType, kept);
    });
  }

  #write(status: number, contentType: string, body: string | Uint8Array): void {
    this.#state = 'answering';
    const isHead = this.method === 'HEAD';
    if (!isHead && typeof body !== 'string' && LargeAnswer.fits(body)) {
      this.#writeLarge(status, contentType, body);
      return;
    }
    this.#res.cork(() => {
      this.#head(status, contentType);
      if (status === 204 || status === 304) this.#endEmpty();
      else if (isHead) endHeadOnly(this.#res, Buffer.byteLength(body), this.#closeConnection);
      else this.#res.end(body, this.#closeConnection);
    });
    this.#ended(status, body.length);
  }

  /** Without a length, which these may not have; the native side cannot leave it out when it closes. */
  #endEmpty(): void {
    if (this.#closeConnection) this.#res.endWithoutBody(0, true);
    else this.#res.endWithoutBody();
  }

  #writeLarge(status: number, contentType: string, body: Uint8Array): void {
    if (!this.#host.outgoing.take(body.length)) {
      this.#state = 'open';
      this.problem(new SluiceError('LIMIT_EXCEEDED', 'too many large answers wait for their readers'));
      return;
    }
    const large = new LargeAnswer(this.#res, body.slice(), () => {
      this.#host.outgoing.release(body.length);
      this.#ended(status, body.length);
    });
    this.#large = large;
    this.#res.cork(() => {
      this.#head(status, contentType);
      large.start();
    });
  }

  #head(status: number, contentType: string): void {
    const res = this.#res;
    res.writeStatus(answerStatus(status));
    res.writeHeader('X-Request-Id', this.id);
    if (contentType !== '') res.writeHeader('Content-Type', contentType);
    const extra = this.#answerHeaders;
    if (extra === undefined) return;
    for (let i = 0; i < extra.length; i += 2) res.writeHeader(extra[i] as string, extra[i + 1] as string);
  }

  #ended(status: number, bytes: number): void {
    this.#state = 'ended';
    this.#reader?.stop();
    this.#host.ended(this, { status, bytes });
  }

  #aborted(): void {
    if (this.#state === 'ended') return;
    const stream = this.#stream;
    const large = this.#large;
    this.#state = 'ended';
    this.#reader?.stop();
    if (stream !== undefined) stream.aborted();
    else if (large !== undefined) large.aborted();
    else this.#host.ended(this, { status: 0, bytes: 0 });
    for (const listener of this.#abortListeners ?? []) listener();
  }
}
