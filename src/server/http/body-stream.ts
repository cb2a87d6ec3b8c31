/**
 * An answer that is written piece by piece (server-sent events). The writer waits for `writable` when `write`
 * says so; what a stopped reader has not taken then stays at most one piece. A reader that takes nothing for
 * ten seconds while something waits for it is cut off by uWebSockets.js.
 */
import type { HttpResponse } from 'uWebSockets.js';

export class BodyStream {
  readonly #res: HttpResponse;
  readonly #filler: string;
  readonly #ended: (bytes: number) => void;
  readonly #closeListeners: (() => void)[] = [];
  #open = true;
  #blocked = false;
  #wake: ((writable: boolean) => void) | undefined;
  #bytes = 0;

  /**
   * Made by `Exchange.stream`, which has written status and headers.
   * @param filler a few bytes that mean nothing to the reader, wherever they stand between two pieces
   * @param ended is told the bytes once it is over
   */
  constructor(res: HttpResponse, filler: string, ended: (bytes: number) => void) {
    this.#res = res;
    this.#filler = filler;
    this.#ended = ended;
    res.onWritable(() => this.#drained());
  }

  get open(): boolean {
    return this.#open;
  }

  /** False: the socket is full or gone; wait for `writable` before the next piece. */
  write(piece: string | Uint8Array): boolean {
    if (!this.#open) return false;
    this.#bytes += piece.length;
    let taken = true;
    this.#res.cork(() => {
      taken = this.#res.write(piece);
    });
    this.#blocked = !taken;
    return taken;
  }

  /** Resolves true when the next piece may be written, false when the stream is over. */
  writable(): Promise<boolean> {
    if (!this.#open || !this.#blocked) return Promise.resolve(this.#open);
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** `listener` runs when the stream is over: ended, or the reader went away. */
  onClose(listener: () => void): void {
    if (this.#open) this.#closeListeners.push(listener);
    else listener();
  }

  end(): void {
    if (!this.#open) return;
    this.#close();
    this.#res.cork(() => {
      this.#res.end();
    });
  }

  /** The exchange calls this when the socket is gone. */
  aborted(): void {
    if (this.#open) this.#close();
  }

  /**
   * With this callback set the native side does not drain its buffer by itself, and an empty write does
   * not either; a write of anything sends what waits first. So the filler goes out, and tells if all did.
   */
  #drained(): boolean {
    if (!this.#open || !this.write(this.#filler)) return true;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.(true);
    return true;
  }

  #close(): void {
    this.#open = false;
    this.#wake?.(false);
    this.#wake = undefined;
    this.#ended(this.#bytes);
    for (const listener of this.#closeListeners) listener();
  }
}
