/**
 * Changes of state that are durable in the journal and not yet in `meta`, newest last. A block stays one piece until
 * somebody asks for a key of its space: what a worker thread has packed costs this thread nothing on its way to `meta`.
 */
import { encodeStateBlock, iterateStateBlock } from '#log';

/** Memory of a single change beside its key and value, about. */
const ENTRY_BYTES = 64;

type Value = Uint8Array | null;

/** The changes of one space, in order. */
interface Space {
  /** Whatever `meta` has of the space is void. */
  cleared: boolean;
  readonly index: Map<string, Value>;
  /** Not in `index` yet. */
  blocks: Uint8Array[];
}

export class StateOverlay {
  readonly #spaces = new Map<string, Space>();
  /** About, of what was put in. */
  bytes = 0;

  #space(name: string): Space {
    let space = this.#spaces.get(name);
    if (space === undefined) {
      space = { cleared: false, index: new Map(), blocks: [] };
      this.#spaces.set(name, space);
    }
    return space;
  }

  set(space: string, key: string, value: Value): void {
    this.index(space);
    this.#space(space).index.set(key, value);
    this.bytes += ENTRY_BYTES + key.length + (value?.length ?? 0);
  }

  addBlock(space: string, block: Uint8Array): void {
    this.#space(space).blocks.push(block);
    this.bytes += block.length;
  }

  clear(space: string): void {
    this.#spaces.set(space, { cleared: true, index: new Map(), blocks: [] });
  }

  isCleared(space: string): boolean {
    return this.#spaces.get(space)?.cleared ?? false;
  }

  /** The newest change of each key of a space; undefined where it has none. */
  index(name: string): ReadonlyMap<string, Value> | undefined {
    const space = this.#spaces.get(name);
    if (space === undefined) return undefined;
    for (const block of space.blocks) {
      for (const [key, value] of iterateStateBlock(block)) space.index.set(key, value);
    }
    space.blocks = [];
    return space.index;
  }

  /** The changes of a space in their order, as blocks: plain data. */
  blocks(name: string): Uint8Array[] {
    const space = this.#spaces.get(name);
    if (space === undefined) return [];
    return space.index.size === 0 ? space.blocks : [encodeStateBlock(space.index), ...space.blocks];
  }

  spaces(): Iterable<string> {
    return this.#spaces.keys();
  }

  /**
   * The newest change of each key of a space, in slices of about `entries` that are sorted in themselves: neighbours go
   * to the same pages of the store. A slice costs a few milliseconds; whoever takes them lets others work in between.
   */
  *slices(name: string, entries: number): Iterable<(readonly [key: string, value: Value])[]> {
    const space = this.#spaces.get(name);
    if (space === undefined) return;
    for (const block of space.blocks) {
      for (const [key, value] of iterateStateBlock(block)) space.index.set(key, value);
      yield [];
    }
    space.blocks = [];
    let slice: (readonly [string, Value])[] = [];
    for (const entry of space.index) {
      if (slice.push(entry) < entries) continue;
      yield sorted(slice);
      slice = [];
    }
    yield sorted(slice);
  }
}

function sorted<T extends readonly [string, unknown]>(slice: T[]): T[] {
  return slice.sort(([a], [b]) => (a < b ? -1 : 1));
}
