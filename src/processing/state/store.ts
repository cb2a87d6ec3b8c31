/**
 * The keyed state of one operator (or of one window of it): what was there before the run, packed, and above it the
 * values the run has asked for, decoded. Nothing below changes until `KeyedState.finish`, so forgetting a run is
 * dropping what lies above.
 *
 *   get(key) ─▶ live: Slot, decoded, of this run ─ not there ─▶ entries: packed
 *   finish   ─▶ every slot that changed is packed into entries and into the block
 */
import { SluiceError } from '#kernel';
import { STATE_BLOCK_KEY_BYTES_MAX } from '#log';
import type { KeyedState } from './keyed-state.ts';
import { type Packed, pack, unpack } from './packed.ts';

/** One key in one run. Whoever sets `value` (undefined: none) calls `Store.change`. */
export class Slot {
  readonly key: string;
  value: unknown;
  changed = false;
  /** An update is owed downstream, with the time and origin of the last record that caused it. */
  pending = false;
  timestamp = 0;
  input = -1;
  offset = -1;
  /** Set when the value has been packed before the end of the run, because others see the value from then on. */
  sealed: Packed | undefined = undefined;

  constructor(key: string, value: unknown) {
    this.key = key;
    this.value = value;
  }

  seal(): void {
    if (this.value !== undefined) this.sealed = pack(this.value);
  }
}

export class Store {
  /** What stands before its keys in blocks: `<operator>/`, for a window `<operator>/<start>:`. */
  readonly prefix: Uint8Array;
  /** Committed values; written by `KeyedState` alone. */
  readonly entries = new Map<string, Packed>();
  live = new Map<string, Slot>();
  touched = false;
  readonly #state: KeyedState;
  /** A key of so many characters fits whatever they are. */
  readonly #keyCharsSafe: number;

  constructor(state: KeyedState, prefix: string) {
    this.#state = state;
    this.prefix = Buffer.from(prefix);
    this.#keyCharsSafe = Math.floor((STATE_BLOCK_KEY_BYTES_MAX - this.prefix.length) / 3);
  }

  get(key: string): Slot {
    const found = this.live.get(key);
    return found === undefined ? this.#load(key) : found;
  }

  /** As `get`, undefined where there is nothing, which then costs nothing. */
  find(key: string): Slot | undefined {
    const found = this.live.get(key);
    if (found !== undefined) return found.value === undefined ? undefined : found;
    return this.entries.has(key) ? this.#load(key) : undefined;
  }

  #load(key: string): Slot {
    if (key.length > this.#keyCharsSafe) this.#checkKey(key);
    const packed = this.entries.get(key);
    if (!this.touched) this.#state.touch(this);
    this.#state.touchedBytes += key.length + (typeof packed === 'string' ? packed.length : 8);
    const slot = new Slot(key, packed === undefined ? undefined : unpack(packed));
    this.live.set(key, slot);
    return slot;
  }

  #checkKey(key: string): void {
    const length = this.prefix.length + Buffer.byteLength(key);
    if (length <= STATE_BLOCK_KEY_BYTES_MAX) return;
    throw new SluiceError('VALUE_MALFORMED', `a key of ${length} bytes is too long to keep state for`);
  }

  change(slot: Slot, value: unknown): void {
    slot.value = value;
    slot.changed = true;
    slot.sealed = undefined;
  }

  /** Every key that has a value now, those of before the run first. What is added meanwhile may or may not come. */
  *keys(): Iterable<string> {
    for (const key of this.entries.keys()) {
      const slot = this.live.get(key);
      if (slot === undefined || slot.value !== undefined) yield key;
    }
    for (const slot of this.live.values()) {
      if (slot.value !== undefined && !this.entries.has(slot.key)) yield slot.key;
    }
  }
}
