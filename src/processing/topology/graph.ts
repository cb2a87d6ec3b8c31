/**
 * The operators of one instance, wired. `build` of the definition is called once and makes them through streams; then
 * every outlet is linked to what follows it, and a record runs through direct calls.
 */
import { SluiceError } from '#kernel';
import type { Definition } from '../define.ts';
import { type Coalescing, type Operator, Outlet } from '../operators/operator.ts';
import type { KeyedProcess } from '../operators/process.ts';
import type { OutputTopic } from '../outputs.ts';
import type { Run } from '../run.ts';
import type { Store } from '../state/store.ts';
import type { Table } from '../stream.ts';
import type { TableView } from '../task.ts';

const NAME = /^[\w.-]{1,64}$/;
/** Names of state that no operator can have. */
const TIME = '$time';

/** Where an input enters, and how far its event time has come. */
export class Source {
  readonly topic: string;
  readonly out = new Outlet();
  time = Number.NEGATIVE_INFINITY;
  #kept = Number.NEGATIVE_INFINITY;

  constructor(topic: string) {
    this.topic = topic;
  }

  advance(time: number): boolean {
    if (time > this.time) this.time = time;
    return this.out.head.advance(this.time);
  }

  /** Notes the time in the state, when the run moved it. */
  keep(store: Store): void {
    if (this.time === this.#kept) return;
    store.change(store.get(this.topic), this.time);
  }

  finish(): void {
    this.#kept = this.time;
  }

  rollback(): void {
    this.time = this.#kept;
  }
}

/** Something with a watermark of its own. */
interface Timed {
  readonly watermark: number;
}

export class Graph {
  readonly run: Run;
  readonly definition: Definition;
  readonly outputs: ReadonlyMap<string, OutputTopic>;
  readonly sources = new Map<string, Source>();
  readonly #table: (topic: string) => TableView;
  readonly #views = new Map<string, TableView>();
  readonly #outlets: Outlet[] = [];
  readonly #stateful: Pick<Operator, 'finish' | 'rollback'>[] = [];
  readonly #timed: Timed[] = [];
  readonly #processes: KeyedProcess[] = [];
  readonly #coalescing: Coalescing[] = [];
  readonly #names = new Set<string>();
  readonly #counters = new Map<string, number>();
  readonly #times: Store;

  constructor(
    run: Run,
    definition: Definition,
    outputs: ReadonlyMap<string, OutputTopic>,
    table: (topic: string) => TableView,
  ) {
    this.run = run;
    this.definition = definition;
    this.outputs = outputs;
    this.#table = table;
    this.#times = run.state.store(TIME);
    for (const topic of Object.keys(definition.inputs)) {
      const source = new Source(topic);
      this.sources.set(topic, source);
      this.#outlets.push(source.out);
    }
  }

  /** The name of an operator's state: the one given, or its kind and place among its kind. @throws PROCESSOR_INVALID */
  name(kind: string, given: string | undefined): string {
    const place = (this.#counters.get(kind) ?? 0) + 1;
    this.#counters.set(kind, place);
    const name = given ?? `${kind}-${place}`;
    if (!NAME.test(name)) throw invalid(`${name} cannot name an operator: 1 to 64 of A-Z a-z 0-9 . _ -`);
    if (this.#names.has(name)) throw invalid(`two operators have the name ${name}`);
    this.#names.add(name);
    return name;
  }

  outlets<T extends readonly Outlet[]>(...outlets: T): void {
    this.#outlets.push(...outlets);
  }

  /** Operators in the order they are made, so that each comes behind what feeds it. */
  stateful(operator: Pick<Operator, 'finish' | 'rollback'>): void {
    this.#stateful.push(operator);
  }

  coalescing(operator: Coalescing): void {
    this.#coalescing.push(operator);
  }

  timed(operator: Timed): void {
    this.#timed.push(operator);
  }

  process(operator: KeyedProcess): void {
    this.#processes.push(operator);
  }

  table({ topic }: Table<unknown>): TableView {
    if (!(topic in this.definition.tables)) throw invalid(`${topic} is not among the tables`);
    let view = this.#views.get(topic);
    if (view === undefined) {
      view = this.#table(topic);
      this.#views.set(topic, view);
    }
    return view;
  }

  link(): void {
    for (const outlet of this.#outlets) outlet.link();
  }

  /** Brings every operator to the time of its input, at the start of a run. False when the run is full. */
  settle(): boolean {
    for (const source of this.sources.values()) if (!source.advance(source.time)) return false;
    return this.#flush();
  }

  /** Fires wall-clock timers; false when the run is full. */
  fireWall(): boolean {
    return this.#processes.every((process) => process.fireWall());
  }

  /** Gives on what was gathered, at the end of a run; what time makes due beyond its limit waits for the next one. */
  flush(): boolean {
    const whole = this.#flush();
    if (this.#timed.length > 0) for (const source of this.sources.values()) source.keep(this.#times);
    return whole;
  }

  /** All of them in any case: what is owed belongs to this run. */
  #flush(): boolean {
    let whole = true;
    for (const operator of this.#coalescing) whole = operator.flush() && whole;
    return whole;
  }

  finish(): void {
    for (const source of this.sources.values()) source.finish();
    for (const operator of this.#stateful) operator.finish();
  }

  rollback(): void {
    for (const source of this.sources.values()) source.rollback();
    for (const operator of this.#stateful) operator.rollback();
  }

  /** Takes the times of the inputs from the state that was loaded. */
  restore(): void {
    for (const source of this.sources.values()) {
      const kept = this.#times.entries.get(source.topic);
      if (typeof kept === 'number') source.time = kept;
      source.finish();
    }
  }

  /** The least of all watermarks; without any, of the inputs' times. Null while one of them has none. */
  get watermark(): number | null {
    const times = this.#timed.length > 0 ? this.#timed.map(({ watermark }) => watermark) : this.#sourceTimes();
    const least = Math.min(...times);
    return Number.isFinite(least) ? least : null;
  }

  /** The newest event time of an input; null while there was none. */
  timeOf(topic: string): number | null {
    const { time = Number.NEGATIVE_INFINITY } = this.sources.get(topic) ?? {};
    return Number.isFinite(time) ? time : null;
  }

  #sourceTimes(): number[] {
    return Array.from(this.sources.values(), ({ time }) => time);
  }

  get nextTimerAt(): number | null {
    const next = Math.min(...this.#processes.map(({ nextWall }) => nextWall));
    return Number.isFinite(next) ? next : null;
  }
}

export function invalid(message: string): SluiceError {
  return new SluiceError('PROCESSOR_INVALID', message);
}
