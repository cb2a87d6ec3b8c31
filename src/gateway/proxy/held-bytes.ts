/**
 * What the requests of a thread hold in memory because somebody wants it whole: gathered bodies and collected answers.
 * One for each listener thread, one account for each exchange; the exchange settles it at its end.
 */
import { SluiceError } from '#kernel';

export class HeldBytes {
  readonly #bytesMax: number;
  readonly #full: () => void;
  #bytes = 0;

  /** @param full called for each request that finds no room */
  constructor(bytesMax: number, full: () => void) {
    this.#bytesMax = bytesMax;
    this.#full = full;
  }

  get bytes(): number {
    return this.#bytes;
  }

  account(): HeldAccount {
    return new HeldAccount(this);
  }

  /** False: there is no room. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) {
      this.#full();
      return false;
    }
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

export class HeldAccount {
  readonly #held: HeldBytes;
  #bytes = 0;

  constructor(held: HeldBytes) {
    this.#held = held;
  }

  /** @throws GATEWAY_FULL */
  take(bytes: number): void {
    if (!this.#held.take(bytes)) {
      throw new SluiceError('GATEWAY_FULL', 'the gateway holds as much of other requests and answers as it may');
    }
    this.#bytes += bytes;
  }

  /** All of it is let go. */
  settle(): void {
    this.#held.give(this.#bytes);
    this.#bytes = 0;
  }
}
