/**
 * One partition of a processor: runs its definition over batches and answers with batches, a block of state and where
 * to go on. It holds the state in memory, and nothing of a run is kept until the run has ended well, so a run is done
 * wholly or not at all. Lives in a worker thread, and knows nothing of threads or storage: the runtime reads, commits,
 * and decides what to do about a fault.
 *
 *   load(entries) ─▶ run(task) ─▶ result: to be committed in one piece ─▶ run(task) …
 *                        └─▶ ProcessingFault: nothing has changed; the same run, or one with that record dead, may follow
 *
 * A result that could not be committed makes the instance worthless: make a new one and load it.
 */
import { assert, SluiceError } from '#kernel';
import { bury } from './bury.ts';
import { RawInput, RawRunner } from './raw.ts';
import { type Graves, type Meter, Reader, type RunInput } from './reader.ts';
import { Run } from './run.ts';
import type { Serde } from './serdes.ts';
import { type InstanceOptions, ProcessingFault, type RunResult, type Task, type TaskInput } from './task.ts';
import { Graph, invalid, type Source } from './topology/graph.ts';
import { buildGraph } from './topology/streams.ts';

export class Instance {
  readonly #options: InstanceOptions;
  readonly #run: Run;
  readonly #graph: Graph;
  readonly #raw: RawRunner | null;
  #running = false;

  /** @throws PROCESSOR_INVALID; whatever the definition's `build` throws */
  constructor(options: InstanceOptions) {
    const { definition, limits, partition } = options;
    this.#options = options;
    this.#run = new Run(limits, partition);
    const outputs = new Map(
      Object.entries(definition.outputs).map(([topic, serde]) => {
        const partitions = options.outputs.get(topic);
        if (partitions === undefined) throw invalid(`the partitions of output ${topic} are not known`);
        return [topic, this.#run.outputs.declare(topic, serde, partitions)];
      }),
    );
    this.#graph = new Graph(this.#run, definition, outputs, options.table);
    buildGraph(this.#graph);
    this.#raw = definition.batch === null ? null : new RawRunner(this.#run, this.#graph, definition.batch);
  }

  /** Takes up the state that earlier runs left, before the first run. @throws STATE_FULL, STORE_CORRUPT */
  load(entries: Iterable<readonly [key: string, value: Uint8Array]>): void {
    this.#run.state.load(entries);
    this.#graph.finish();
    this.#graph.restore();
  }

  /** Entries found at load that belong to no operator: the definition has lost or renamed one. */
  get unclaimedEntries(): number {
    return this.#run.state.unclaimed;
  }

  /**
   * Processes what the task gives, up to its limits. A promise only for the raw form, whose function may be one. One
   * run at a time.
   * @throws ProcessingFault; BATCH_MALFORMED and others for chunks that are not batches. Nothing has changed then.
   */
  run(task: Task): RunResult | Promise<RunResult> {
    assert(!this.#running, 'an instance runs one task at a time');
    const meter: Meter = { maxBytes: task.maxBytes, bytesIn: 0 };
    this.#run.outputs.begin(task.inputs.reduce((sum, { from }) => sum + from, 0));
    this.#run.begin(task.now, task.at);
    if (this.#raw !== null) return this.#runRaw(this.#raw, task, meter);
    const readers = task.inputs.map(
      (input, i) => new Reader(i, input, this.#serde(input), this.#graves(task, input), meter),
    );
    this.#running = true;
    try {
      return this.#runGraph(task, readers, meter);
    } catch (error) {
      throw this.#fail(readers, error);
    }
  }

  async #runRaw(raw: RawRunner, task: Task, meter: Meter): Promise<RunResult> {
    const inputs = task.inputs.map(
      (input, i) => new RawInput(i, input, this.#serde(input), this.#graves(task, input), meter),
    );
    this.#running = true;
    try {
      const { records, more } = await raw.run(inputs);
      return this.#finish(task, inputs, meter, { records, more });
    } catch (error) {
      throw this.#fail(inputs, error);
    }
  }

  #serde({ topic }: TaskInput): Serde<unknown> {
    const serde = this.#options.definition.inputs[topic];
    assert(serde !== undefined, `${topic} is not an input of this processor`);
    return serde;
  }

  #graves(task: Task, { topic }: TaskInput): Graves {
    const own = task.dead.filter((notice) => notice.topic === topic);
    return {
      notices: new Map(own.map((notice) => [notice.offset, notice])),
      bury: (flow, notice) => bury(`processor:${this.#options.name}`, task.now, flow, notice),
    };
  }

  #runGraph(task: Task, readers: readonly Reader[], meter: Meter): RunResult {
    const graph = this.#graph;
    let records = 0;
    let more = !graph.settle() || (task.fireTimers && !graph.fireWall()) || !this.#passIdle(task);
    if (!more) {
      for (const reader of readers) reader.read();
      const sources = task.inputs.map(({ topic }) => graph.sources.get(topic) as Source);
      for (let reader = earliest(readers); reader !== null && !more; reader = earliest(readers)) {
        if (this.#step(reader, sources[reader.index] as Source)) {
          records++;
          reader.consume();
          more = this.#run.full;
        } else more = true;
      }
    }
    more = !graph.flush() || more;
    return this.#finish(task, readers, meter, { records, more });
  }

  /** Time goes on where inputs are idle; false when the run was full before all that was due was done. */
  #passIdle({ inputs }: Task): boolean {
    for (const { topic, idleAt = Number.NEGATIVE_INFINITY } of inputs) {
      const source = this.#graph.sources.get(topic) as Source;
      if (idleAt > source.time && !source.advance(idleAt)) return false;
    }
    return true;
  }

  /** One record through the graph; false when the run was full before its turn came. */
  #step(reader: Reader, source: Source): boolean {
    const { flow } = reader;
    if (flow.timestamp > source.time && !source.advance(flow.timestamp)) return false;
    this.#run.blame(reader.index, flow.offset);
    source.out.head.push(flow);
    return true;
  }

