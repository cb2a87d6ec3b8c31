/**
 * Session windows: the records of a key that are less than `gapMs` apart. A record begins a session, makes one longer,
 * or joins two. All open sessions of a key are one value of state, in order of time.
 */
import { SluiceError } from '#kernel';
import { Flow } from '../flow.ts';
import type { Run } from '../run.ts';
import { unpack } from '../state/packed.ts';
import { Schedule } from '../state/schedule.ts';
import type { Slot, Store } from '../state/store.ts';
import type { WindowSettings } from './fixed-windows.ts';
import { type Fold, keyOf } from './fold.ts';
import { type Coalescing, Operator, Outlet } from './operator.ts';

/** First and last record, and the value; as it is kept. */
type Session = [first: number, last: number, folded: unknown];

interface Update {
  readonly slot: Slot;
  readonly timestamp: number;
  readonly input: number;
  readonly offset: number;
}

export class SessionWindowing extends Operator implements Coalescing {
  readonly out = new Outlet();
  readonly late = new Outlet();
  readonly #run: Run;
  readonly #settings: WindowSettings;
  readonly #gapMs: number;
  readonly #fold: Fold;
  readonly #store: Store;
  readonly #due = new Schedule();
  /** Sessions of this run whose newest value is owed. */
  #updates = new Map<Session, Update>();
  watermark = Number.NEGATIVE_INFINITY;

  constructor(run: Run, gapMs: number, settings: WindowSettings, fold: Fold) {
    super();
    this.#run = run;
    this.#settings = settings;
    this.#gapMs = gapMs;
    this.#fold = fold;
    this.#store = run.state.store(settings.name);
    run.state.claim(settings.name, (key, packed) => {
      run.state.put(this.#store, key, packed);
      for (const session of unpack(packed) as Session[]) this.#due.add(this.#closesAt(session), key);
    });
  }

  #closesAt(session: Session): number {
    return session[1] + this.#gapMs + this.#settings.latenessMs;
  }

  push(flow: Flow): void {
    const { timestamp } = flow;
    const key = keyOf(flow);
    const slot = this.#store.find(key);
    const sessions = (slot?.value ?? []) as Session[];
    const from = sessions.findIndex(([, last]) => timestamp - last < this.#gapMs);
    const met = from < 0 ? [] : sessions.slice(from).filter(([first]) => first - timestamp < this.#gapMs);
    if (met.length === 0 && timestamp + this.#gapMs + this.#settings.latenessMs <= this.watermark) {
      this.late.head.push(flow);
      return;
    }
    const joined = this.#join(met, flow);
    const at = from < 0 ? sessions.length : from;
    const changed = sessions.toSpliced(at, met.length, ...(joined === undefined ? [] : [joined]));
    const target = slot ?? this.#store.get(key);
    this.#store.change(target, changed.length === 0 ? undefined : changed);
    target.input = this.#run.input;
    target.offset = this.#run.offset;
    if (joined === undefined) return;
    if (met.length === 0) this.#due.add(this.#closesAt(joined), key);
    if (this.#settings.emit === 'change') {
      this.#updates.set(joined, { slot: target, timestamp, input: this.#run.input, offset: this.#run.offset });
    }
  }

  /** The sessions a record touches, with it, as one. */
  #join(met: readonly Session[], flow: Flow): Session | undefined {
    const { timestamp } = flow;
    const [one, ...others] = met;
    let folded = this.#fold.add(one?.[2], flow);
    for (const other of others) {
      folded = folded === undefined ? other[2] : this.#merge(folded, other[2]);
    }
    for (const session of met) this.#updates.delete(session);
    if (folded === undefined) return undefined;
    return [Math.min(timestamp, one?.[0] ?? timestamp), Math.max(timestamp, met.at(-1)?.[1] ?? timestamp), folded];
  }

  #merge(earlier: unknown, later: unknown): unknown {
    const { merge } = this.#fold;
    if (merge === null) throw new SluiceError('PROCESSOR_INVALID', 'an aggregation of sessions needs merge');
    return merge(earlier, later);
  }

  advance(time: number): boolean {
    this.watermark = Math.max(this.watermark, time - this.#settings.outOfOrderMs);
    while (this.#due.next <= this.watermark) {
      this.#run.blameNone();
      if (this.#run.full) return false;
      this.#close(this.#due.take());
    }
    if (!this.late.head.advance(time)) return false;
    return this.#settings.emit === 'change' || this.#pass();
  }

  #pass(): boolean {
    return this.out.head.advance(this.watermark - this.#settings.latenessMs);
  }

  #close(key: string): void {
    const slot = this.#store.find(key);
    if (slot === undefined) return;
    const sessions = slot.value as Session[];
    const open = sessions.filter((session) => this.#closesAt(session) > this.watermark);
    for (const session of sessions) {
      if (this.#closesAt(session) > this.watermark) continue;
      const update = this.#updates.get(session);
      this.#updates.delete(session);
      if (this.#settings.emit === 'final') this.#give(slot, session, session[1] + this.#gapMs - 1);
      else if (update !== undefined) this.#give(slot, session, update.timestamp);
    }
    if (open.length < sessions.length) this.#store.change(slot, open.length === 0 ? undefined : open);
    // The hint may be from before the session grew: the next one is for when it closes now.
    if (open.length > 0) this.#due.add(Math.min(...open.map((session) => this.#closesAt(session))), key);
  }

  #give(slot: Slot, [first, last, folded]: Session, timestamp: number): void {
    const value = { value: folded, window: { start: first, end: last + this.#gapMs } };
    this.out.head.push(Flow.of(slot.key, value, timestamp, this.#run.partition));
  }

  flush(): boolean {
    if (this.#settings.emit === 'final') return true;
    for (const [session, { slot, timestamp, input, offset }] of this.#updates) {
      slot.seal();
      this.#run.blame(input, offset);
      this.#give(slot, session, timestamp);
    }
    this.#updates.clear();
    return this.#pass();
  }

  override finish(): void {
    this.#due.finish();
  }

  override rollback(): void {
    this.#updates.clear();
    this.#due.rollback();
    if (this.#due.stale) this.#index();
    this.watermark = Number.NEGATIVE_INFINITY;
  }

  #index(): void {
    this.#due.clear();
    for (const [key, packed] of this.#store.entries) {
      for (const session of unpack(packed) as Session[]) this.#due.add(this.#closesAt(session), key);
    }
    this.#due.finish();
  }
}
