/**
 * Puts the pieces of a request body together, under a byte limit, a shared memory budget and a deadline.
 *
 * uWebSockets.js cuts a connection that sends less than about 16 KiB/s for ten seconds, without a word; a body
 * that stalls is therefore given up a little earlier, so that its sender learns why. A body over the limit is read to
 * its end and thrown away while that is not much more, since a client that still writes may never see the answer.
 */
import { NO_BODY } from '#http1';
import { SluiceError } from '#kernel';
import type { ExchangeHost } from './host.ts';

const THROUGHPUT_BYTES_PER_S = 16 * 1024;
const EXCESS_FACTOR = 4;

export interface BodyOutcome {
  /** The bytes are valid until the call returns. */
  whole(body: Uint8Array): void;
  /** `complete`: the client has sent all of it, so that the connection can be used on. */
  failed(error: SluiceError, complete: boolean): void;
}

export class BodyReader {
  readonly #maxBytes: number;
  readonly #host: ExchangeHost;
  readonly #outcome: BodyOutcome;
  readonly #startedMs: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #held = 0;
  #bytesAtSweep = 0;
  #over = false;

  constructor(length: number, maxBytes: number, startedMs: number, host: ExchangeHost, outcome: BodyOutcome) {
    this.#maxBytes = maxBytes;
    this.#host = host;
    this.#outcome = outcome;
    this.#startedMs = startedMs;
    if (length > maxBytes * EXCESS_FACTOR) this.#fail(this.#tooLarge(), false);
    else if (length !== 0 && length !== NO_BODY) host.deadlines.add(this);
  }

  get over(): boolean {
    return this.#over;
  }

  data(chunk: ArrayBuffer, isLast: boolean): void {
    if (this.#over) return;
    this.#bytes += chunk.byteLength;
    if (this.#bytes > this.#maxBytes) {
      this.#excess(isLast);
    } else if (isLast && this.#pieces.length === 0) {
      this.stop();
      this.#outcome.whole(new Uint8Array(chunk));
    } else {
      this.#keep(chunk, isLast);
    }
  }

  /** Forgets the body and lets go of what it holds. */
  stop(): void {
    this.#over = true;
    if (this.#pieces.length > 0) this.#release();
  }

  /** Called by the deadlines of the host while not over: given up unless it flows and has time left. */
  overdue(): void {
    const flows = this.#bytes - this.#bytesAtSweep >= (THROUGHPUT_BYTES_PER_S * this.#host.deadlines.periodMs) / 1000;
    const spentMs = this.#host.clock.monotonic() - this.#startedMs;
    if (flows && spentMs < this.#host.limits.requestMs) {
      this.#bytesAtSweep = this.#bytes;
      this.#host.deadlines.add(this);
    } else {
      this.#fail(new SluiceError('REQUEST_TIMEOUT', 'the request body did not arrive in time'), false);
    }
  }

  #keep(chunk: ArrayBuffer, isLast: boolean): void {
    if (!this.#host.incoming.take(chunk.byteLength)) {
      this.#fail(new SluiceError('LIMIT_EXCEEDED', 'too many request bodies are being received'), isLast);
      return;
    }
    this.#held += chunk.byteLength;
    this.#pieces.push(new Uint8Array(chunk).slice());
    if (!isLast) return;
    const whole = Buffer.concat(this.#pieces);
    this.stop();
    this.#outcome.whole(whole);
  }

  #excess(isLast: boolean): void {
    this.#release();
    if (isLast || this.#bytes > this.#maxBytes * EXCESS_FACTOR) this.#fail(this.#tooLarge(), isLast);
  }

  #tooLarge(): SluiceError {
    return new SluiceError('REQUEST_TOO_LARGE', `the request body is larger than ${this.#maxBytes} bytes`, {
      max: this.#maxBytes,
    });
  }

  #fail(error: SluiceError, complete: boolean): void {
    this.stop();
    this.#outcome.failed(error, complete);
  }

  #release(): void {
    this.#host.incoming.release(this.#held);
    this.#held = 0;
    this.#pieces = [];
  }
}
