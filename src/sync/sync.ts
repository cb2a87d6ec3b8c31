/**
 * All sync jobs, by name: declared, put to work, paused, run, rewound, forgotten. Called by kinds `sync-job` and `mapping`
 * through `main.ts`, and by the server's routes.
 */
import { SluiceError } from '#kernel';
import type { OffsetCommit, Partition } from '#log';
import { commit } from './job/commit.ts';
import { type ComparisonState, Comparisons } from './job/comparisons.ts';
import { Job } from './job/job.ts';
import { consumerOf, groupOf, type SyncParts, topicOf } from './job/parts.ts';
import { Places } from './job/place.ts';
import { type Run, Runs } from './job/runs.ts';
import { type JobStatus, statusOf } from './job/status.ts';
import { withThread } from './job/thread.ts';
import type { JobSpec } from './kinds/job-kind.ts';
import type { MappingSpec } from './kinds/mapping-kind.ts';
import { registerMetrics } from './metrics.ts';
import { compileMapping } from './worker/mapped.ts';
import { Rules } from './worker/rules.ts';

export type RewindTarget = 'earliest' | 'latest' | { readonly time: number } | { readonly offsets: readonly number[] };

export class Sync {
  readonly #parts: SyncParts;
  readonly #runs: Runs;
  readonly #jobs = new Map<string, Job>();
  readonly #mappings = new Map<string, MappingSpec>();
  readonly #comparisons: Comparisons;
  /** Changes of one job come one after the other. */
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(parts: Omit<SyncParts, 'mapping'>, runs: Runs) {
    this.#parts = { ...parts, mapping: (name) => this.#mapping(name) };
    this.#runs = runs;
    this.#comparisons = new Comparisons(this.#parts);
    registerMetrics(parts.metrics, () => this.#jobs.values());
  }

  static async open(parts: Omit<SyncParts, 'mapping'>): Promise<Sync> {
    const { log, limits, clock } = parts;
    return new Sync(parts, await Runs.open(log, limits.syncRunsMax, () => clock.now()));
  }

  /** @throws LIMIT_EXCEEDED, TOPIC_UNKNOWN where it reads a topic that is not there */
  declare(name: string, spec: JobSpec): Promise<void> {
    return this.#exclusively(async () => {
      const { limits } = this.#parts;
      if (!this.#jobs.has(name) && this.#jobs.size >= limits.syncJobsMax) {
        throw new SluiceError('LIMIT_EXCEEDED', `there are ${limits.syncJobsMax} sync jobs already`);
      }
      const partitions = await this.#partitions(name, spec);
      await this.#jobs.get(name)?.stop();
      // It may be that what it stands on is declared together with it: it begins when its document is on the disk.
      this.#jobs.set(name, this.#create(name, spec, partitions));
    });
  }

  /** The document of a job is on the disk. */
  declared(name: string): void {
    this.#jobs.get(name)?.start();
  }

  /** One that was declared before this process started. */
  async restore(name: string, spec: JobSpec): Promise<void> {
    const job = this.#create(name, spec, await this.#partitions(name, spec));
    this.#jobs.set(name, job);
    job.start();
  }

  /** With its topic and its place; what is rejected stays. A system that keeps a place for it is told, if it can be reached. */
  remove(name: string): Promise<void> {
    return this.#exclusively(async () => {
      const job = this.#jobs.get(name);
      if (job === undefined) return;
      this.#jobs.delete(name);
      this.#comparisons.forget(name);
      await job.stop();
      await this.#forget(job.spec, name);
      const { log } = this.#parts;
      const places = new Places(log, name);
      const state = [places.sourceChange(null), places.targetChange(null), places.controlChange(null)];
      await commit(log, { state });
      await log.deleteGroup(groupOf(name)).catch(() => undefined);
      if (job.spec.source.topic === undefined) await log.deleteTopic(topicOf(name));
    });
  }

  /** @throws RESOURCE_UNKNOWN */
  get(name: string): Job {
    const job = this.#jobs.get(name);
    if (job === undefined) throw new SluiceError('RESOURCE_UNKNOWN', `there is no sync job ${name}`);
    return job;
  }

  /** @throws RESOURCE_UNKNOWN */
  status(name: string): JobStatus {
    return statusOf(this.get(name), this.#runs.last(name) ?? null, this.#parts.clock.now());
  }

  statuses(): JobStatus[] {
    return [...this.#jobs.keys()].sort().map((name) => this.status(name));
  }

  /** Newest first; the one under way as far as it has come. @throws RESOURCE_UNKNOWN */
  runs(name: string, limit: number): Run[] {
    const { run } = this.get(name);
    return this.#runs.of(name, limit).map((one) => (run !== null && one.run === run.run ? run : one));
  }

  /** @throws SYNC_RUN_UNDER_WAY, SYNC_JOB_STOPPED, REQUEST_INVALID */
  requestRun(name: string): void {
    this.get(name).requestRun();
  }

  /** Begins to compare both ends, in the background. @throws SYNC_RUN_UNDER_WAY, REQUEST_INVALID */
  compare(name: string, repair: boolean): void {
    this.#comparisons.start(this.get(name), repair);
  }

  /** The newest one. @throws RESOURCE_UNKNOWN where there has been none since the server started */
  comparison(name: string): ComparisonState {
    const { name: known } = this.get(name);
    const found = this.#comparisons.of(known);
    if (found === undefined) throw new SluiceError('RESOURCE_UNKNOWN', `${known} has not been compared`);
    return found;
  }

  pause(name: string): Promise<void> {
    return this.#again(name, async (places) => {
      await commit(this.#parts.log, { state: [places.controlChange({ ...places.control(), paused: true })] });
    });
  }

  /** @throws REQUEST_INVALID when its declaration says that it is paused */
  resume(name: string): Promise<void> {
    if (this.get(name).spec.paused) {
      throw new SluiceError('REQUEST_INVALID', `${name} is declared as paused`, { field: 'paused' });
    }
    return this.#again(name, async (places) => {
      const control = { ...places.control(), paused: false, stopped: null, since: places.target() };
      await commit(this.#parts.log, { state: [places.controlChange(control)] });
    });
  }

  /** The source is read from its beginning by the next run, or from now on. */
  reset(name: string): Promise<void> {
    return this.#again(name, async (places, job) => {
      const place = places.source();
      if (job.spec.source.topic !== undefined || place === undefined) return;
      await this.#forget(job.spec, name);
      // The number of the run goes on, so that no two are alike.
      const fresh = { ...place, print: '', open: false, streams: {}, cursors: {}, state: null };
      await commit(this.#parts.log, { state: [places.sourceChange(fresh)] });
    });
  }

  /** The target writes again what the topic holds from there on. @throws REQUEST_INVALID, OFFSET_OUT_OF_RANGE */
  rewind(name: string, to: RewindTarget): Promise<void> {
    return this.#again(name, async (_places, job) => {
      const offsets = job.partitions.map((partition, i): OffsetCommit => {
        return { group: groupOf(name), topic: partition.topic.name, partition: i, offset: offsetOf(partition, i, to) };
      });
      await commit(this.#parts.log, { offsets });
    });
  }

  /** @throws TRANSFORM_INVALID */
  checkMapping(spec: MappingSpec): void {
    compileMapping(spec, this.#parts.limits);
    Rules.compile(spec.rules, this.#parts.limits);
  }

  /** From now on, for threads that are started from now on. */
  useMapping(name: string, spec: MappingSpec): void {
    this.#mappings.set(name, spec);
  }

  removeMapping(name: string): void {
    this.#mappings.delete(name);
  }

  /** Jobs that use it begin anew, so that what is written from now on is as it says. */
  mappingChanged(name: string): void {
    for (const job of this.#jobs.values()) {
      const { mapping, streams } = job.spec;
      if (mapping !== name && !streams.some((one) => one.mapping === name)) continue;
      void this.#again(job.name, async () => undefined).catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    await this.#changing.catch(() => undefined);
    await Promise.all(Array.from(this.#jobs.values(), (job) => job.stop()));
    await this.#comparisons.close();
  }

  /** Stops a job, does something about it, and puts it to work again. @throws RESOURCE_UNKNOWN */
  #again(name: string, work: (places: Places, job: Job) => Promise<void>): Promise<void> {
    return this.#exclusively(async () => {
      const job = this.get(name);
      await job.stop();
      try {
        await work(new Places(this.#parts.log, name), job);
      } finally {
        const next = this.#create(name, job.spec, job.partitions);
        this.#jobs.set(name, next);
        next.start();
      }
    });
  }

  #mapping(name: string): MappingSpec {
    const spec = this.#mappings.get(name);
    if (spec === undefined) throw new SluiceError('RESOURCE_UNKNOWN', `there is no mapping ${name}`);
    return spec;
  }

  #create(name: string, spec: JobSpec, partitions: readonly Partition[]): Job {
    return new Job({ name, spec, partitions, parts: this.#parts, runs: this.#runs });
  }

  async #partitions(name: string, spec: JobSpec): Promise<readonly Partition[]> {
    const { log } = this.#parts;
    if (spec.target.topic !== undefined) log.topic(spec.target.topic);
    if (spec.source.topic !== undefined) return log.topic(spec.source.topic).partitions;
    const topic = topicOf(name);
    // What is written is forgotten by the job itself, which knows what is: retention does not.
    const found = log.findTopic(topic) ?? (await log.createTopic(topic, { partitions: spec.partitions }));
    return found.partitions;
  }

  async #forget({ source }: JobSpec, name: string): Promise<void> {
    const place = new Places(this.#parts.log, name).source();
    if (source.endpoint === undefined || place?.kind !== 'changes') return;
    const { limits, logger } = this.#parts;
    try {
      await withThread(name, limits, this.#parts.endpoints.get(source.endpoint), (thread) => {
        return thread.call('forget', { consumer: consumerOf(name) }, limits.connectorCallMs);
      });
    } catch (error) {
      logger.warn({ err: error, job: name }, 'the source could not be told to forget a sync job');
    }
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(work, work);
    this.#changing = done.catch(() => undefined);
    return done;
  }
}

/** @throws REQUEST_INVALID */
function offsetOf(partition: Partition, index: number, to: RewindTarget): number {
  if (to === 'earliest') return partition.start;
  if (to === 'latest') return partition.durable;
  if ('time' in to) return partition.offsetForTime(to.time);
  const offset = to.offsets[index];
  if (offset === undefined || offset < partition.start || offset > partition.durable) {
    const message = `partition ${index} holds ${partition.start} to ${partition.durable}`;
    throw new SluiceError('REQUEST_INVALID', `offsets: ${message}`, { field: 'to' });
  }
  return offset;
}
