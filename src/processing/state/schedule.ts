/**
 * What is due when: a heap of times with keys, earliest first, equal times by key. It is an index of state, not state:
 * an entry is a hint that its owner checks against the state, so a rollback puts back what the run took and leaves what
 * it added. When such leftovers grow to be many, `stale` says so and the owner fills it anew.
 */
const STALE_MIN = 10_000;

export class Schedule {
  #times: number[] = [];
  #keys: string[] = [];
  #taken: [time: number, key: string][] = [];
  #added = 0;
  #leftovers = 0;

  /** The earliest time; Infinity when there is none. */
  get next(): number {
    return this.#times.length === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number);
  }

  get size(): number {
    return this.#times.length;
  }

  get stale(): boolean {
    return this.#leftovers > STALE_MIN && this.#leftovers > this.#times.length / 2;
  }

  add(time: number, key: string): void {
    this.#added++;
    this.#push(time, key);
  }

  /** Takes the earliest and answers its key; only when `next` is not Infinity. */
  take(): string {
    const time = this.#times[0] as number;
    const key = this.#keys[0] as string;
    this.#taken.push([time, key]);
    const lastTime = this.#times.pop() as number;
    const lastKey = this.#keys.pop() as string;
    if (this.#times.length > 0) this.#sink(lastTime, lastKey);
    return key;
  }

  finish(): void {
    this.#taken = [];
    this.#added = 0;
  }

  rollback(): void {
    for (const [time, key] of this.#taken) this.#push(time, key);
    this.#leftovers += this.#added;
    this.finish();
  }

  clear(): void {
    this.#times = [];
    this.#keys = [];
    this.#leftovers = 0;
    this.finish();
  }

  #push(time: number, key: string): void {
    const times = this.#times;
    const keys = this.#keys;
    let at = times.length;
    times.push(time);
    keys.push(key);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentTime = times[parent] as number;
      if (parentTime < time || (parentTime === time && (keys[parent] as string) <= key)) break;
      times[at] = parentTime;
      keys[at] = keys[parent] as string;
      at = parent;
    }
    times[at] = time;
    keys[at] = key;
  }

  #sink(time: number, key: string): void {
    const times = this.#times;
    const keys = this.#keys;
    const half = times.length >> 1;
    let at = 0;
    while (at < half) {
      let child = at * 2 + 1;
      if (child + 1 < times.length && this.#before(child + 1, child)) child++;
      const childTime = times[child] as number;
      if (time < childTime || (time === childTime && key <= (keys[child] as string))) break;
      times[at] = childTime;
      keys[at] = keys[child] as string;
      at = child;
    }
    times[at] = time;
    keys[at] = key;
  }

  #before(a: number, b: number): boolean {
    const difference = (this.#times[a] as number) - (this.#times[b] as number);
    return difference < 0 || (difference === 0 && (this.#keys[a] as string) < (this.#keys[b] as string));
  }
}
