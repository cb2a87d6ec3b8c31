/**
 * One version of a processor at work: a runner for each partition of its inputs, spread over lanes. Grows with its
 * topics. What outlives it (its place, its state) is in the log; the next version goes on from there.
 */
import { SluiceError } from '#kernel';
import type { Log, Partition } from '#log';
import type { Inspected } from '../worker/protocol.ts';
import type { Credit } from './credit.ts';
import { InputTimes } from './input-times.ts';
import type { Lane } from './lane.ts';
import { LaneSession } from './lane-session.ts';
import { PartitionRunner } from './partition-runner.ts';
import { type LastError, ProcessorCounts } from './processor-counts.ts';
import { groupOf, type ProcessingParts, type ProcessorSettings } from './settings.ts';

export interface PartitionStatus {
  readonly partition: number;
  readonly state: 'running' | 'failed';
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly inputs: readonly {
    readonly topic: string;
    readonly committed: number | null;
    readonly durable: number;
    readonly lag: number;
  }[];
  /** Epoch milliseconds of event time; null before it is known. */
  readonly watermark: number | null;
  readonly stateEntries: number;
  readonly stateBytes: number;
  readonly lane: number;
}

export interface Activity {
  readonly records: number;
  readonly recordsPerSecond: number;
  readonly produced: number;
  readonly dead: number;
  readonly errors: number;
  readonly lastError: LastError | null;
}

export class Processor {
  readonly name: string;
  readonly settings: ProcessorSettings;
  readonly inspected: Inspected;
  readonly #lanes: readonly Lane[];
  readonly #credit: Credit;
  readonly #parts: ProcessingParts;
  readonly #counts: ProcessorCounts;
  readonly #times: InputTimes | undefined;
  readonly #sessions = new Map<Lane, LaneSession>();
  readonly #runners = new Map<number, PartitionRunner>();
  readonly #ending = new Map<PartitionRunner, Promise<void>>();
  #stopped = false;

  constructor(options: {
    name: string;
    settings: ProcessorSettings;
    inspected: Inspected;
    lanes: readonly Lane[];
    credit: Credit;
    parts: ProcessingParts;
  }) {
    this.name = options.name;
    this.settings = options.settings;
    this.inspected = options.inspected;
    this.#credit = options.credit;
    this.#parts = options.parts;
    this.#lanes = options.lanes.slice(0, options.settings.workers ?? options.lanes.length);
    const { idleMs } = options.settings;
    this.#times = idleMs === undefined ? undefined : new InputTimes(idleMs);
    this.#counts = new ProcessorCounts(options.name, options.parts.metrics);
  }

  /** Runners for partitions that have none yet, or are others of the same name; called again and again. */
  follow(): void {
    const { log } = this.#parts;
    const topics = this.inspected.inputs.map((name) => log.findTopic(name));
    if (this.#stopped || topics.some((topic) => topic === undefined)) return;
    const count = Math.min(...topics.map((topic) => topic?.partitions.length ?? 0));
    for (let index = 0; index < count; index++) {
      const inputs = topics.map((topic) => topic?.partitions[index] as Partition);
      const runner = this.#runners.get(index);
      if (runner === undefined) this.#runners.set(index, this.#run(index, inputs));
      else if (!runner.reads(inputs)) this.#replace(index, runner);
    }
  }

  #run(index: number, inputs: readonly Partition[]): PartitionRunner {
    return new PartitionRunner({
      name: this.name,
      index,
      inputs,
      settings: this.settings,
      session: this.#session(this.#lanes[index % this.#lanes.length] as Lane),
      credit: this.#credit,
      times: this.#times,
      counts: this.#counts,
      parts: this.#parts,
    });
  }

  /** A topic was deleted and made again: its offsets are gone, the runner of the old one ends. */
  #replace(index: number, runner: PartitionRunner): void {
    if (this.#ending.has(runner)) return;
    const ended = runner.stop().then(() => {
      this.#ending.delete(runner);
      this.#runners.delete(index);
      this.follow();
    });
    this.#ending.set(runner, ended);
  }

  #session(lane: Lane): LaneSession {
    let session = this.#sessions.get(lane);
    if (session === undefined) {
      const { name, settings, inspected } = this;
      session = new LaneSession({ lane, name, source: settings.source, inspected, parts: this.#parts });
      this.#sessions.set(lane, session);
    }
    return session;
  }

  /** Resolves when the last run's commit has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const ending = [...this.#runners.values()].map((runner) => runner.stop());
    await Promise.all([...ending, ...this.#ending.values()]);
    this.#runners.clear();
    for (const session of this.#sessions.values()) session.dropSource();
    this.#sessions.clear();
  }

  activity(): Activity {
    const { records, produced, dead, errors, lastError } = this.#counts;
    return {
      records: records.value,
      recordsPerSecond: Math.round(this.#counts.rate()),
      produced: produced.value,
      dead: dead.value,
      errors: errors.value,
      lastError: lastError ?? null,
    };
  }

  partitions(): PartitionStatus[] {
    return Array.from(this.#runners.values(), ({ index, error, watermark, stateEntries, stateBytes }) => ({
      partition: index,
      state: error === undefined ? 'running' : 'failed',
      error: error === undefined ? null : { code: error.code, message: error.message },
      inputs: lagOf(this.#parts.log, this.name, this.inspected.inputs, index),
      watermark,
      stateEntries,
      stateBytes,
      lane: index % this.#lanes.length,
    }));
  }
}

/** Of one partition of each input: where a processor is, and what it has before it. */
export function lagOf(
  log: Log,
  processor: string,
  inputs: readonly string[],
  index: number,
): PartitionStatus['inputs'] {
  return inputs.flatMap((topic) => {
    const partition = log.findTopic(topic)?.partitions[index];
    if (partition === undefined) return [];
    const committed = log.committedOffset(groupOf(processor), topic, index) ?? null;
    const { start, durable } = partition;
    return [{ topic, committed, durable, lag: durable - Math.max(committed ?? start, start) }];
  });
}

/** @throws PROCESSOR_INVALID naming what does not fit together */
export function checkTopics(log: Log, { inputs, outputs, tables }: Inspected): void {
  for (const name of [...inputs, ...outputs, ...tables]) {
    if (log.findTopic(name) === undefined) throw invalid(`there is no topic ${name}`);
  }
  for (const name of tables) {
    if (log.topic(name).config.cleanup !== 'compact')
      throw invalid(`a table must be a compacted topic, ${name} is not`);
  }
  for (const name of outputs) if (name.startsWith('sys.')) throw invalid(`${name} belongs to the system`);
  const counts = new Set(inputs.map((name) => log.topic(name).partitions.length));
  if (counts.size > 1) throw invalid('the inputs of one processor must have the same number of partitions');
}

function invalid(message: string): SluiceError {
  return new SluiceError('PROCESSOR_INVALID', message);
}
