/**
 * The body of a request on its way to the upstream. A small one of known length is gathered first, and can then be sent
 * again to another target; any other is streamed: while the upstream does not take it, the client is not read.
 *
 *   gathering ── last byte ──▶ ready(Buffer)              streaming: ready(Readable) at once, then bytes as they come
 */

import type { HttpResponse } from 'uWebSockets.js';
import { Readable } from 'node:stream';
import { CHUNKED } from '#http1';
import { SluiceError } from '#kernel';

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
  /** It can be sent again. */
  readonly replayable: boolean;
  readonly #res: HttpResponse;
  readonly #events: BodyEvents;
  readonly #bytesMax: number;
  #received = 0;
  #gathered: Buffer[] = [];
  #stream: Readable | undefined;
  #paused = false;
  #over = false;

  /** Must be made before the request's callback returns. */
  constructor(res: HttpResponse, length: number, bytesMax: number, events: BodyEvents) {
    this.#res = res;
    this.#events = events;
    this.#bytesMax = bytesMax;
    this.replayable = length !== CHUNKED && length <= GATHERED_BYTES_MAX;
    if (!this.replayable) {
      this.#stream = new Readable({ highWaterMark: STREAM_BYTES, read: () => this.#wanted() });
      // An attempt that fails destroys the stream with its error; the exchange hears of it from the attempt.
      this.#stream.on('error', () => undefined);
    }
    res.onData((chunk, isLast) => this.#data(chunk, isLast));
  }

  /** What undici is given; for a gathered body only after `ready`. */
  source(): Buffer | Readable {
    return this.#stream ?? Buffer.concat(this.#gathered);
  }

  /** The client is gone, or the answer is: no native call may follow. */
  end(): void {
    this.#over = true;
    this.#gathered = [];
    if (!this.whole) this.#stream?.destroy();
  }

  #data(chunk: ArrayBuffer, isLast: boolean): void {
    if (this.#over) return;
    this.#received += chunk.byteLength;
    if (this.#received > this.#bytesMax) {
      this.#events.failed(new SluiceError('REQUEST_TOO_LARGE', `the body has more than ${this.#bytesMax} bytes`));
      return;
    }
    // The native buffer is dead after this call.
    const copy = chunk.byteLength === 0 ? undefined : Buffer.from(chunk.slice(0));
    if (isLast) this.whole = true;
    this.#events.progress();
    if (this.#stream === undefined) {
      if (copy !== undefined) this.#gathered.push(copy);
      if (isLast) this.#events.ready();
      return;
    }
    const room = copy === undefined || this.#stream.push(copy);
    if (isLast) this.#stream.push(null);
    else if (!room && !this.#paused) {
      this.#paused = true;
      this.#res.pause();
    }
  }

  #wanted(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    this.#res.resume();
  }
}
