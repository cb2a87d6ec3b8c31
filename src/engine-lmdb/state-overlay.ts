/**
 * Changes of state that are durable in the journal and not yet in `meta`, newest last. A block stays one piece until
 * somebody asks for a key of its space: what a worker thread has packed costs this thread nothing on its way to `meta`.
 */
import { iterateStateBlock } from '#log';

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

  get isEmpty(): boolean {
    return this.#spaces.size === 0;
  }

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
  }

  addBlock(space: string, block: Uint8Array): void {
    this.#space(space).blocks.push(block);
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

  /** Everything, space by space: what is to become of `meta`. */
  *spaces(): Iterable<{ space: string; cleared: boolean; changes: Iterable<readonly [key: string, value: Value]> }> {
    for (const [space, { cleared, index, blocks }] of this.#spaces)
      yield { space, cleared, changes: all(index, blocks) };
  }
}

function* all(index: Map<string, Value>, blocks: readonly Uint8Array[]): Iterable<readonly [string, Value]> {
  yield* index;
  for (const block of blocks) yield* iterateStateBlock(block);
}
