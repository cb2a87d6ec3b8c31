/**
 * An answer too large to hand to the native side in one go: it is offered whole, the socket takes what it
 * can, and the rest follows as the reader makes room. Holds its own copy of the bytes until then.
 */
import type { HttpResponse } from 'uWebSockets.js';

const LARGE_BYTES = 256 * 1024;

export class LargeAnswer {
  readonly #res: HttpResponse;
  readonly #body: Uint8Array;
  readonly #done: () => void;
  #over = false;

  /** @param done is called once, when all is on its way or the reader has gone */
  constructor(res: HttpResponse, body: Uint8Array, done: () => void) {
    this.#res = res;
    this.#body = body;
    this.#done = done;
  }

  static fits(body: Uint8Array): boolean {
    return body.length > LARGE_BYTES;
  }

  /** Within a cork, after the head. */
  start(): void {
    const first = this.#res.getWriteOffset();
    const [, complete] = this.#res.tryEnd(this.#body, this.#body.length);
    if (complete) {
      this.#end();
      return;
    }
    this.#res.onWritable((offset) => {
      const [taken, whole] = this.#res.tryEnd(this.#body.subarray(offset - first), this.#body.length);
      if (whole) this.#end();
      return taken;
    });
  }

  aborted(): void {
    this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#done();
  }
}
