/**
 * Bytes that many requests share: bodies being received, answers waiting in sockets. Who holds some says
 * so, so that a thousand slow peers cost a bounded amount of memory and the next one is refused.
 */
export class ByteBudget {
  readonly max: number;
  #held = 0;

  constructor(max: number) {
    this.max = max;
  }

  get held(): number {
    return this.#held;
  }

  /** False, and nothing taken, when that would be more than there is. The first holder always gets some. */
  take(bytes: number): boolean {
    if (this.#held > 0 && this.#held + bytes > this.max) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}
