/**
 * What is due when: a binary heap of (time, number) pairs in two plain arrays, 16 bytes an entry, so that a million
 * delayed records cost as much memory as a photograph. Of equal times the lower number comes first.
 * Entries are not removed before their time: whoever takes one asks whether it is still meant.
 */
export class DueHeap {
  #times: number[] = [];
  #ids: number[] = [];

  get size(): number {
    return this.#times.length;
  }

  /** The earliest time; infinity when nothing waits. */
  get next(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  push(time: number, id: number): void {
    let at = this.#times.length;
    this.#times.push(time);
    this.#ids.push(id);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** The number that is due at `now`, the earliest first; undefined when none is. */
  take(now: number): number | undefined {
    if (this.next > now) return undefined;
    const id = this.#ids[0];
    const last = this.#times.length - 1;
    this.#swap(0, last);
    this.#times.pop();
    this.#ids.pop();
    this.#sink(last);
    return id;
  }

  #sink(size: number): void {
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      if (left >= size) return;
      const child = left + 1 < size && this.#before(left + 1, left) ? left + 1 : left;
      if (!this.#before(child, at)) return;
      this.#swap(child, at);
      at = child;
    }
  }

  #before(a: number, b: number): boolean {
    const first = this.#times[a] as number;
    const second = this.#times[b] as number;
    return first < second || (first === second && (this.#ids[a] as number) < (this.#ids[b] as number));
  }

  #swap(a: number, b: number): void {
    const time = this.#times[a] as number;
    const id = this.#ids[a] as number;
    this.#times[a] = this.#times[b] as number;
    this.#ids[a] = this.#ids[b] as number;
    this.#times[b] = time;
    this.#ids[b] = id;
  }

  clear(): void {
    this.#times = [];
    this.#ids = [];
  }
}
