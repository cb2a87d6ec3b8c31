/**
 * The body of a request on its way to the upstream. A small one of known length is gathered first, and can then be sent
 * again to another target, and so is one that a policy wants to see whole; any other is streamed: while the upstream
 * does not take it, the client is not read.
 *
 *   gathering ── last byte ──▶ ready, `gathered`        streaming: ready at once, then bytes as they come
 *       └── more than is gathered ──▶ ready, streaming
 */

import type { HttpResponse } from 'uWebSockets.js';
import { Readable } from 'node:stream';
import { CHUNKED } from '#http1';
import { asSluiceError, SluiceError } from '#kernel';
import type { HeldAccount } from './held-bytes.ts';

/** A body up to this size is gathered. */
const GATHERED_BYTES_MAX = 64 * 1024;
/** What waits in the stream for the upstream before the client is paused. */
const STREAM_BYTES = 64 * 1024;

export interface BodyEvents {
  ready(): void;
  /** Bytes came. */
  progress(): void;
  failed(error: SluiceError): void;
}

export class RequestBody {
  /** All of it has come. */
  whole = false;
  readonly #res: HttpResponse;
  readonly #events: BodyEvents;
  readonly #bytesMax: number;
  readonly #gatheredBytesMax: number;
  readonly #held: HeldAccount;
  /** Bytes that came so far. */
  received = 0;
  #gathered: Buffer[] = [];
  #stream: Readable | undefined;
  #paused = false;
  #over = false;

  /**
   * Must be made before the request's callback returns.
   * @param policyBytesMax so much of it is gathered for policies, whatever its length
   * @param held what is gathered is charged to it
   */
  constructor(
    res: HttpResponse,
    length: number,
    bytesMax: number,
    policyBytesMax: number,
    held: HeldAccount,
    events: BodyEvents,
  ) {
    this.#res = res;
    this.#events = events;
    this.#bytesMax = bytesMax;
    this.#held = held;
    this.#gatheredBytesMax = length === CHUNKED ? policyBytesMax : Math.max(GATHERED_BYTES_MAX, policyBytesMax);
    if (this.#gatheredBytesMax === 0 || length > this.#gatheredBytesMax) this.#stream = this.#open();
    res.onData((chunk, isLast) => this.#data(chunk, isLast));
  }

  #open(): Readable {
    const stream = new Readable({ highWaterMark: STREAM_BYTES, read: () => this.#wanted() });
    // An attempt that fails destroys the stream with its error; the exchange hears of it from the attempt.
    stream.on('error', () => undefined);
    return stream;
  }

  /** It streams, and can be sent once only. */
  get stream(): Readable | undefined {
    return this.#stream;
  }

  /** All of it; to be asked after `ready` of a body that does not stream. */
  gathered(): Buffer {
    return this.#gathered.length === 1 ? (this.#gathered[0] as Buffer) : Buffer.concat(this.#gathered);
  }

  /** Nobody wants the rest: it is read and dropped by the native side, so that the client can read its answer. */
  discard(): void {
    this.#over = true;
    if (this.#paused) this.#res.resume();
    this.#paused = false;
  }

  /** The client is gone, or the answer is: no native call may follow. */
  end(): void {
    this.#over = true;
    this.#gathered = [];
    if (!this.whole) this.#stream?.destroy();
  }

  #data(chunk: ArrayBuffer, isLast: boolean): void {
    if (this.#over) return;
    this.received += chunk.byteLength;
    if (this.received > this.#bytesMax) {
      this.#events.failed(new SluiceError('REQUEST_TOO_LARGE', `the body has more than ${this.#bytesMax} bytes`));
      return;
    }
    // The native buffer is dead after this call.
    const copy = chunk.byteLength === 0 ? undefined : Buffer.from(chunk.slice(0));
    if (isLast) this.whole = true;
    this.#events.progress();
    if (this.#stream === undefined) {
      this.#gather(copy, isLast);
      return;
    }
    const room = copy === undefined || this.#stream.push(copy);
    if (isLast) this.#stream.push(null);
    else if (!room && !this.#paused) {
      this.#paused = true;
      this.#res.pause();
    }
  }

  #gather(copy: Buffer | undefined, isLast: boolean): void {
    try {
      if (copy !== undefined) this.#held.take(copy.length);
    } catch (error) {
      this.#events.failed(asSluiceError(error));
      return;
    }
    if (copy !== undefined) this.#gathered.push(copy);
    if (this.received > this.#gatheredBytesMax) this.#spill(isLast);
    else if (isLast) this.#events.ready();
  }

  /** More came than is gathered: what is there becomes the beginning of a stream. */
  #spill(isLast: boolean): void {
    const stream = this.#open();
    this.#stream = stream;
    for (const chunk of this.#gathered) stream.push(chunk);
    this.#gathered = [];
    this.#held.settle();
    if (isLast) stream.push(null);
    else {
      this.#paused = true;
      this.#res.pause();
    }
    this.#events.ready();
  }

  #wanted(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    this.#res.resume();
  }
}
