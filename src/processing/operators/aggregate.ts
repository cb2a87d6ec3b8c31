/** One value for each key, for ever: `aggregate`, `reduce`, `count` without a window. */
import { Flow } from '../flow.ts';
import type { Run } from '../run.ts';
import type { Store } from '../state/store.ts';
import { type Fold, keyOf } from './fold.ts';
import { type Coalescing, Operator, Outlet } from './operator.ts';

export class Aggregate extends Operator implements Coalescing {
  readonly out = new Outlet();
  readonly #run: Run;
  readonly #store: Store;
  readonly #fold: Fold;
  readonly #emits: boolean;
  #time = Number.NEGATIVE_INFINITY;

  constructor(run: Run, name: string, fold: Fold, emits: boolean) {
    super();
    this.#run = run;
    this.#store = run.state.store(name);
    this.#fold = fold;
    this.#emits = emits;
  }

  push(flow: Flow): void {
    const slot = this.#store.get(keyOf(flow));
    this.#store.change(slot, this.#fold.add(slot.value, flow));
    slot.pending = this.#emits;
    slot.timestamp = flow.timestamp;
    slot.input = this.#run.input;
    slot.offset = this.#run.offset;
  }

  /** Updates come at the end of the run, and time must not overtake them. */
  advance(time: number): boolean {
    this.#time = time;
    return true;
  }

  flush(): boolean {
    if (this.#store.touched) {
      for (const slot of this.#store.live.values()) {
        if (!slot.pending) continue;
        slot.pending = false;
        slot.seal();
        this.#run.blame(slot.input, slot.offset);
        this.out.head.push(Flow.of(slot.key, slot.value ?? null, slot.timestamp, this.#run.partition));
      }
    }
    return this.out.head.advance(this.#time);
  }

  override rollback(): void {
    this.#time = Number.NEGATIVE_INFINITY;
  }
}
