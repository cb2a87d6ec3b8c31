/**
 * Joins two streams: pairs of the same key whose times are at most `withinMs` apart. Both sides are kept in state, cut
 * into spans of time, each a store of its own: a record looks into the spans of the other side that can hold a partner,
 * and a span is dropped as a whole once no partner can come any more. With `left`, what found no partner on the left is
 * given on at that moment.
 *
 *   left   ──[ span ][ span ][ span ]──▶      a record at ▲ on the left looks into the spans of the right that
 *   right  ──[ span ][ span ][ span ]──▶      overlap ▲ ± withinMs
 */
import { SluiceError } from '#kernel';
import { Flow } from '../flow.ts';
import type { Run } from '../run.ts';
import { Schedule } from '../state/schedule.ts';
import { type Slot, Store } from '../state/store.ts';
import { keyOf } from './fold.ts';
import { Operator, Outlet } from './operator.ts';
import { settled } from './stateless.ts';

/** Time, value and, where that matters, whether it found a partner; as it is kept. */
type Kept = [timestamp: number, value: unknown, matched: boolean];

export interface StreamJoinSettings {
  readonly name: string;
  readonly withinMs: number;
  readonly outOfOrderMs: number;
  readonly left: boolean;
  readonly join: (left: unknown, right: unknown) => unknown;
}

const LEFT = 'l';
const RIGHT = 'r';
type SideName = typeof LEFT | typeof RIGHT;

class Side extends Operator {
  readonly spans = new Map<number, Store>();
  time = Number.NEGATIVE_INFINITY;
  readonly name: SideName;
  readonly #join: StreamJoining;

  constructor(join: StreamJoining, name: SideName) {
    super();
    this.#join = join;
    this.name = name;
  }

  push(flow: Flow): void {
    this.#join.receive(this, flow);
  }

  advance(time: number): boolean {
    this.time = time;
    return this.#join.advance();
  }
}

export class StreamJoining {
  readonly out = new Outlet();
  readonly late = new Outlet();
  readonly left: Side;
  readonly right: Side;
  readonly #run: Run;
  readonly #settings: StreamJoinSettings;
  readonly #spanMs: number;
  readonly #due = new Schedule();
  #dropped: [Side, number][] = [];
  watermark = Number.NEGATIVE_INFINITY;

  constructor(run: Run, settings: StreamJoinSettings) {
    this.#run = run;
    this.#settings = settings;
    this.#spanMs = Math.max(1, settings.withinMs);
    this.left = new Side(this, LEFT);
    this.right = new Side(this, RIGHT);
    run.state.claim(settings.name, (rest, packed) => {
      const colon = rest.indexOf(':');
      const index = Number(rest.slice(1, colon));
      if (colon < 2 || !Number.isSafeInteger(index)) throw new SluiceError('STORE_CORRUPT', `${rest} is of no span`);
      const side = rest.startsWith(LEFT) ? this.left : this.right;
      run.state.put(this.#span(side, index), rest.slice(colon + 1), packed);
    });
  }

  #span(side: Side, index: number): Store {
    let store = side.spans.get(index);
    if (store === undefined) {
      store = new Store(this.#run.state, `${this.#settings.name}/${side.name}${index}:`);
      side.spans.set(index, store);
      this.#due.add((index + 1) * this.#spanMs + this.#settings.withinMs, `${side.name}${index}`);
    }
    return store;
  }

  receive(side: Side, flow: Flow): void {
    const { timestamp } = flow;
    const key = keyOf(flow);
    if (timestamp < this.watermark) {
      this.late.head.push(flow);
      return;
    }
    const { value } = flow;
    const matched = this.#match(side, key, timestamp, value, flow);
    const store = this.#span(side, Math.floor(timestamp / this.#spanMs));
    const slot = store.get(key);
    const kept: Kept = [timestamp, value, matched];
    if (slot.value === undefined) store.change(slot, [kept]);
    else {
      (slot.value as Kept[]).push(kept);
      store.change(slot, slot.value);
    }
    slot.input = this.#run.input;
    slot.offset = this.#run.offset;
  }

  /** Gives a pair for each partner there is; whether there was one. */
  #match(side: Side, key: string, timestamp: number, value: unknown, flow: Flow): boolean {
    const { withinMs, join } = this.#settings;
    const fromLeft = side === this.left;
    const { spans } = fromLeft ? this.right : this.left;
    const last = Math.floor((timestamp + withinMs) / this.#spanMs);
    let any = false;
    for (let index = Math.floor((timestamp - withinMs) / this.#spanMs); index <= last; index++) {
      const store = spans.get(index);
      const slot = store?.find(key);
      if (store === undefined || slot === undefined) continue;
      for (const partner of slot.value as Kept[]) {
        if (Math.abs(partner[0] - timestamp) > withinMs) continue;
        any = true;
        if (!fromLeft && !partner[2]) {
          partner[2] = true;
          store.change(slot, slot.value);
        }
        const pair = fromLeft ? join(value, partner[1]) : join(partner[1], value);
        this.#give(key, settled(pair), Math.max(timestamp, partner[0]), flow);
      }
    }
    return any;
  }

  #give(key: string, value: unknown, timestamp: number, from: Flow | null): void {
    const pair = Flow.of(key, value, timestamp, this.#run.partition);
    if (from !== null) {
      pair.topic = from.topic;
      pair.offset = from.offset;
    }
    this.out.head.push(pair);
  }

  advance(): boolean {
    const { outOfOrderMs, withinMs, left } = this.#settings;
    const time = Math.min(this.left.time, this.right.time);
    this.watermark = Math.max(this.watermark, time - outOfOrderMs);
    while (this.#due.next <= this.watermark) {
      this.#run.blameNone();
      const due = this.#due.next;
      const key = this.#due.take();
      if (!this.#drop(key.startsWith(LEFT) ? this.left : this.right, Number(key.slice(1)))) {
        this.#due.add(due, key);
        return false;
      }
    }
    if (!this.late.head.advance(time)) return false;
    return this.out.head.advance(left ? this.watermark - withinMs - this.#spanMs : this.watermark);
  }

  #drop(side: Side, index: number): boolean {
    const store = side.spans.get(index);
    if (store === undefined) return true;
    const alone = side === this.left && this.#settings.left;
    for (const key of store.keys()) {
      if (this.#run.full) return false;
      const slot = store.get(key);
      if (alone) this.#giveAlone(slot);
      store.change(slot, undefined);
    }
    this.#dropped.push([side, index]);
    return true;
  }

  #giveAlone(slot: Slot): void {
    const kept = (slot.value as Kept[]).filter(([, , matched]) => !matched);
    for (const [timestamp, value] of kept.sort(([a], [b]) => a - b)) {
      this.#give(slot.key, settled(this.#settings.join(value, undefined)), timestamp, null);
    }
  }

  finish(): void {
    for (const [side, index] of this.#dropped) side.spans.delete(index);
    this.#dropped = [];
    this.#due.finish();
  }

  rollback(): void {
    this.#dropped = [];
    this.#due.rollback();
    this.watermark = Number.NEGATIVE_INFINITY;
    this.left.time = Number.NEGATIVE_INFINITY;
    this.right.time = Number.NEGATIVE_INFINITY;
  }
}
