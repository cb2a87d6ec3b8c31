/**
 * The words a processor is written in: what `build` is given and what its streams can do. Types only; `topology/`
 * implements them. Functions get the value first and the record second; both are theirs for the time of the call.
 */
import type { Header } from '#record';
import type { Serde, ValueOf } from './serdes.ts';

export type Serdes = Readonly<Record<string, Serde<unknown>>>;

/** A record as functions see it. What they do not ask for is not decoded. */
export interface StreamRecord<T = unknown> {
  readonly key: string | null;
  readonly value: T;
  /** Epoch milliseconds: the event time. */
  readonly timestamp: number;
  readonly headers: readonly Header[];
  /** Where it was read; the offset is -1 and the topic empty where no one record gave it (a window that closed, a timer). */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

type OutputFor<O extends Serdes, T> = {
  [N in keyof O & string]: T extends ValueOf<O[N]> ? N : never;
}[keyof O & string];

export interface Named {
  /** The name of the operator's state. Without one it is the kind and its place among its kind: `count-2`. */
  readonly name?: string;
}

/** `change`: the newest value of each key that changed, once a run. */
export interface Emitting extends Named {
  readonly emit?: 'change' | 'none';
}

/** `undefined` from `add` deletes the key's state; what is given on then is null. */
export interface Aggregation<T, A> {
  init(): A;
  add(aggregate: A, value: T, record: StreamRecord<T>): A | undefined;
}

/** Session windows grow together, so they need to know how. */
export interface MergingAggregation<T, A> extends Aggregation<T, A> {
  merge(earlier: A, later: A): A;
}

export type Reducer<T> = (reduced: T, value: T) => T;

export interface Stream<T, O extends Serdes = Serdes> {
  map<U>(change: (value: T, record: StreamRecord<T>) => U): Stream<U, O>;
  /** Gives records another key. They stay in this partition: to bring a key together, go through a topic. */
  keyBy(key: (value: T, record: StreamRecord<T>) => string | null): Stream<T, O>;
  filter<U extends T>(keep: (value: T, record: StreamRecord<T>) => value is U): Stream<U, O>;
  filter(keep: (value: T, record: StreamRecord<T>) => boolean): Stream<T, O>;
  flatMap<U>(expand: (value: T, record: StreamRecord<T>) => Iterable<U>): Stream<U, O>;
  /** Each record goes to the first branch that wants it, or to `rest`. */
  branch<B extends string>(
    branches: Readonly<Record<B, (value: T, record: StreamRecord<T>) => boolean>>,
  ): Record<B | 'rest', Stream<T, O>>;
  peek(look: (value: T, record: StreamRecord<T>) => void): Stream<T, O>;

  groupBy(key: (value: T, record: StreamRecord<T>) => string): Grouped<T, O>;
  aggregate<A>(options: Aggregation<T, A> & Emitting): Stream<A, O>;
  reduce(reduce: Reducer<T>, options?: Emitting): Stream<T, O>;
  count(options?: Emitting): Stream<number, O>;
  window(shape: FixedShape, options?: WindowOptions): FixedWindows<T, O>;
  window(shape: SessionShape, options?: WindowOptions): SessionWindows<T, O>;

  join<R, U>(table: Table<R>, options: TableJoin<T, R, U> & { readonly left: true }): Stream<U, O>;
  join<R, U>(table: Table<R>, options: InnerTableJoin<T, R, U>): Stream<U, O>;
  joinStream<R, U>(
    other: Stream<R, O>,
    options: StreamJoin<T, R | undefined, U> & { readonly left: true },
  ): Joined<U, T | R, O>;
  joinStream<R, U>(other: Stream<R, O>, options: StreamJoin<T, R, U> & { readonly left?: false }): Joined<U, T | R, O>;

