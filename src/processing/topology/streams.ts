/**
 * The streams that `build` works with: each call adds an operator to the graph and gives the stream of what comes out
 * of it. The types are those of `stream.ts`; behind them every value is unknown.
 */
import { Aggregate } from '../operators/aggregate.ts';
import { FixedWindowing } from '../operators/fixed-windows.ts';
import { type AggregationCalls, aggregating, COUNT, type Fold, reducing } from '../operators/fold.ts';
import type { Operator, Outlet } from '../operators/operator.ts';
import { KeyedProcess } from '../operators/process.ts';
import { SessionWindowing } from '../operators/session-windows.ts';
import {
  BranchStep,
  FilterStep,
  FlatMapStep,
  KeyStep,
  MapStep,
  OutputStep,
  PeekStep,
  TableJoinStep,
} from '../operators/stateless.ts';
import { StreamJoining } from '../operators/stream-join.ts';
import type {
  Emitting,
  FixedShape,
  Named,
  Processing,
  Serdes,
  SessionShape,
  Stream,
  StreamRecord,
  Table,
  WindowOptions,
} from '../stream.ts';
import { type Graph, invalid } from './graph.ts';

type Call<R> = (value: unknown, record: StreamRecord) => R;
type Reduce = (reduced: unknown, value: unknown) => unknown;

interface JoinOptions {
  readonly key?: Call<string | null>;
  readonly join: (value: unknown, row: unknown, record: StreamRecord) => unknown;
  readonly left?: boolean;
}

interface StreamJoinOptions extends Named {
  readonly withinMs: number;
  readonly outOfOrderMs?: number;
  readonly join: (left: unknown, right: unknown) => unknown;
  readonly left?: boolean;
}

interface StepWithOut extends Operator {
  readonly out: Outlet;
}

/** A stream of the graph; `Stream<T>` to its users. */
class GraphStream {
  readonly graph: Graph;
  readonly outlet: Outlet;

  constructor(graph: Graph, outlet: Outlet) {
    this.graph = graph;
    this.outlet = outlet;
  }

  #step(step: StepWithOut): GraphStream {
    this.outlet.targets.push(step);
    return this.stream(step.out);
  }

  stream(outlet: Outlet): GraphStream {
    this.graph.outlets(outlet);
    return new GraphStream(this.graph, outlet);
  }

  map(change: Call<unknown>): GraphStream {
    return this.#step(new MapStep(change));
  }

  keyBy(key: Call<string | null>): GraphStream {
    return this.#step(new KeyStep(key));
  }

  groupBy(key: Call<string | null>): GraphStream {
    return this.keyBy(key);
  }

  filter(keep: Call<boolean>): GraphStream {
    return this.#step(new FilterStep(keep));
  }

  flatMap(expand: Call<Iterable<unknown>>): GraphStream {
    return this.#step(new FlatMapStep(expand));
  }

  peek(look: Call<void>): GraphStream {
    return this.#step(new PeekStep(look));
  }

  branch(branches: Readonly<Record<string, Call<boolean>>>): Record<string, GraphStream> {
    const names = Object.keys(branches);
    if (names.includes('rest')) throw invalid('rest is the branch of what no other wants');
    const step = new BranchStep(Object.values(branches));
    this.outlet.targets.push(step);
    return Object.fromEntries([...names, 'rest'].map((name, i) => [name, this.stream(step.outs[i] as Outlet)]));
  }

  count(options: Emitting = {}): GraphStream {
    return this.#fold('count', COUNT, options);
  }

  reduce(reduce: Reduce, options: Emitting = {}): GraphStream {
    return this.#fold('reduce', reducing(reduce), options);
  }

  aggregate(options: AggregationCalls & Emitting): GraphStream {
    return this.#fold('aggregate', aggregating(options), options);
  }

  #fold(kind: string, fold: Fold, { name, emit = 'change' }: Emitting): GraphStream {
    const step = new Aggregate(this.graph.run, this.graph.name(kind, name), fold, emit === 'change');
    this.graph.stateful(step);
    this.graph.coalescing(step);
    return this.#step(step);
  }

  window(shape: FixedShape | SessionShape, options: WindowOptions = {}): GraphWindows {
    return new GraphWindows(this, shape, options);
  }

  join(table: Table<unknown>, { key, join, left = false }: JoinOptions): GraphStream {
    return this.#step(new TableJoinStep(this.graph.table(table), { key, join, left }));
  }

  joinStream(other: GraphStream, options: StreamJoinOptions): GraphStream & { late: GraphStream } {
    if (other.graph !== this.graph) throw invalid('only streams of one processor can be joined');
    const { withinMs, join, outOfOrderMs = 0, left = false } = options;
    checkMs('withinMs', withinMs);
    checkMs('outOfOrderMs', outOfOrderMs);
    const name = this.graph.name('join', options.name);
    const joining = new StreamJoining(this.graph.run, { name, withinMs, outOfOrderMs, left, join });
    this.outlet.targets.push(joining.left);
    other.outlet.targets.push(joining.right);
    this.graph.stateful(joining);
    this.graph.timed(joining);
    return Object.assign(this.stream(joining.out), { late: this.stream(joining.late) });
  }

  process(options: Processing<unknown, unknown, unknown>): GraphStream {
    const { name, outOfOrderMs = 0 } = options;
    checkMs('outOfOrderMs', outOfOrderMs);
    const step = new KeyedProcess(this.graph.run, this.graph.name('process', name), options, outOfOrderMs);
    this.graph.stateful(step);
    this.graph.timed(step);
    this.graph.process(step);
    return this.#step(step);
  }

  to(topic: string): void {
    const output = this.graph.outputs.get(topic);
    if (output === undefined) throw invalid(`${topic} is not among the outputs`);
    this.outlet.targets.push(new OutputStep(this.graph.run.outputs, output));
  }
}

