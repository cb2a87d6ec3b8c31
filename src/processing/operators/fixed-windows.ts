/**
 * Tumbling and hopping windows: one value for each key and window. The keys of a window are a store of their own, so
 * that closing it walks only them.
 *
 *      start            end      end + latenessMs
 *   ─────┼───────────────┼──────────────┼─────▶ event time
 *        │ records count in here        │ the watermark is here: the value is given on, the keys forgotten;
 *        │      (those before end)      │ what comes for it from now on goes to `late`
 */
import { SluiceError } from '#kernel';
import { Flow } from '../flow.ts';
import type { Run } from '../run.ts';
import { Schedule } from '../state/schedule.ts';
import { type Slot, Store } from '../state/store.ts';
import type { FixedShape } from '../stream.ts';
import { type Fold, keyOf } from './fold.ts';
import { type Coalescing, Operator, Outlet } from './operator.ts';

export interface WindowSettings {
  readonly name: string;
  readonly outOfOrderMs: number;
  readonly latenessMs: number;
  readonly emit: 'final' | 'change';
}

export class FixedWindowing extends Operator implements Coalescing {
  readonly out = new Outlet();
  readonly late = new Outlet();
  readonly #run: Run;
  readonly #settings: WindowSettings;
  readonly #sizeMs: number;
  readonly #everyMs: number;
  readonly #fold: Fold;
  readonly #windows = new Map<number, Store>();
  readonly #due = new Schedule();
  #closed: number[] = [];
  watermark = Number.NEGATIVE_INFINITY;

  constructor(run: Run, shape: FixedShape, settings: WindowSettings, fold: Fold) {
    super();
    this.#run = run;
    this.#settings = settings;
    this.#sizeMs = shape.sizeMs;
    this.#everyMs = shape.everyMs;
    this.#fold = fold;
    run.state.claim(settings.name, (rest, packed) => {
      const colon = rest.indexOf(':');
      const start = Number(rest.slice(0, colon));
      if (colon < 1 || !Number.isSafeInteger(start)) throw new SluiceError('STORE_CORRUPT', `${rest} is in no window`);
      run.state.put(this.#window(start), rest.slice(colon + 1), packed);
    });
  }

  push(flow: Flow): void {
    const { timestamp } = flow;
    const oldest = timestamp - this.#sizeMs;
    const closedUpTo = this.watermark - this.#settings.latenessMs - this.#sizeMs;
    let late = true;
    for (let start = timestamp - (timestamp % this.#everyMs); start > oldest; start -= this.#everyMs) {
      if (start <= closedUpTo) break;
      late = false;
      this.#add(start, flow);
    }
    if (late) this.late.head.push(flow);
  }

  #add(start: number, flow: Flow): void {
    const key = keyOf(flow);
    const store = this.#windows.get(start) ?? this.#window(start);
    const slot = store.get(key);
    store.change(slot, this.#fold.add(slot.value, flow));
    if (!slot.pending || flow.timestamp > slot.timestamp) slot.timestamp = flow.timestamp;
    slot.pending = true;
    slot.input = this.#run.input;
    slot.offset = this.#run.offset;
  }

  #window(start: number): Store {
    let store = this.#windows.get(start);
    if (store === undefined) {
      store = new Store(this.#run.state, `${this.#settings.name}/${start}:`);
      this.#windows.set(start, store);
      this.#due.add(start + this.#sizeMs + this.#settings.latenessMs, String(start));
    }
    return store;
  }

  advance(time: number): boolean {
    this.watermark = Math.max(this.watermark, time - this.#settings.outOfOrderMs);
    while (this.#due.next <= this.watermark) {
      this.#run.blameNone();
      const due = this.#due.next;
      const key = this.#due.take();
      if (!this.#close(Number(key))) {
        this.#due.add(due, key);
        return false;
      }
    }
    if (!this.late.head.advance(time)) return false;
    return this.#settings.emit === 'change' || this.#pass();
  }

  #pass(): boolean {
    return this.out.head.advance(this.watermark - this.#settings.latenessMs);
  }

  /** Gives the window's values on and forgets them; false when the run was full before the last of them. */
  #close(start: number): boolean {
    const store = this.#windows.get(start);
    if (store === undefined) return true;
    const final = this.#settings.emit === 'final';
    for (const key of store.keys()) {
      if (this.#run.full) return false;
      const slot = store.get(key);
      if (final) this.#give(start, slot, start + this.#sizeMs - 1);
      else if (slot.pending) this.#give(start, slot, slot.timestamp);
      slot.pending = false;
      store.change(slot, undefined);
    }
    this.#closed.push(start);
    return true;
  }

  #give(start: number, slot: Slot, timestamp: number): void {
    const value = { value: slot.value ?? null, window: { start, end: start + this.#sizeMs } };
    this.out.head.push(Flow.of(slot.key, value, timestamp, this.#run.partition));
  }

  flush(): boolean {
    if (this.#settings.emit === 'final') return true;
    for (const [start, store] of this.#windows) {
      if (!store.touched) continue;
      for (const slot of store.live.values()) {
        if (!slot.pending) continue;
        slot.pending = false;
        slot.seal();
        this.#run.blame(slot.input, slot.offset);
        this.#give(start, slot, slot.timestamp);
      }
    }
    return this.#pass();
  }

  override finish(): void {
    for (const start of this.#closed) this.#windows.delete(start);
    this.#closed = [];
    this.#due.finish();
  }

  /** Windows that the run began stay, empty. */
  override rollback(): void {
    this.#closed = [];
    this.#due.rollback();
    this.watermark = Number.NEGATIVE_INFINITY;
  }
}
