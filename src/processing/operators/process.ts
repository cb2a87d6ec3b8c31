/**
 * The general step: the user's own functions with state and timers of each key. A timer is an entry of state, the
 * schedules are indexes of it; one that fires is deleted in the same run.
 */
import { SluiceError } from '#kernel';
import { Flow } from '../flow.ts';
import { checkTimestamp } from '../outputs.ts';
import type { Run } from '../run.ts';
import { Schedule } from '../state/schedule.ts';
import { type Slot, Store } from '../state/store.ts';
import type { KeyContext, Processing, Timer, TimerOptions } from '../stream.ts';
import { keyOf } from './fold.ts';
import { Operator, Outlet } from './operator.ts';
import { settled } from './stateless.ts';

type Clock = Timer['clock'];
type Calls = Processing<unknown, unknown, unknown>;

const NAME = /^[\w.-]{0,64}$/;
const NAMES_MAX = 256;
const CLOCKS: Readonly<Record<string, Clock>> = { e: 'event', w: 'wall' };

/** What the user's functions are given; one object, set to one key after the other. */
class Context implements KeyContext<unknown, unknown> {
  key = '';
  /** The record being worked on, or null while a timer fires. */
  flow: Flow | null = null;
  time = 0;
  readonly #owner: KeyedProcess;
  readonly #run: Run;

  constructor(owner: KeyedProcess, run: Run) {
    this.#owner = owner;
    this.#run = run;
  }

  get now(): number {
    return this.#run.now;
  }

  get watermark(): number {
    return this.#owner.watermark;
  }

  get(name = ''): unknown {
    return this.#owner.values(name).find(this.key)?.value;
  }

  set(value: unknown, name = ''): void {
    this.#owner.change(this.#owner.values(name), this.key, settled(value));
  }

  delete(name = ''): void {
    const store = this.#owner.values(name);
    if (store.find(this.key) !== undefined) this.#owner.change(store, this.key, undefined);
  }

  setTimer(time: number, { name = '', clock = 'event' }: TimerOptions = {}): void {
    this.#owner.setTimer(this.key, name, clock, time);
  }

  clearTimer({ name = '', clock = 'event' }: TimerOptions = {}): void {
    this.#owner.clearTimer(this.key, name, clock);
  }

  emit(value: unknown, { key, timestamp }: { key?: string | null; timestamp?: number } = {}): void {
    const record = this.flow === null ? Flow.of(this.key, null, this.time, this.#run.partition) : this.flow.copy();
    record.value = settled(value);
    if (key !== undefined) record.key = key;
    if (timestamp !== undefined) {
      checkTimestamp(timestamp);
      record.timestamp = timestamp;
    }
    this.#owner.out.head.push(record);
  }
}

export class KeyedProcess extends Operator {
  readonly out = new Outlet();
  readonly #run: Run;
  readonly #name: string;
  readonly #calls: Calls;
  readonly #outOfOrderMs: number;
  readonly #values = new Map<string, Store>();
  /** Key: clock, name and key; value: the time. */
  readonly #timers: Store;
  readonly #schedules: Readonly<Record<Clock, Schedule>> = { event: new Schedule(), wall: new Schedule() };
  readonly #context: Context;
  /** The timer that is firing: one of its clock set meanwhile is due after it, so that firing comes to an end. */
  #firing: { readonly clock: Clock; readonly time: number } | null = null;
  watermark = Number.NEGATIVE_INFINITY;

