/**
 * The target half of a job: a consumer of its topic. Extents go to its thread, which reads them in place and writes them; what
 * became of them is committed here, offset, rejected records and counts together. Partitions are under way side by side, each
 * in order, one batch of each at a time: what is in flight is bounded by that.
 *
 *   sleep ─▶ open a thread ─▶ cut extent ─▶ apply ─▶ commit ─┐     a truncation waits until all partitions have come to it
 *     ▲                          ▲───────────────────────────┘
 *     └── nothing to do for a while: the thread is given back; a failure: later, on a new one
 */
import { asSluiceError, SluiceError } from '#kernel';
import { type DeadLetter, deadLetterBatch, ensureDeadTopic, type OffsetCommit, type Partition } from '#log';
import { Wake } from '#processing';
import type { JobSpec } from '../kinds/job-kind.ts';
import type { Applied, RejectedRecord, TargetInput } from '../worker/protocol.ts';
import { commit } from './commit.ts';
import { groupOf, type SyncParts } from './parts.ts';
import { Patience } from './patience.ts';
import type { Places, TargetPlace } from './place.ts';
import { type SyncThread, withThread } from './thread.ts';

/** A job that is not in real time gives its thread back after so long without work. */
const IDLE_MS = 5_000;

export interface TargetOptions {
  readonly job: string;
  readonly spec: JobSpec;
  readonly parts: SyncParts;
  readonly places: Places;
  /** Of the topic that is read. */
  readonly partitions: readonly Partition[];
  /** What the thread is told; made anew for each, so that mappings are as they are then. */
  readonly input: () => TargetInput;
  /** Told after each commit. May stop the job. */
  readonly onProgress: (place: TargetPlace) => void;
}

/** Partitions that have come to the truncation of a stream. */
interface Barrier {
  readonly arrived: Map<number, () => void>;
}

export class TargetHalf {
  readonly patience: Patience;
  readonly #options: TargetOptions;
  readonly #wakes: readonly Wake[];
  readonly #unsubscribe: readonly (() => void)[];
  readonly #rest = new Wake();
  #done: Promise<void> = Promise.resolve();
  #place: TargetPlace;
  #stopping = false;
  #broken = false;
  /** The thread is being given back: whatever comes now is for the next one. */
  #resting = false;
  #committing: Promise<unknown> = Promise.resolve();
  #barrier: Barrier = { arrived: new Map() };
  #activeAt = 0;
  working = false;
  /** Commit time at the source of the newest change that is written, epoch ms; 0: of none. */
  newestAt = 0;

