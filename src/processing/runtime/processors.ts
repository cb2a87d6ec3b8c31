/**
 * All processors of a server: deploys them as their resources say, pauses, resumes, resets them, and tells how they are.
 * The lanes, a worker thread each, are made when the first processor comes.
 *
 * Whether a processor is paused is kept in the log; its place is the offsets of the group `processor:<name>`.
 */
import { availableParallelism } from 'node:os';
import { asSluiceError, decodeUtf8, encodeUtf8, SluiceError } from '#kernel';
import type { Partition } from '#log';
import type { Answer, Inspected } from '../worker/protocol.ts';
import { Credit } from './credit.ts';
import { Lane } from './lane.ts';
import { unwrap } from './lane-session.ts';
import { type Activity, checkTopics, lagOf, type PartitionStatus, Processor } from './processor.ts';
import { groupOf, type ProcessingParts, type ProcessorSettings, stateSpaceOf } from './settings.ts';

const SPACE = 'processors';
const INSPECT_MS = 30_000;
const FOLLOW_MS = 1_000;

export interface ProcessorStatus {
  readonly name: string;
  readonly state: 'running' | 'paused' | 'failed';
  /** Why it could not be started, or why a partition has stopped. */
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly tables: readonly string[];
  readonly activity: Activity | null;
  readonly lag: number;
  readonly partitions: readonly PartitionStatus[];
}

/** Where a reset goes: a word, a time in epoch milliseconds, or an offset for each partition. */
export type ResetTarget = 'earliest' | 'latest' | { readonly time: number } | { readonly offsets: readonly number[] };

interface Deployed {
  /** Read anew with each load: a module that was missing may be there by now. */
  readonly settings: () => ProcessorSettings;
  /** Absent while paused, or when it could not be started. */
  processor: Processor | undefined;
  inspected: Inspected | undefined;
  error: SluiceError | undefined;
  /** Counts loads, so that a module that was changed on the disk is read again. */
  loads: number;
}

export class Processors {
  readonly #parts: ProcessingParts;
  readonly #laneCount: number;
  readonly #deployed = new Map<string, Deployed>();
  readonly #timer: NodeJS.Timeout;
  #lanes: Lane[] = [];
  #credit: Credit | undefined;
  #changing: Promise<unknown> = Promise.resolve();

