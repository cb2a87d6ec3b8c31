/**
 * One version of a processor on one lane: its instances there, and the tables they join with, which the lane holds once
 * for all of them. What a thread that was lost had held is made again by whoever needs it next.
 */
import { SluiceError } from '#kernel';
import type { Log, StateExtent } from '#log';
import type { Answer, DefinitionSource, FeedJob, Held, Inspected, PrepareJob } from '../worker/protocol.ts';
import type { Lane } from './lane.ts';
import type { ProcessingParts } from './settings.ts';

/** Loading a module, a state or a table may take longer than a run. */
const LOAD_MS = 120_000;
const FEED_BYTES = 8 * 1024 * 1024;

let instances = 0;

export class LaneSession {
  readonly lane: Lane;
  readonly #name: string;
  readonly #source: DefinitionSource;
  readonly #inspected: Inspected;
  readonly #parts: ProcessingParts;
  /** Where each partition of each table has been read to, on this generation of the lane. */
  #fed = new Map<string, number[]>();
  #generation = -1;
  #feeding: Promise<void> | undefined;
  readonly tables = new Map<string, Held>();

  constructor(options: {
    lane: Lane;
    name: string;
    source: DefinitionSource;
    inspected: Inspected;
    parts: ProcessingParts;
  }) {
    this.lane = options.lane;
    this.#name = options.name;
    this.#source = options.source;
    this.#inspected = options.inspected;
    this.#parts = options.parts;
  }

  async prepare(partition: number, state: StateExtent): Promise<{ id: string; held: Held }> {
    const { log } = this.#parts;
    const { processorRunBytesMax, pendingBytesMax } = this.#parts.limits;
    // What one run gives must fit into the log at once.
    const limits = { ...this.#parts.limits, processorRunBytesMax: Math.min(processorRunBytesMax, pendingBytesMax / 2) };
    const id = `${this.#source.id}/${partition}/${++instances}`;
    const outputs = this.#inspected.outputs.map((topic) => [topic, log.topic(topic).partitions.length] as const);
    const job: PrepareJob = { instance: id, source: this.#source, name: this.#name, partition, outputs, limits, state };
    return { id, held: unwrap(await this.lane.run<Answer<Held>>('prepare', job, LOAD_MS)) };
  }

  drop(instance: string): void {
    this.lane.run('drop', { instance }, LOAD_MS).catch(() => undefined);
  }

  /** Nobody uses this version on this lane any more. */
  dropSource(): void {
    this.lane.run('drop', { source: this.#source.id }, LOAD_MS).catch(() => undefined);
  }

  /** Brings the tables up to what is durable now; the runners of one lane share one feeding. */
  async feedTables(): Promise<void> {
    if (this.#inspected.tables.length === 0) return;
    this.#feeding ??= this.#feedAll().finally(() => {
      this.#feeding = undefined;
    });
    await this.#feeding;
  }

  async #feedAll(): Promise<void> {
    if (this.#generation !== this.lane.generation) {
      this.#generation = this.lane.generation;
      this.#fed = new Map();
    }
    for (const table of this.#inspected.tables) {
      const topic = this.#parts.log.topic(table);
      const fed = this.#fed.get(table) ?? [];
      this.#fed.set(table, fed);
      for (const partition of topic.partitions) await this.#feed(table, fed, partition);
    }
  }

  async #feed(table: string, fed: number[], partition: ReturnType<Log['partition']>): Promise<void> {
    const { index } = partition;
    for (;;) {
      const from = Math.max(fed[index] ?? partition.start, partition.start);
      const extent = partition.extent(from, FEED_BYTES);
      if (extent === null) return;
      const job: FeedJob = { source: this.#source.id, table, extents: [extent] };
      this.tables.set(table, unwrap(await this.lane.run<Answer<Held>>('feed', job, LOAD_MS)));
      fed[index] = extent.to;
    }
  }
}

/** @throws what the worker answered */
export function unwrap<T>(answer: Answer<T>): T {
  if (answer.ok) return answer.value;
  throw new SluiceError(answer.code, answer.message, answer.details);
}
