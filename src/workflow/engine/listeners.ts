/**
 * Who listens for what: instances by the keys their tasks listen under, so that an event asks those it may be for and nobody
 * else. A hint that each of them checks. Kept by the engine, made anew when it is loaded.
 *
 *   *                                any event
 *   type                             events of a type
 *   type ⏐ from ⏐ value              events of a type of which `from` reads this value
 */
import type { EventValue, Filter, Keys } from './filters.ts';
import { readOff } from './filters.ts';
import type { Instance } from './model.ts';
import type { Template } from './templates.ts';

const ANY = '*';
const SEPARATOR = '\u0000';

/** Keys to listen under for these filters, given what correlates them. */
export function listenKeys(filters: readonly Filter[], keys: Keys): string[] {
  const found = filters.map(({ type, correlations }) => {
    if (type === undefined) return ANY;
    const known = correlations.find(({ name }) => Object.hasOwn(keys, name));
    return known === undefined ? type : [type, known.text, JSON.stringify(keys[known.name])].join(SEPARATOR);
  });
  return [...new Set(found)];
}

export class Listeners {
  readonly #byKey = new Map<string, Set<string>>();
  readonly #keysOf = new Map<string, readonly string[]>();
  /** What is read off events of a type, by its text. */
  readonly #reads = new Map<string, Map<string, Template>>();

  get size(): number {
    return this.#keysOf.size;
  }

  /** Brings it in step with the frames of an instance. */
  note(instance: Instance, correlationsOf: (task: string) => readonly Filter[]): void {
    const keys: string[] = [];
    for (const frame of instance.frames.values()) {
      if (frame.waits !== 'event') continue;
      const { listens } = frame.data as { listens?: readonly string[] };
      if (listens === undefined) continue;
      keys.push(...listens);
      if (listens.some((key) => key.includes(SEPARATOR))) this.#learn(correlationsOf(frame.task));
    }
    this.#set(instance.id, keys);
  }

  forget(id: string): void {
    if (this.#keysOf.has(id)) this.#set(id, []);
  }

  #set(id: string, keys: readonly string[]): void {
    const before = this.#keysOf.get(id) ?? [];
    if (before.length === keys.length && before.every((key, index) => key === keys[index])) return;
    for (const key of before) {
      const ids = this.#byKey.get(key);
      ids?.delete(id);
      if (ids?.size === 0) this.#byKey.delete(key);
    }
    if (keys.length === 0) this.#keysOf.delete(id);
    else this.#keysOf.set(id, keys);
    for (const key of keys) {
      const ids = this.#byKey.get(key) ?? new Set();
      this.#byKey.set(key, ids.add(id));
    }
  }

  #learn(filters: readonly Filter[]): void {
    for (const { type, correlations } of filters) {
      if (type === undefined) continue;
      const reads = this.#reads.get(type) ?? new Map<string, Template>();
      this.#reads.set(type, reads);
      for (const { text, from } of correlations) reads.set(text, from);
    }
  }

  /** Instances that the event may be for. */
  candidates(event: EventValue): Iterable<string> {
    const type = String(event['type']);
    const found = new Set<string>();
    const take = (key: string) => {
      for (const id of this.#byKey.get(key) ?? []) found.add(id);
    };
    take(ANY);
    take(type);
    for (const [text, from] of this.#reads.get(type) ?? []) {
      try {
        take([type, text, JSON.stringify(readOff(from, event, () => ({})))].join(SEPARATOR));
      } catch {
        // What cannot be read off it is for nobody who asks for that.
      }
    }
    return found;
  }
}