  /** @param workers threads; 0: as many as the machine runs at once */
  constructor(parts: ProcessingParts, workers = 0) {
    this.#parts = parts;
    this.#laneCount = workers === 0 ? availableParallelism() : workers;
    this.#timer = setInterval(() => {
      for (const { processor } of this.#deployed.values()) processor?.follow();
    }, FOLLOW_MS);
    this.#timer.unref();
  }

  /** Deploys a new processor or a new version, which goes on where the old one stopped. @throws PROCESSOR_INVALID */
  deploy(name: string, given: ProcessorSettings): Promise<void> {
    const settings = () => given;
    return this.#exclusively(async () => {
      const before = this.#deployed.get(name);
      const next: Deployed = {
        settings,
        processor: undefined,
        inspected: undefined,
        error: undefined,
        loads: (before?.loads ?? 0) + 1,
      };
      // Before the old one ends: what does not load leaves things as they were.
      next.inspected = await this.#inspect(name, next);
      await before?.processor?.stop();
      this.#deployed.set(name, next);
      if (!this.#isPaused(name)) this.#start(name, next);
    });
  }

  /** As `deploy`, at the start of the server: one that cannot start is shown as failed and hinders nobody. */
  async restore(name: string, settings: () => ProcessorSettings): Promise<void> {
    try {
      await this.deploy(name, settings());
    } catch (error) {
      this.#parts.logger.error({ err: error, processor: name }, 'a processor could not be started');
      const coded = asSluiceError(error);
      this.#deployed.set(name, { settings, processor: undefined, inspected: undefined, error: coded, loads: 0 });
    }
  }

  /** Ends it, and forgets its place and its state. */
  remove(name: string): Promise<void> {
    return this.#exclusively(async () => {
      const deployed = this.#deployed.get(name);
      await deployed?.processor?.stop();
      this.#deployed.delete(name);
      const { log } = this.#parts;
      await log.commit({ clear: this.#spaces(name), state: [{ space: SPACE, key: name, value: null }] });
      if (log.groups().includes(groupOf(name))) await log.deleteGroup(groupOf(name));
    });
  }

  /** @throws RESOURCE_UNKNOWN */
  pause(name: string): Promise<void> {
    return this.#exclusively(async () => {
      const deployed = this.#get(name);
      await this.#parts.log.commit({ state: [{ space: SPACE, key: name, value: encodeUtf8('paused') }] });
      await deployed.processor?.stop();
      deployed.processor = undefined;
    });
  }

  /** Also starts what has failed, with its code loaded anew. @throws RESOURCE_UNKNOWN, PROCESSOR_INVALID */
  resume(name: string): Promise<void> {
    return this.#exclusively(async () => {
      const deployed = this.#get(name);
      await deployed.processor?.stop();
      deployed.processor = undefined;
      deployed.loads++;
      deployed.inspected = await this.#inspect(name, deployed);
      deployed.error = undefined;
      await this.#parts.log.commit({ state: [{ space: SPACE, key: name, value: null }] });
      this.#start(name, deployed);
    });
  }

  /**
   * Moves it to another place and, unless its state is to be kept, begins with an empty one; then it goes on as before.
   * @throws RESOURCE_UNKNOWN, OFFSET_OUT_OF_RANGE
   */
  reset(name: string, target: ResetTarget, keepState: boolean): Promise<void> {
    return this.#exclusively(async () => {
      const deployed = this.#get(name);
      const { log } = this.#parts;
      await deployed.processor?.stop();
      deployed.processor = undefined;
      try {
        const partitions = (deployed.inspected?.inputs ?? []).flatMap((topic) => [...log.topic(topic).partitions]);
        const offsets = partitions.map((partition) => ({
          group: groupOf(name),
          topic: partition.topic.name,
          partition: partition.index,
          offset: placeOf(partition, target),
        }));
        await log.commit({ offsets, clear: keepState ? [] : this.#spaces(name) });
      } finally {
        if (!this.#isPaused(name) && deployed.inspected !== undefined) this.#start(name, deployed);
      }
    });
  }

  /** The state of every partition it has or had. */
  #spaces(name: string): string[] {
    const inputs = this.#deployed.get(name)?.inspected?.inputs ?? [];
    const counts = inputs.map((topic) => this.#parts.log.findTopic(topic)?.partitions.length ?? 0);
    return Array.from({ length: Math.max(0, ...counts) }, (_, index) => stateSpaceOf(name, index));
  }

  #isPaused(name: string): boolean {
    const kept = this.#parts.log.getState(SPACE, name);
    return kept !== undefined && decodeUtf8(kept) === 'paused';
  }

  async #inspect(name: string, { settings, loads }: Deployed): Promise<Inspected> {
    const [lane] = this.#lanesReady();
    const source = sourceOf(name, settings(), loads);
    const inspected = unwrap(await (lane as Lane).run<Answer<Inspected>>('inspect', source, INSPECT_MS));
    checkTopics(this.#parts.log, inspected);
    return inspected;
  }

  #start(name: string, deployed: Deployed): void {
    const { settings, inspected, loads } = deployed;
    deployed.processor = new Processor({
      name,
      settings: { ...settings(), source: sourceOf(name, settings(), loads) },
      inspected: inspected as Inspected,
      lanes: this.#lanesReady(),
      credit: this.#credit as Credit,
      parts: this.#parts,
    });
    deployed.processor.follow();
  }

  #lanesReady(): readonly Lane[] {
    if (this.#lanes.length === 0) {
      const { log, limits, logger, metrics } = this.#parts;
      this.#lanes = Array.from(
        { length: this.#laneCount },
        (_, index) => new Lane({ index, reader: log.readerSource, heapBytesMax: limits.workerHeapBytesMax, logger }),
      );
      this.#credit = new Credit(limits.processingInFlightBytesMax, this.#laneCount, metrics);
      metrics.gauge('sluice_processing_lane_queue', 'Jobs that wait for a worker thread or run on it', () =>
        this.#lanes.map((lane) => [{ lane: String(lane.index) }, lane.queued] as const),
      );
    }
    return this.#lanes;
  }

  #get(name: string): Deployed {
    const deployed = this.#deployed.get(name);
    if (deployed === undefined) throw new SluiceError('RESOURCE_UNKNOWN', `there is no processor ${name}`);
    return deployed;
  }

  /** @throws RESOURCE_UNKNOWN */
  status(name: string): ProcessorStatus {
    const { processor, inspected, error } = this.#get(name);
    const { log } = this.#parts;
    const partitions = processor?.partitions() ?? [];
    const stopped = partitions.find((one) => one.state === 'failed')?.error ?? null;
    const reason = error === undefined ? stopped : { code: error.code, message: error.message };
    const inputs = inspected?.inputs ?? [];
    const count = Math.max(0, ...inputs.map((topic) => log.findTopic(topic)?.partitions.length ?? 0));
    const places = Array.from({ length: count }, (_, index) => lagOf(log, name, inputs, index)).flat();
    return {
      name,
      state: reason !== null ? 'failed' : processor === undefined ? 'paused' : 'running',
      error: reason,
      inputs,
      outputs: inspected?.outputs ?? [],
      tables: inspected?.tables ?? [],
      activity: processor?.activity() ?? null,
      lag: places.reduce((sum, { lag }) => sum + lag, 0),
      partitions,
    };
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(work, work);
    this.#changing = done.catch(() => undefined);
    return done;
  }

  /** Lets every run end with its commit, then ends the threads. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#exclusively(async () => {
      await Promise.all([...this.#deployed.values()].map(({ processor }) => processor?.stop()));
      this.#deployed.clear();
      await Promise.all(this.#lanes.map((lane) => lane.close()));
    });
  }
}

function sourceOf(name: string, { source }: ProcessorSettings, loads: number): ProcessorSettings['source'] {
  const id = `${name}@${source.id}.${loads}`;
  return { ...source, id, module: `${source.module}?load=${encodeURIComponent(id)}` };
}

function placeOf(partition: Partition, target: ResetTarget): number {
  if (target === 'earliest') return partition.start;
  if (target === 'latest') return partition.durable;
  if ('time' in target) return partition.offsetForTime(target.time);
  return target.offsets[partition.index] ?? partition.start;
}