  process<U = never, S = unknown>(options: Processing<T, U, S>): Stream<U, O>;
  /** Writes to an output topic; a record that nothing has touched keeps its bytes. */
  to(topic: OutputFor<O, T>): void;
}

/** A stream with another key to group by, for the aggregation that comes next. */
export interface Grouped<T, O extends Serdes = Serdes> {
  aggregate<A>(options: Aggregation<T, A> & Emitting): Stream<A, O>;
  reduce(reduce: Reducer<T>, options?: Emitting): Stream<T, O>;
  count(options?: Emitting): Stream<number, O>;
  window(shape: FixedShape, options?: WindowOptions): FixedWindows<T, O>;
  window(shape: SessionShape, options?: WindowOptions): SessionWindows<T, O>;
}

export interface FixedShape {
  readonly kind: 'fixed';
  readonly sizeMs: number;
  readonly everyMs: number;
}

export interface SessionShape {
  readonly kind: 'session';
  readonly gapMs: number;
}

export interface WindowOptions extends Named {
  /** How far behind the newest record one may come and still be in time; default 0. */
  readonly outOfOrderMs?: number;
  /** How much longer a window stays open for those that come later still; default 0. */
  readonly latenessMs?: number;
  /** `final` (default): once, when the window closes. `change`: the newest value, once a run. */
  readonly emit?: 'final' | 'change';
}

/** From `start` up to and without `end`, epoch milliseconds. A session ends `gapMs` after its last record. */
export interface Window {
  readonly start: number;
  readonly end: number;
}

export interface Windowed<A> {
  readonly value: A;
  readonly window: Window;
}

interface Windows<T, O extends Serdes> {
  reduce(reduce: Reducer<T>): Stream<Windowed<T>, O>;
  count(): Stream<Windowed<number>, O>;
  /** The records whose windows had all closed before they came. */
  readonly late: Stream<T, O>;
}

export interface FixedWindows<T, O extends Serdes = Serdes> extends Windows<T, O> {
  aggregate<A>(aggregation: Aggregation<T, A>): Stream<Windowed<A>, O>;
}

export interface SessionWindows<T, O extends Serdes = Serdes> extends Windows<T, O> {
  aggregate<A>(aggregation: MergingAggregation<T, A>): Stream<Windowed<A>, O>;
}

/** A compacted topic as the newest value of each key. */
export interface Table<R> {
  readonly topic: string;
  /** Never set: it carries the type of a row. */
  readonly row?: R;
}

export interface TableJoin<T, R, U> {
  /** The key to look up; default the record's. Null finds nothing. */
  key?(value: T, record: StreamRecord<T>): string | null;
  join(value: T, row: R | undefined, record: StreamRecord<T>): U;
}

export interface InnerTableJoin<T, R, U> {
  key?(value: T, record: StreamRecord<T>): string | null;
  join(value: T, row: R, record: StreamRecord<T>): U;
  readonly left?: false;
}

/** Pairs of the same key whose times differ by at most `withinMs`; the pair has the later of both times. */
export interface StreamJoin<T, R, U> extends Named {
  readonly withinMs: number;
  /** As of a window: a record that comes later than this goes to `late`. */
  readonly outOfOrderMs?: number;
  join(left: T, right: R): U;
}

export interface Joined<U, L, O extends Serdes = Serdes> extends Stream<U, O> {
  readonly late: Stream<L, O>;
}

/** State and timers of one key. Values are what MessagePack carries; change them by `set`. */
export interface KeyContext<U, S> {
  readonly key: string;
  /** Milliseconds: the time of the run, and how far event time has come (-Infinity before the first record). */
  readonly now: number;
  readonly watermark: number;
  get(name?: string): S | undefined;
  set(value: S, name?: string): void;
  delete(name?: string): void;
  /** One timer for each name and clock: setting it again moves it. Default name '', default clock `event`. */
  setTimer(time: number, options?: TimerOptions): void;
  clearTimer(options?: TimerOptions): void;
  /** Key and headers are the record's own unless given; the time is that of the record or timer. */
  emit(value: U, options?: { readonly key?: string | null; readonly timestamp?: number }): void;
}

export interface TimerOptions {
  readonly name?: string;
  /** `event`: due when the watermark reaches it. `wall`: when the machine's clock does. */
  readonly clock?: 'event' | 'wall';
}

export interface Timer {
  readonly key: string;
  readonly name: string;
  readonly clock: 'event' | 'wall';
  readonly time: number;
}

export interface Processing<T, U, S> extends Named {
  onRecord(value: T, context: KeyContext<U, S>, record: StreamRecord<T>): void;
  onTimer?(timer: Timer, context: KeyContext<U, S>): void;
  /** How far event timers wait behind the newest record; default 0. */
  readonly outOfOrderMs?: number;
}
