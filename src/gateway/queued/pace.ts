/**
 * How many more records a queue may be handed: so many at once, and so many a second. Permits are given out ahead, so what
 * is given and not used is counted too. Pure: the time is handed in. A queue has one.
 */

/** So much of an idle second may be made up for at once. */
const BURST_S = 0.1;

export class Pace {
  #concurrency = 1;
  #perS: number | undefined;
  #tokens = 1;
  #at: number;
  /** Given out and not used. */
  #open = 0;
  /** Deliveries under way. */
  busy = 0;

  constructor(now: number) {
    this.#at = now;
  }

  set(concurrency: number, perS: number | undefined): void {
    this.#concurrency = concurrency;
    if (perS !== this.#perS) this.#tokens = 1;
    this.#perS = perS;
  }

  /** Permits to give out now; they count as given. Below zero: so many have to be taken back. */
  grant(now: number): number {
    let room = this.#concurrency - this.busy - this.#open;
    if (this.#perS !== undefined) {
      this.#tokens = Math.min(this.#tokens + ((now - this.#at) / 1000) * this.#perS, Math.max(1, this.#perS * BURST_S));
      room = Math.min(room, Math.floor(this.#tokens) - this.#open);
    }
    this.#at = now;
    room = Math.max(room, -this.#open);
    this.#open += room;
    return room;
  }

  /** What is given out and not used is not to be used. How many those are. */
  withdraw(): number {
    const open = this.#open;
    this.#open = 0;
    return open;
  }

  /** Records were handed out. */
  took(records: number): void {
    this.#open -= records;
    this.busy += records;
    if (this.#perS !== undefined) this.#tokens -= records;
  }

  done(): void {
    this.busy--;
  }

  /** Milliseconds until `grant` gives more, as far as only time is missing; undefined where it is not. */
  waitMs(): number | undefined {
    if (this.#perS === undefined || this.#open > 0 || this.busy >= this.#concurrency) return undefined;
    return Math.max(1, ((1 - this.#tokens) / this.#perS) * 1000);
  }
}