/** A stream in windows, until it is said how each becomes one value. */
class GraphWindows {
  readonly #input: GraphStream;
  readonly #shape: FixedShape | SessionShape;
  readonly #options: WindowOptions;
  #windowing: FixedWindowing | SessionWindowing | undefined;
  #late: GraphStream | undefined;

  constructor(input: GraphStream, shape: FixedShape | SessionShape, options: WindowOptions) {
    this.#input = input;
    this.#shape = shape;
    this.#options = options;
    checkMs('outOfOrderMs', options.outOfOrderMs ?? 0);
    checkMs('latenessMs', options.latenessMs ?? 0);
  }

  count(): GraphStream {
    return this.#fold(COUNT);
  }

  reduce(reduce: Reduce): GraphStream {
    return this.#fold(reducing(reduce));
  }

  aggregate(calls: AggregationCalls): GraphStream {
    return this.#fold(aggregating(calls));
  }

  get late(): GraphStream {
    if (this.#windowing === undefined)
      throw invalid('say how a window becomes one value before asking for late records');
    this.#late ??= this.#input.stream(this.#windowing.late);
    return this.#late;
  }

  #fold(fold: Fold): GraphStream {
    if (this.#windowing !== undefined)
      throw invalid('windows become values in one way; make other windows for another');
    const { graph, outlet } = this.#input;
    const { outOfOrderMs = 0, latenessMs = 0, emit = 'final' } = this.#options;
    const settings = { name: graph.name('window', this.#options.name), outOfOrderMs, latenessMs, emit };
    const windowing = this.#make(graph, settings, fold);
    this.#windowing = windowing;
    outlet.targets.push(windowing);
    graph.stateful(windowing);
    graph.timed(windowing);
    graph.coalescing(windowing);
    return this.#input.stream(windowing.out);
  }

  #make(graph: Graph, settings: ConstructorParameters<typeof FixedWindowing>[2], fold: Fold) {
    if (this.#shape.kind === 'fixed') return new FixedWindowing(graph.run, this.#shape, settings, fold);
    if (fold.merge === null) throw invalid('an aggregation of session windows needs merge');
    return new SessionWindowing(graph.run, this.#shape.gapMs, settings, fold);
  }
}

/** Calls `build` of the graph's definition, and wires what it made. @throws PROCESSOR_INVALID */
export function buildGraph(graph: Graph): void {
  const { build, inputs, tables } = graph.definition;
  build?.({
    stream(topic) {
      const source = graph.sources.get(topic);
      if (source === undefined) throw invalid(`${topic} is not among the inputs`);
      return new GraphStream(graph, source.out) as unknown as Stream<(typeof inputs)[string], Serdes> as never;
    },
    table(topic) {
      if (!(topic in tables)) throw invalid(`${topic} is not among the tables`);
      return { topic };
    },
  });
  graph.link();
}

function checkMs(what: string, ms: number): void {
  if (!Number.isSafeInteger(ms) || ms < 0) throw invalid(`${what} must be a whole number of milliseconds, not ${ms}`);
}