  constructor(run: Run, name: string, calls: Calls, outOfOrderMs: number) {
    super();
    this.#run = run;
    this.#name = name;
    this.#calls = calls;
    this.#outOfOrderMs = outOfOrderMs;
    this.#context = new Context(this, run);
    run.state.claim(name, (rest, packed) => {
      const colon = rest.indexOf(':');
      run.state.put(this.values(rest.slice(0, colon)), rest.slice(colon + 1), packed);
    });
    this.#timers = run.state.store(`${name}$timers`);
    run.state.claim(`${name}$timers`, (key, packed) => {
      run.state.put(this.#timers, key, packed);
      this.#schedules[clockOf(key)].add(packed as number, key);
    });
  }

  /** When the next wall-clock timer is due; Infinity when none is. */
  get nextWall(): number {
    return this.#schedules.wall.next;
  }

  values(name: string): Store {
    let store = this.#values.get(name);
    if (store === undefined) {
      checkName(name);
      if (this.#values.size >= NAMES_MAX) {
        throw new SluiceError('LIMIT_EXCEEDED', `one step has at most ${NAMES_MAX} names of values`);
      }
      store = new Store(this.#run.state, `${this.#name}/${name}:`);
      this.#values.set(name, store);
    }
    return store;
  }

  change(store: Store, key: string, value: unknown): void {
    const slot = store.get(key);
    store.change(slot, value);
    slot.input = this.#run.input;
    slot.offset = this.#run.offset;
  }

  setTimer(key: string, name: string, clock: Clock, time: number): void {
    checkName(name);
    if (!Number.isFinite(time)) throw new SluiceError('VALUE_MALFORMED', `a timer cannot be set to ${time}`);
    const due = this.#firing?.clock === clock ? Math.max(time, this.#firing.time + 1) : time;
    const id = `${clock[0]}${name}:${key}`;
    this.change(this.#timers, id, due);
    this.#schedules[clock].add(due, id);
  }

  clearTimer(key: string, name: string, clock: Clock): void {
    const slot = this.#timers.find(`${clock[0]}${name}:${key}`);
    if (slot !== undefined) this.#timers.change(slot, undefined);
  }

  push(flow: Flow): void {
    const { input, offset } = this.#run;
    const context = this.#context;
    context.key = keyOf(flow);
    context.flow = flow;
    settled(this.#calls.onRecord(flow.value, context, flow));
    if (this.#schedules.event.next <= this.watermark) {
      this.#fire('event', this.watermark);
      this.#run.blame(input, offset);
    }
  }

  advance(time: number): boolean {
    this.watermark = Math.max(this.watermark, time - this.#outOfOrderMs);
    return this.#fire('event', this.watermark) && this.out.head.advance(this.watermark);
  }

  /** Fires the wall-clock timers that are due; false when the run was full before the last. */
  fireWall(): boolean {
    return this.#fire('wall', this.#run.now);
  }

  #fire(clock: Clock, until: number): boolean {
    const schedule = this.#schedules[clock];
    while (schedule.next <= until) {
      this.#run.blameNone();
      if (this.#run.full) return false;
      const time = schedule.next;
      const id = schedule.take();
      const slot = this.#timers.find(id);
      // Moved or cleared meanwhile: this was only the old hint.
      if (slot === undefined || slot.value !== time) continue;
      this.#timers.change(slot, undefined);
      this.#call(clock, time, id, slot);
    }
    return true;
  }

  #call(clock: Clock, time: number, id: string, slot: Slot): void {
    const colon = id.indexOf(':');
    const context = this.#context;
    context.key = slot.key.slice(colon + 1);
    context.flow = null;
    context.time = Math.max(0, Math.floor(clock === 'event' ? time : this.#run.now));
    this.#firing = { clock, time };
    try {
      settled(this.#calls.onTimer?.({ key: context.key, name: id.slice(1, colon), clock, time }, context));
    } finally {
      this.#firing = null;
    }
  }

  override finish(): void {
    this.#schedules.event.finish();
    this.#schedules.wall.finish();
  }

  override rollback(): void {
    for (const schedule of [this.#schedules.event, this.#schedules.wall]) {
      schedule.rollback();
      if (schedule.stale) this.#index();
    }
    this.watermark = Number.NEGATIVE_INFINITY;
  }

  #index(): void {
    this.#schedules.event.clear();
    this.#schedules.wall.clear();
    for (const [key, packed] of this.#timers.entries) this.#schedules[clockOf(key)].add(packed as number, key);
    this.finish();
  }
}

function clockOf(timer: string): Clock {
  const clock = CLOCKS[timer[0] as string];
  if (clock === undefined) throw new SluiceError('STORE_CORRUPT', `timer ${timer} is of no clock`);
  return clock;
}

function checkName(name: string): void {
  if (!NAME.test(name))
    throw new SluiceError('VALUE_MALFORMED', `${name} is not a name of 0 to 64 of A-Z a-z 0-9 . _ -`);
}