  constructor(options: TargetOptions) {
    this.#options = options;
    this.#place = options.places.target();
    this.patience = new Patience(options.spec.retry, options.parts.clock);
    this.#wakes = options.partitions.map(() => new Wake());
    this.#unsubscribe = options.partitions.map((partition, i) =>
      partition.onDurable(() => {
        this.#wakes[i]?.note();
        this.#rest.note();
      }),
    );
  }

  get place(): TargetPlace {
    return this.#place;
  }

  /** Where the target has come to in a partition. */
  committed({ topic, index, start }: Partition): number {
    return Math.max(start, this.#options.parts.log.committedOffset(groupOf(this.#options.job), topic.name, index) ?? 0);
  }

  /** Records that are not written yet. */
  lag(): number {
    return this.#options.partitions.reduce((sum, one) => sum + one.durable - this.committed(one), 0);
  }

  /** Works until it is stopped. @throws what it gave up over */
  start(): Promise<void> {
    this.#done = this.#live();
    return this.#done;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#rest.note();
    for (const wake of this.#wakes) wake.note();
    for (const arrived of this.#barrier.arrived.values()) arrived();
    await this.#done.catch(() => undefined);
    await this.#committing.catch(() => undefined);
    for (const end of this.#unsubscribe) end();
  }

  /** Work on a thread with the target's connection, beside what is under way. */
  aside<T>(work: (thread: SyncThread) => Promise<T>): Promise<T> {
    return this.#withTarget((thread) => work(thread));
  }

  async #withTarget<T>(work: (thread: SyncThread) => Promise<T>): Promise<T> {
    const { job, spec, parts, input } = this.#options;
    const { endpoint } = spec.target;
    const connecting = endpoint === undefined ? undefined : parts.endpoints.get(endpoint);
    return withThread(`${job} (target)`, parts.limits, connecting, async (thread) => {
      await thread.call('target', input());
      return work(thread);
    });
  }

  async #live(): Promise<void> {
    while (!this.#stopping) {
      if (this.lag() === 0) {
        await this.#rest.sleep();
        continue;
      }
      try {
        this.working = true;
        await this.#withTarget((thread) => this.#work(thread));
      } catch (error) {
        await this.#failed(asSluiceError(error));
      } finally {
        this.working = false;
      }
    }
  }

  async #failed(error: SluiceError): Promise<void> {
    if (this.#stopping) return;
    const { job, parts } = this.#options;
    const waitMs = this.patience.failed(error);
    parts.logger.warn({ job, half: 'target', code: error.code, message: error.message, waitMs }, 'a sync job failed');
    if (waitMs === undefined) throw error;
    const endsAt = parts.clock.monotonic() + waitMs;
    for (let left = waitMs; left > 0 && !this.#stopping; left = endsAt - parts.clock.monotonic()) {
      await this.#rest.sleep(left);
    }
  }

  async #work(thread: SyncThread): Promise<void> {
    this.#broken = false;
    this.#resting = false;
    this.#barrier = { arrived: new Map() };
    this.#activeAt = this.#options.parts.clock.monotonic();
    const failures: unknown[] = [];
    const followers = this.#options.partitions.map((_, i) =>
      this.#follow(thread, i).catch((error: unknown) => {
        failures.push(error);
        // The others end with what they are at, so that nobody commits for a thread that is gone.
        this.#broken = true;
        for (const wake of this.#wakes) wake.note();
        for (const arrived of this.#barrier.arrived.values()) arrived();
      }),
    );
    await Promise.all(followers);
    if (failures.length > 0) throw failures[0];
  }

  async #follow(thread: SyncThread, index: number): Promise<void> {
    const { partitions, parts } = this.#options;
    const partition = partitions[index] as Partition;
    let position = this.committed(partition);
    while (!this.#stopping && !this.#broken && !this.#resting) {
      const extent = partition.extent(position, parts.limits.syncBatchBytes);
      if (extent === null) {
        this.#maybeRest();
        if (this.#resting) return;
        await this.#wakes[index]?.sleep(IDLE_MS);
        continue;
      }
      const applied = await thread.call('apply', { partition: index, from: position, extent });
      this.#activeAt = parts.clock.monotonic();
      await this.#take(partition, applied);
      this.patience.succeeded();
      position = applied.next;
      if (applied.truncate === null) continue;
      await this.#truncate(thread, applied.truncate, index);
      position = this.committed(partition);
    }
  }

  /** For all partitions at once, when all of the job has been quiet for long enough. */
  #maybeRest(): void {
    const { spec, parts, partitions } = this.#options;
    if (spec.strategy === 'real_time' || parts.clock.monotonic() - this.#activeAt < IDLE_MS) return;
    if (partitions.some((one) => one.durable > this.committed(one))) return;
    this.#resting = true;
    for (const wake of this.#wakes) wake.note();
  }

  /** When all partitions stand before it the stream is emptied, once, and all go on behind it. */
  async #truncate(thread: SyncThread, stream: string, index: number): Promise<void> {
    const { partitions, job, spec } = this.#options;
    const { arrived } = this.#barrier;
    if (arrived.size + 1 < partitions.length) {
      await new Promise<void>((resolve) => arrived.set(index, resolve));
      return;
    }
    if (spec.mode !== 'append') await thread.call('sweep', { run: 0, extents: [], stream }, 0);
    const group = groupOf(job);
    const offsets = partitions.map((one) => {
      return { group, topic: one.topic.name, partition: one.index, offset: this.committed(one) + 1 };
    });
    await this.#commit([], offsets, this.#place);
    this.#barrier = { arrived: new Map() };
    for (const resolve of arrived.values()) resolve();
  }

  async #take(partition: Partition, applied: Applied): Promise<void> {
    const { job, parts, spec } = this.#options;
    const { topic, index } = partition;
    const dead = applied.rejected.length === 0 ? undefined : await ensureDeadTopic(parts.log, topic.name);
    const output = spec.target.topic === undefined ? undefined : parts.log.topic(spec.target.topic);
    const appends = [
      ...applied.batches.map(({ partition: at, batch }) => ({ partition: output?.partitions[at] as Partition, batch })),
      ...applied.rejected.map((one) => ({
        partition: dead as Partition,
        batch: deadLetterBatch(this.#letter(partition, one), parts.limits),
      })),
    ];
    const offset = { group: groupOf(job), topic: topic.name, partition: index, offset: applied.next };
    await this.#commit(appends, [offset], () => ({
      records: this.#place.records + applied.records,
      written: this.#place.written + applied.written,
      deleted: this.#place.deleted + applied.deleted,
      rejected: this.#place.rejected + applied.rejected.length,
      ignoredFields: this.#place.ignoredFields + applied.ignoredFields,
    }));
    if (applied.newestAt > this.newestAt) this.newestAt = applied.newestAt;
    this.#options.onProgress(this.#place);
  }

  #letter({ topic, index }: Partition, rejected: RejectedRecord): DeadLetter {
    const { job, parts } = this.#options;
    const facts = { topic: topic.name, partition: index, source: `sync:${job}`, attempts: 1, at: parts.clock.now() };
    return { ...rejected, ...facts, headers: [] };
  }

  /** One after the other, so that counts are exactly those of the offsets they stand beside. */
  #commit(
    appends: readonly { readonly partition: Partition; readonly batch: Uint8Array }[],
    offsets: readonly OffsetCommit[],
    next: TargetPlace | (() => TargetPlace),
  ): Promise<void> {
    const work = this.#committing.then(async () => {
      if (this.#broken) throw new SluiceError('NOT_READY', 'another partition of the job failed');
      const place = typeof next === 'function' ? next() : next;
      const { log } = this.#options.parts;
      await commit(log, { appends, offsets, state: [this.#options.places.targetChange(place)] });
      this.#place = place;
    });
    this.#committing = work.catch(() => undefined);
    return work;
  }
}
