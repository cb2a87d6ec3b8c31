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

export interface AnswerOptions {
  readonly res: HttpResponse;
  readonly method: string;
  readonly status: number;
  readonly head: AnswerHead;
  /** Names and values the gateway adds. */
  readonly extra: readonly string[];
  /** The connection must not be used on. */
  readonly close: () => boolean;
  /** Bytes went to the client. */
  readonly progress: () => void;
  /** The upstream has given all of it; the native response may be done with after this. */
  readonly ending: () => void;
}

export class Answer {
  /** Something went to the client: there is no way back. */
  started = false;
  readonly #options: AnswerOptions;
  readonly #mode: 'bodiless' | 'held' | 'measured' | 'chunked';
  readonly #held: Buffer[] = [];
  readonly #source: Source;
  /** Measured: what the socket did not take yet, and the offset of its first byte. */
  readonly #waiting: Buffer[] = [];
  #offset = 0;
  #given = 0;
  #listening = false;
  #over = false;
  #whenFlushed: (() => void) | undefined;

  constructor(options: AnswerOptions, source: Source) {
    this.#options = options;
    this.#source = source;
    const { method, status, head } = options;
    const length = head.contentLength;
    if (method === 'HEAD' || status === 204 || status === 304) this.#mode = 'bodiless';
    else if (length === undefined) this.#mode = 'chunked';
    else if (length <= HELD_BYTES_MAX) this.#mode = 'held';
    // The native side can only end a measured answer with the connection kept.
    else this.#mode = options.close() ? 'chunked' : 'measured';
    if (this.#mode === 'measured' || this.#mode === 'chunked') this.#start();
  }

  #start(): void {
    this.started = true;
    this.#options.res.cork(() => this.#head());
  }

  #head(): void {
    const { res, status, head, extra } = this.#options;
    res.writeStatus(answerStatus(status));
    const { headers } = head;
    for (let i = 0; i < headers.length; i += 2)
      res.writeHeader(headers[i] as string, headers[i + 1] as string | Buffer);
    for (let i = 0; i < extra.length; i += 2) res.writeHeader(extra[i] as string, extra[i + 1] as string);
  }

  /** The bytes are only there until this returns, or, of the last ones, until `end` does. */
  data(chunk: Buffer): void {
    if (this.#over || this.#mode === 'bodiless') return;
    if (this.#mode === 'chunked') this.#write(chunk);
    else if (this.#mode === 'held') {
      this.#held.push(chunk.length === this.#options.head.contentLength ? chunk : Buffer.from(chunk));
    } else {
      this.#given += chunk.length;
      if (this.#given >= (this.#options.head.contentLength as number)) this.#options.ending();
      this.#waiting.push(Buffer.from(chunk));
      if (this.#waiting.length === 1) this.#flush();
      else this.#source.pause();
    }
  }

  #write(chunk: Buffer): void {
    const { res, progress } = this.#options;
    let room = true;
    res.cork(() => {
      room = res.write(chunk);
    });
    if (room) progress();
    else {
      this.#source.pause();
      this.#listen();
    }
  }

  /** One handler for all of the answer's life: a second one would not be heard. */
  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#options.res.onWritable((offset) => {
      if (this.#over) return true;
      this.#options.progress();
      if (this.#mode === 'measured') return this.#drained(offset);
      this.#source.resume();
      return true;
    });
  }

  #flush(): void {
    const { res, head, progress } = this.#options;
    for (let chunk = this.#waiting[0]; chunk !== undefined; chunk = this.#waiting[0]) {
      this.#offset = res.getWriteOffset();
      let room = false;
      let done = false;
      const bytes = chunk;
      res.cork(() => {
        [room, done] = res.tryEnd(bytes, head.contentLength as number);
      });
      if (done) this.#flushed();
      if (!room) {
        this.#source.pause();
        this.#listen();
        return;
      }
      progress();
      this.#waiting.shift();
    }
  }

  #drained(offset: number): boolean {
    const { res, head } = this.#options;
    const [chunk] = this.#waiting;
    if (chunk === undefined) return true;
    const rest = chunk.subarray(offset - this.#offset);
    const [room, done] = res.tryEnd(rest, head.contentLength as number);
    if (done) this.#flushed();
    if (!room) {
      this.#waiting[0] = rest;
      this.#offset = offset;
      return false;
    }
    this.#waiting.shift();
    this.#flush();
    if (this.#waiting.length === 0) this.#source.resume();
    return true;
  }

  #flushed(): void {
    this.#over = true;
    this.#whenFlushed?.();
  }

  /** The upstream has given all of it. @param ended called when the client has been given all of it */
  end(ended: () => void): void {
    const { res, head, close } = this.#options;
    if (this.#mode === 'measured') {
      if (this.#over) ended();
      else this.#whenFlushed = ended;
      return;
    }
    this.#over = true;
    this.started = true;
    this.#options.ending();
    res.cork(() => {
      if (this.#mode === 'bodiless') {
        this.#head();
        this.#endBodiless(head.contentLength, close());
      } else if (this.#mode === 'held') {
        this.#head();
        res.end(this.#held.length === 1 ? (this.#held[0] as Buffer) : Buffer.concat(this.#held), close());
      } else res.end(undefined, close());
    });
    ended();
  }

  /** The length of what HEAD and 304 leave out is told where it is known; 204 has none. */
  #endBodiless(length: number | undefined, close: boolean): void {
    const { res, status } = this.#options;
    if (close) res.endWithoutBody(status === 204 ? 0 : (length ?? 0), true);
    else if (length === undefined || status === 204) res.endWithoutBody();
    else endHeadOnly(res, length, false);
  }

  /** The client is gone: no native call may follow. */
  abandon(): void {
    this.#over = true;
    this.#waiting.length = 0;
  }
}
