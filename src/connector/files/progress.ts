/**
 * How far a read of many files is. In full: file after file, by name. Incrementally: each file once when it is new or has changed,
 * in the order of their changes; one that appears late with an earlier time is found too, within the look-back. Each is read as a
 * whole: who writes them must make them at once (by renaming), as stores of objects do by themselves.
 */
import { SluiceError } from '#kernel';
import type { Json, ReadMode } from '../contract.ts';
import type { StoredFile } from './store.ts';

const LOOK_BACK_MS = 10 * 60_000;

/** A file that is begun, and how far. */
export interface Begun {
  readonly file?: string;
  readonly modified?: string;
  readonly next?: Json;
}

export class Progress {
  readonly #mode: ReadMode;
  readonly #begun: Begun;
  /** Of an incremental read: files that changed in the last look-back before the latest change, with their time. */
  readonly #seen: Map<string, string>;

  /** @throws REQUEST_INVALID: the state comes from outside */
  constructor(mode: ReadMode, state: Json | undefined) {
    const { seen = {}, ...begun } = (state ?? {}) as Begun & { seen?: Record<string, string> };
    const times = typeof seen === 'object' && seen !== null ? Object.values(seen) : undefined;
    const known = times?.every((time) => typeof time === 'string' && !Number.isNaN(Date.parse(time)));
    if (known !== true || (begun.file !== undefined && typeof begun.file !== 'string')) {
      throw new SluiceError('REQUEST_INVALID', 'this is no state of such a read', { field: 'state' });
    }
    this.#mode = mode;
    this.#begun = begun;
    this.#seen = new Map(Object.entries(seen));
  }

  /** What is to be read, in order. */
  async pending(files: AsyncIterable<StoredFile>): Promise<StoredFile[]> {
    const incremental = this.#mode === 'incremental';
    const { file: begun, next } = this.#begun;
    const horizon = this.#horizon();
    const found: StoredFile[] = [];
    for await (const file of files) {
      const fresh = incremental
        ? file.modified >= horizon && this.#seen.get(file.name) !== file.modified
        : begun === undefined || file.name > begun || (file.name === begun && next !== undefined);
      if (fresh) found.push(file);
    }
    const key = ({ name, modified }: StoredFile) => (incremental ? `${modified} ${name}` : name);
    found.sort((a, b) => (key(a) < key(b) ? -1 : 1));
    // The one that was begun comes first, whatever has appeared before it since.
    const at = incremental ? found.findIndex(({ name }) => name === begun) : -1;
    if (at > 0) found.unshift(...found.splice(at, 1));
    return found;
  }

  /** Where to begin in a file; null: at its beginning. */
  from({ name, modified }: StoredFile): Json {
    const { file, modified: then, next = null } = this.#begun;
    return file === name && (this.#mode === 'full' || then === modified) ? next : null;
  }

  within({ name, modified }: StoredFile, next: Json): Json {
    return { seen: Object.fromEntries(this.#seen), file: name, modified, next };
  }

  behind({ name, modified }: StoredFile): Json {
    if (this.#mode === 'full') return { file: name };
    this.#seen.set(name, modified);
    const horizon = this.#horizon();
    for (const [one, time] of this.#seen) if (time < horizon) this.#seen.delete(one);
    return { seen: Object.fromEntries(this.#seen) };
  }

  /** Texts of instants compare as the instants do, whatever their fractions: this one has none. */
  #horizon(): string {
    let latest = '';
    for (const time of this.#seen.values()) if (time > latest) latest = time;
    return latest === '' ? '' : new Date(Date.parse(latest) - LOOK_BACK_MS).toISOString().slice(0, 19);
  }
}
