/**
 * Which instance is due when: a heap of times, earliest first, over numbers in flat arrays. An entry is a hint: the owner
 * compares it with what the instance says, so nothing is ever taken out but at the top.
 */
export class Timers {
  #times: number[] = [];
  #ids: string[] = [];

  /** Infinity: there is none. */
  get next(): number {
    return this.#times.length === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number);
  }

  get size(): number {
    return this.#times.length;
  }

  add(time: number, id: string): void {
    const times = this.#times;
    const ids = this.#ids;
    let at = times.length;
    times.push(time);
    ids.push(id);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentTime = times[parent] as number;
      if (parentTime <= time) break;
      times[at] = parentTime;
      ids[at] = ids[parent] as string;
      at = parent;
    }
    times[at] = time;
    ids[at] = id;
  }

  /** Takes the earliest; only where `next` is not Infinity. */
  take(): { readonly time: number; readonly id: string } {
    const taken = { time: this.#times[0] as number, id: this.#ids[0] as string };
    const time = this.#times.pop() as number;
    const id = this.#ids.pop() as string;
    if (this.#times.length > 0) this.#sink(time, id);
    return taken;
  }

  clear(): void {
    this.#times = [];
    this.#ids = [];
  }

  #sink(time: number, id: string): void {
    const times = this.#times;
    const ids = this.#ids;
    const half = times.length >> 1;
    let at = 0;
    while (at < half) {
      let child = at * 2 + 1;
      if (child + 1 < times.length && (times[child + 1] as number) < (times[child] as number)) child++;
      const childTime = times[child] as number;
      if (time <= childTime) break;
      times[at] = childTime;
      ids[at] = ids[child] as string;
      at = child;
    }
    times[at] = time;
    ids[at] = id;
  }
}