  #finish(task: Task, inputs: readonly RunInput[], meter: Meter, done: Pick<RunResult, 'records' | 'more'>): RunResult {
    const { state, outputs } = this.#run;
    this.#run.blameNone();
    const block = state.finish();
    const batches = outputs.finish();
    this.#graph.finish();
    for (const input of inputs) input.close();
    this.#running = false;
    return {
      ...done,
      next: inputs.map(({ next }) => next),
      bytesIn: meter.bytesIn,
      outputs: batches,
      state: block,
      dead: inputs.flatMap(({ dead }) => dead),
      watermark: this.#graph.watermark,
      times: task.inputs.map(({ topic }) => this.#graph.timeOf(topic)),
      nextTimerAt: this.#graph.nextTimerAt,
      stateEntries: state.entryCount,
      stateBytes: state.bytes,
    };
  }

  /** Takes everything of the run back; answers what to throw. */
  #fail(inputs: readonly RunInput[], error: unknown): unknown {
    const { state, outputs } = this.#run;
    const packing = state.current;
    const { input, offset } = packing ?? this.#run;
    state.rollback();
    outputs.rollback();
    this.#graph.rollback();
    for (const input of inputs) input.close();
    this.#running = false;
    if (!(error instanceof SluiceError)) return new ProcessingFault(input, offset, 'PROCESSOR_FAILED', error);
    return error.code.startsWith('BATCH_') ? error : new ProcessingFault(input, offset, error.code, error);
  }
}

/** The input whose next record is the oldest; null when one has no room to read on, or all are at their end. */
function earliest(readers: readonly Reader[]): Reader | null {
  let first: Reader | null = null;
  for (let i = 0; i < readers.length; i++) {
    const reader = readers[i] as Reader;
    if (reader.paused) return null;
    if (reader.ready && (first === null || reader.flow.timestamp < first.flow.timestamp)) first = reader;
  }
  return first;
}
