/**
 * The upstream's answer on its way to the client.
 *
 *   held       a short one of known length: nothing is sent until it is whole, so a failure half way can be mended
 *   measured   a longer one of known length      streamed; while the client does not read, the upstream is not read
 *   chunked    one of unknown length
 *
 * HEAD, 204 and 304 have no body. All native writes are corked.
 */
import type { HttpResponse } from 'uWebSockets.js';
import { answerStatus, endHeadOnly } from '#http1';
import type { AnswerHead } from './headers.ts';

const HELD_BYTES_MAX = 64 * 1024;

/** Where the answer comes from. */
export interface Source {
  pause(): void;
  resume(): void;
}

/** The exchange, as an answer sees it. */
export interface AnswerOwner {
  /** The connection must not be used on. */
  closes(): boolean;
  /** Writes the headers that the gateway adds. */
  writeExtra(): void;
  /** Bytes went to the client. */
  progress(): void;
  /** The upstream has given all of it; the native response may be done with after this. */
  ending(): void;
  /** The client has been given all of it. */
  given(): void;
}

export class Answer {
  /** Something went to the client: there is no way back. */
  started = false;
  readonly #owner: AnswerOwner;
  readonly #source: Source;
  readonly #res: HttpResponse;
  readonly #status: number;
  readonly #head: AnswerHead;
  readonly #mode: 'bodiless' | 'held' | 'measured' | 'chunked';
  /** All of a short one that came at once: there until `end`. */
  #whole: Buffer | undefined;
  /** Of a short one what has come, of a measured one what the socket did not take yet. */
  #waiting: Buffer[] | undefined;
  /** Of the first byte that waits. */
  #offset = 0;
  #given = 0;
  #listening = false;
  #over = false;
  #ended = false;

  constructor(owner: AnswerOwner, source: Source, res: HttpResponse, method: string, status: number, head: AnswerHead) {
    this.#owner = owner;
    this.#source = source;
    this.#res = res;
    this.#status = status;
    this.#head = head;
    const length = head.contentLength;
    if (method === 'HEAD' || status === 204 || status === 304) this.#mode = 'bodiless';
    else if (length === undefined) this.#mode = 'chunked';
    else if (length <= HELD_BYTES_MAX) this.#mode = 'held';
    // The native side can only end a measured answer with the connection kept.
    else this.#mode = owner.closes() ? 'chunked' : 'measured';
    if (this.#mode === 'measured' || this.#mode === 'chunked') this.#start();
  }

  #start(): void {
    this.started = true;
    this.#res.cork(() => this.#writeHead());
  }

  #writeHead(): void {
    const res = this.#res;
    const { headers } = this.#head;
    res.writeStatus(answerStatus(this.#status));
    for (let i = 0; i < headers.length; i += 2)
      res.writeHeader(headers[i] as string, headers[i + 1] as string | Buffer);
    this.#owner.writeExtra();
  }

  /** The bytes are only there until this returns, or, of the last ones, until `end` does. */
  data(chunk: Buffer): void {
    if (this.#over) return;
    switch (this.#mode) {
      case 'bodiless':
        return;
      case 'chunked':
        this.#write(chunk);
        return;
      case 'held':
        if (chunk.length === this.#head.contentLength) this.#whole = chunk;
        else this.#wait(chunk);
        return;
      case 'measured':
        this.#given += chunk.length;
        if (this.#given >= (this.#head.contentLength as number)) this.#owner.ending();
        if (this.#waiting === undefined || this.#waiting.length === 0) this.#give(chunk);
        else {
          this.#wait(chunk);
          this.#source.pause();
        }
    }
  }

  #wait(chunk: Buffer): void {
    this.#waiting ??= [];
    this.#waiting.push(Buffer.from(chunk));
  }

  #write(chunk: Buffer): void {
    let room = true;
    this.#res.cork(() => {
      room = this.#res.write(chunk);
    });
    if (room) this.#owner.progress();
    else {
      this.#source.pause();
      this.#listen();
    }
  }

  /** One handler for all of the answer's life: a second one would not be heard. */
  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#res.onWritable((offset) => {
      if (this.#over) return true;
      this.#owner.progress();
      if (this.#mode === 'measured') return this.#drained(offset);
      this.#source.resume();
      return true;
    });
  }

  /** Part of a measured one, none of which waits. */
  #give(chunk: Buffer): void {
    this.#offset = this.#res.getWriteOffset();
    let room = false;
    let done = false;
    this.#res.cork(() => {
      [room, done] = this.#res.tryEnd(chunk, this.#head.contentLength as number);
    });
    if (done) this.#flushed();
    else if (room) this.#owner.progress();
    else {
      this.#wait(chunk);
      this.#source.pause();
      this.#listen();
    }
  }

  /** The socket takes more again. @param offset of all that it has taken */
  #drained(offset: number): boolean {
    const waiting = this.#waiting ?? [];
    let from = offset - this.#offset;
    while (waiting.length > 0) {
      const rest = (waiting[0] as Buffer).subarray(from);
      from = 0;
      this.#offset = this.#res.getWriteOffset();
      const [room, done] = this.#res.tryEnd(rest, this.#head.contentLength as number);
      if (done) {
        this.#flushed();
        return true;
      }
      if (!room) {
        waiting[0] = rest;
        return false;
      }
      waiting.shift();
    }
    this.#source.resume();
    return true;
  }

  #flushed(): void {
    this.#over = true;
    if (this.#ended) this.#owner.given();
  }

  /** The upstream has given all of it. */
  end(): void {
    this.#ended = true;
    const owner = this.#owner;
    if (this.#mode === 'measured') {
      if (this.#over) owner.given();
      return;
    }
    this.#over = true;
    this.started = true;
    owner.ending();
    this.#res.cork(() => this.#finish());
    owner.given();
  }

  #finish(): void {
    const res = this.#res;
    const close = this.#owner.closes();
    if (this.#mode === 'chunked') res.end(undefined, close);
    else {
      this.#writeHead();
      if (this.#mode === 'held') res.end(this.#whole ?? Buffer.concat(this.#waiting ?? []), close);
      else this.#endBodiless(close);
    }
  }

  /** The length of what HEAD and 304 leave out is told where it is known; 204 has none. */
  #endBodiless(close: boolean): void {
    const res = this.#res;
    const length = this.#head.contentLength;
    if (close) res.endWithoutBody(this.#status === 204 ? 0 : (length ?? 0), true);
    else if (length === undefined || this.#status === 204) res.endWithoutBody();
    else endHeadOnly(res, length, false);
  }

  /** The client is gone: no native call may follow. */
  abandon(): void {
    this.#over = true;
    this.#waiting = undefined;
  }
}
