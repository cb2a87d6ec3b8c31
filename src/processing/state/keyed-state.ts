/**
 * All state of one processor partition, in the memory of its worker. A run works on decoded copies; `finish` packs what
 * changed into one block for the log and makes it the new ground, `rollback` forgets it. Durability is the caller's: a
 * block that did not reach the log leaves this ahead of it, and the instance must then be made anew and loaded.
 */
import { type Limits, SluiceError } from '#kernel';
import { STATE_BLOCK_KEY_BYTES_MAX, StateBlockBuilder } from '#log';
import { entryBytes, type Packed, pack, readPacked, writePacked } from './packed.ts';
import { type Slot, Store } from './store.ts';

/** Takes the entries of one operator at load: the key behind `<operator>/`. */
export type Restore = (key: string, packed: Packed) => void;

export class KeyedState {
  readonly #limits: Limits;
  readonly #restores = new Map<string, Restore>();
  readonly #block = new StateBlockBuilder();
  #touchedStores: Store[] = [];
  /** What the run has decoded, packed bytes. */
  touchedBytes = 0;
  entryCount = 0;
  /** About. */
  bytes = 0;
  /** The slot that `finish` was packing when it failed. */
  current: Slot | null = null;
  /** Entries at load that belong to no operator of this definition; they stay in the log and take no memory. */
  unclaimed = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** The store of an operator; each name once. */
  store(operator: string): Store {
    const store = new Store(this, `${operator}/`);
    this.claim(operator, (key, packed) => this.put(store, key, packed));
    return store;
  }

  claim(operator: string, restore: Restore): void {
    this.#restores.set(operator, restore);
  }

  touch(store: Store): void {
    store.touched = true;
    this.#touchedStores.push(store);
  }

  /** Puts back what the log kept. @throws STATE_FULL, STORE_CORRUPT */
  load(entries: Iterable<readonly [key: string, value: Uint8Array]>): void {
    let operator = '';
    let restore: Restore | undefined;
    for (const [key, value] of entries) {
      const slash = key.indexOf('/');
      if (restore === undefined || operator.length !== slash || !key.startsWith(operator)) {
        operator = key.slice(0, slash);
        restore = this.#restores.get(operator);
      }
      if (restore === undefined) this.unclaimed++;
      else restore(ownText(key.slice(slash + 1)), readPacked(value));
    }
    this.#check(this.bytes);
  }

  put(store: Store, key: string, packed: Packed): void {
    store.entries.set(key, packed);
    this.entryCount++;
    this.bytes += entryBytes(key.length, packed);
  }

  /**
   * The run's changes as a block, null when there are none; from here on they are what a rollback goes back to.
   * @throws STATE_FULL and nothing is changed, REQUEST_INVALID for a key that is too long
   */
  finish(): Uint8Array | null {
    this.#block.reset();
    let { bytes, entryCount } = this;
    const changes: [Store, Slot, Packed | undefined][] = [];
    for (const store of this.#touchedStores) {
      for (const slot of store.live.values()) {
        if (!slot.changed) continue;
        this.current = slot;
        const before = store.entries.get(slot.key);
        const after = slot.value === undefined ? undefined : (slot.sealed ?? pack(slot.value));
        if (before === after) continue;
        if (before !== undefined) {
          bytes -= entryBytes(slot.key.length, before);
          entryCount--;
        }
        this.#block.key(store.prefix, slot.key);
        if (after === undefined) this.#block.remove();
        else {
          writePacked(this.#block, after);
          bytes += entryBytes(slot.key.length, after);
          entryCount++;
        }
        changes.push([store, slot, after]);
      }
    }
    this.current = null;
    this.#check(bytes);
    for (const [store, slot, after] of changes) {
      if (after === undefined) store.entries.delete(slot.key);
      else store.entries.set(slot.key, after);
    }
    this.bytes = bytes;
    this.entryCount = entryCount;
    this.rollback();
    return this.#block.count === 0 ? null : this.#block.finish();
  }

  rollback(): void {
    for (const store of this.#touchedStores) {
      store.live = new Map();
      store.touched = false;
    }
    this.#touchedStores = [];
    this.touchedBytes = 0;
    this.current = null;
  }

  #check(bytes: number): void {
    const max = this.#limits.processorStateBytesMax;
    if (bytes > max) throw new SluiceError('STATE_FULL', `state of about ${bytes} bytes is over ${max}`, { bytes });
  }
}

/** From this length on, V8 keeps what a string was cut from alive with it. */
const SLICED_CHARS_MIN = 13;
const scratch: Buffer = Buffer.allocUnsafeSlow(STATE_BLOCK_KEY_BYTES_MAX * 3);

/** The text in memory of its own. */
function ownText(text: string): string {
  if (text.length < SLICED_CHARS_MIN || text.length > STATE_BLOCK_KEY_BYTES_MAX) return text;
  return scratch.toString('utf8', 0, scratch.write(text, 0, 'utf8'));
}
