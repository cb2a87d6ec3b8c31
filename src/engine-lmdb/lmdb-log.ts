/**
 * `Log` on LMDB segments: the composition of the parts of this folder. Opened by the composition root, used by everything
 * above through the contract.
 *
 *   append ─▶ LmdbPartition ─▶ GroupCommit ─▶ active Segment          reads ─▶ LmdbCursor ─▶ Segment
 *   topics, offsets, state ──▶ GroupCommit ─▶ journal ─▶ Catalog      time ──▶ Maintenance
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, type Limits, type Logger, type Metrics, SluiceError } from '#kernel';
import {
  type Appended,
  type CommitRequest,
  type CommittedOffset,
  checkTopicName,
  type DamagedRange,
  type Log,
  type Partition,
  type ReaderSource,
  resolveTopicConfig,
  type StateExtent,
  type Topic,
  type TopicConfig,
} from '#log';
import { backUp } from './backup.ts';
import { Catalog, type TopicRecord } from './catalog.ts';
import { ChunkBuffers } from './chunk-buffers.ts';
import { commitEntries } from './commit-entries.ts';
import { GroupCommit } from './group-commit.ts';
import type { JournalEntry } from './journal.ts';
import { Maintenance } from './maintenance.ts';
import { type Accepted, LmdbPartition, type PartitionContext } from './partition.ts';
import type { LmdbReaderOptions } from './reader.ts';
import { type Recovered, recover, restorePartitions } from './recovery.ts';
import type { Segment } from './segment.ts';
import { Segments } from './segments.ts';
import { lockStore, openStoreFolder } from './store-files.ts';

export interface LmdbLogOptions {
  readonly directory: string;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface LmdbTopic extends Topic {
  config: TopicConfig;
  readonly partitions: LmdbPartition[];
}

/**
 * Opens the store in `directory`, creating it when there is none.
 * @throws STORE_LOCKED, STORE_NEWER, STORE_CORRUPT
 */
export async function openLmdbLog(options: LmdbLogOptions): Promise<LmdbLog> {
  openStoreFolder(options.directory);
  const unlock = lockStore(options.directory);
  try {
    return new LmdbLog(options, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

export class LmdbLog implements Log {
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #unlock: () => void;
  readonly #directory: string;
  readonly #catalog: Catalog;
  readonly #segments: Segments;
  readonly #commits: GroupCommit;
  readonly #maintenance: Maintenance;
  readonly #context: PartitionContext;
  readonly #topics = new Map<string, LmdbTopic>();
  readonly #partitions = new Map<number, LmdbPartition>();
  #changing: Promise<unknown> = Promise.resolve();
  readonly #damaged = new Map<string, DamagedRange>();
  #nextTopicId: number;
  #nextPartitionId: number;
  #closing: Promise<void> | undefined;

  constructor({ directory, limits, clock, logger, metrics }: LmdbLogOptions, unlock: () => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#logger = logger;
    this.#unlock = unlock;
    this.#directory = directory;
    const folder = join(directory, 'segments');
    mkdirSync(folder, { recursive: true });
    this.#catalog = new Catalog(directory);
    this.#segments = new Segments(folder, limits, logger);
    const buffers = new ChunkBuffers();
    this.#commits = new GroupCommit({
      segments: this.#segments,
      catalog: this.#catalog,
      buffers,
      limits,
      logger,
      metrics,
      onRoll: (sealed) => this.#seal(sealed),
    });
    this.#context = {
      limits,
      buffers,
      commits: this.#commits,
      now: () => clock.now(),
      touch: (segment) => this.#segments.touch(segment),
      reportDamage: (partition, offset, nextOffset) => this.#reportDamage(partition, offset, nextOffset),
      trim: (partition, offset) => this.#trim(partition, offset),
    };
    const recovered = recover(this.#segments, this.#catalog, logger);
    this.#nextTopicId = this.#catalog.nextTopicId;
    this.#nextPartitionId = this.#catalog.nextPartitionId;
    this.#maintenance = new Maintenance({
      segments: this.#segments,
      catalog: this.#catalog,
      commits: this.#commits,
      topics: () => this.#topics.values(),
      partition: (id) => this.#partitions.get(id),
      seal: (segment) => this.#seal(segment),
      clock,
      logger,
      metrics,
    });
    this.#restore(recovered);
    metrics.gauge('sluice_log_segments', 'Segment files', () => this.#segments.list.length);
    metrics.gauge('sluice_log_stored_bytes', 'Bytes of batches in all segments', () => this.#segments.bytes);
    metrics.gauge('sluice_log_damaged_batches', 'Damaged batches met since the start', () => this.#damaged.size);
  }

  #restore(recovered: Recovered): void {
    for (const record of this.#catalog.topics.values()) this.#addTopic(record);
    restorePartitions(this.#partitions, this.#segments, recovered, this.#clock.now());
    for (const segment of recovered.unsealed) this.#seal(segment);
  }

  #addTopic(record: TopicRecord): LmdbTopic {
    const { id, name, config, createdAt } = record;
    const topic: LmdbTopic = { id, name, config, createdAt, partitions: [] };
    this.#topics.set(name, topic);
    this.#addPartitions(topic, record.partitionIds);
    return topic;
  }

  #addPartitions(topic: LmdbTopic, ids: readonly number[]): void {
    for (const id of ids.slice(topic.partitions.length)) {
      const start = this.#catalog.trims.get(id) ?? 0;
      const partition = new LmdbPartition(topic, topic.partitions.length, id, this.#context, start);
      topic.partitions.push(partition);
      this.#partitions.set(id, partition);
    }
  }

  /** Writes the summary of a segment that takes no more batches. */
  #seal(segment: Segment): void {
    const producers = [...segment.ranges.keys()].flatMap((id) => {
      const snapshot = this.#partitions.get(id)?.storedProducers.snapshot() ?? [];
      return snapshot.length === 0 ? [] : [[id, snapshot] as const];
    });
    this.#maintenance.sealing(
      segment
        .putSummary(producers)
        .then(() => {
          segment.sealed = true;
          this.#segments.touch(segment);
        })
        .catch((error: unknown) =>
          this.#logger.warn({ err: error, segment: segment.path }, 'a segment could not be sealed yet'),
        ),
    );
  }

  #reportDamage(partition: LmdbPartition, offset: number, nextOffset: number): void {
    const place = `${partition.topic.name}/${partition.index}/${offset}`;
    if (this.#damaged.has(place)) return;
    this.#logger.error(
      { topic: partition.topic.name, partition: partition.index, offset, nextOffset },
      'a stored batch is damaged',
    );
    this.#damaged.set(place, {
      topic: partition.topic.name,
      partition: partition.index,
      offset,
      nextOffset,
      code: 'BATCH_QUARANTINED',
    });
  }

  async #journal(...entries: JournalEntry[]): Promise<void> {
    await this.#commits.enqueueAll([], entries);
  }

  /** Changes of topics run one after the other, so that each sees what the one before it did. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(work, work);
    this.#changing = done.catch(() => undefined);
    return done;
  }

  createTopic(name: string, changes: Partial<TopicConfig> = {}): Promise<Topic> {
    return this.#exclusively(async () => {
      checkTopicName(name);
      const config = resolveTopicConfig(changes, this.#limits, undefined);
      if (this.#topics.has(name)) throw new SluiceError('TOPIC_EXISTS', `topic ${name} exists`);
      this.#checkRoom(1, config.partitions);
      const partitionIds = this.#newIds(config.partitions);
      const record = { id: this.#nextTopicId++, name, config, createdAt: this.#clock.now(), partitionIds };
      await this.#journal({ t: 'topic', ...record });
      return this.#addTopic(record);
    });
  }

  #newIds(count: number): number[] {
    return Array.from({ length: count }, () => this.#nextPartitionId++);
  }

  #checkRoom(topics: number, partitions: number): void {
    const { topicsMax, partitionsMax } = this.#limits;
    if (this.#topics.size + topics <= topicsMax && this.#partitions.size + partitions <= partitionsMax) return;
    throw new SluiceError('LIMIT_EXCEEDED', `at most ${topicsMax} topics and ${partitionsMax} partitions`);
  }

  updateTopic(name: string, changes: Partial<TopicConfig>): Promise<Topic> {
    return this.#exclusively(async () => {
      const topic = this.topic(name) as LmdbTopic;
      const config = resolveTopicConfig(changes, this.#limits, topic.config);
      const more = config.partitions - topic.partitions.length;
      this.#checkRoom(0, more);
      const partitionIds = [...topic.partitions.map(({ id }) => id), ...this.#newIds(more)];
      await this.#journal({ t: 'topic', id: topic.id, name, config, createdAt: topic.createdAt, partitionIds });
      topic.config = config;
      this.#addPartitions(topic, partitionIds);
      return topic;
    });
  }

  deleteTopic(name: string): Promise<void> {
    return this.#exclusively(() => this.#deleteTopic(this.topic(name) as LmdbTopic));
  }

  async #deleteTopic(topic: LmdbTopic): Promise<void> {
    for (const partition of topic.partitions) partition.deleted = true;
    try {
      await this.#journal({ t: 'topic-deleted', id: topic.id });
    } catch (error) {
      for (const partition of topic.partitions) partition.deleted = false;
      throw error;
    }
    this.#topics.delete(topic.name);
    for (const partition of topic.partitions) {
      this.#partitions.delete(partition.id);
      partition.ranges.length = 0;
      partition.start = partition.durable;
    }
  }

  topic(name: string): Topic {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw new SluiceError('TOPIC_UNKNOWN', `there is no topic ${name}`);
    return topic;
  }

  findTopic(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  topics(): Topic[] {
    return [...this.#topics.values()];
  }

  partition(topic: string, index: number): Partition {
    const partition = this.topic(topic).partitions[index];
    if (partition === undefined) throw new SluiceError('PARTITION_UNKNOWN', `topic ${topic} has no partition ${index}`);
    return partition;
  }

  async commit(request: CommitRequest): Promise<Appended[]> {
    const entries = commitEntries(this, request);
    if (request.stateBlocks !== undefined) this.#admitState(request.stateBlocks);
    this.#commits.admit((request.appends ?? []).reduce((sum, { batch }) => sum + batch.length, 0));
    const accepted: Accepted[] = [];
    try {
      for (const { partition, batch, expectedOffset } of request.appends ?? []) {
        accepted.push((partition as LmdbPartition).accept(batch, expectedOffset));
      }
    } catch (error) {
      for (const one of accepted.toReversed()) one.partition.withdraw(one);
      throw error;
    }
    if (accepted.length === 0 && entries.length === 0) return [];
    return this.#commits.enqueueAll(accepted, entries);
  }

  /** @throws LOG_BUSY when state changes faster than it can be folded */
  #admitState(blocks: NonNullable<CommitRequest['stateBlocks']>): void {
    const waiting = this.#catalog.unfoldedBytes;
    const bytes = blocks.reduce((sum, { block }) => sum + block.length, 0);
    if (waiting === 0 || waiting + bytes <= this.#limits.unfoldedStateBytesMax) return;
    this.#maintenance.foldSoon();
    throw new SluiceError('LOG_BUSY', `${waiting} bytes of state wait to be folded`, { pending: waiting });
  }

  committedOffset(group: string, topic: string, partition: number): number | undefined {
    const found = this.#topics.get(topic);
    return found && this.#catalog.committedOffset(group, found.id, partition);
  }

  committedOffsets(group: string): CommittedOffset[] {
    return this.#catalog.committedOffsets(group);
  }

  groups(): string[] {
    return this.#catalog.groups();
  }

  async deleteGroup(group: string): Promise<void> {
    await this.#journal({ t: 'group-deleted', group });
  }

  getState(space: string, key: string): Uint8Array | undefined {
    return this.#catalog.getState(space, key);
  }

  scanState(space: string, from: string, limit: number): [string, Uint8Array][] {
    return this.#catalog.scanState(space, from, limit);
  }

  get readerSource(): ReaderSource {
    const { segmentBytes, openSegmentsMax } = this.#limits;
    const options: LmdbReaderOptions = { directory: this.#directory, segmentBytes, openSegmentsMax };
    const file = import.meta.url.endsWith('.ts') ? './reader.ts' : './reader.js';
    return { module: new URL(file, import.meta.url).href, options };
  }

  /** Readers see `meta`; what is not in it yet goes with the extent. */
  async stateExtent(space: string): Promise<StateExtent> {
    this.#commits.requireOpen();
    return { space, source: this.#catalog.stateBlocks(space) };
  }

  get pendingBytes(): number {
    return this.#commits.pendingBytes;
  }

  onCommit(listener: () => void): () => void {
    return this.#commits.onCommit(listener);
  }

  damaged(): DamagedRange[] {
    return [...this.#damaged.values()];
  }

  async #trim(partition: LmdbPartition, offset: number): Promise<void> {
    await this.#journal({ t: 'trim', partitionId: partition.id, start: offset });
    partition.start = Math.max(partition.start, offset);
    partition.dropTrimmedRanges();
  }

  async maintain(): Promise<void> {
    this.#commits.requireOpen();
    await this.#maintenance.run(true);
  }

  /** A consistent copy of the store as it is now, into an empty or absent folder, while it is in use. */
  async backup(directory: string): Promise<void> {
    await this.#maintenance.paused(async () => {
      await this.#maintenance.sealActive();
      await backUp(directory, this.#segments, this.#catalog);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#commits.close();
    await this.#maintenance.close();
    await this.#catalog.close();
    await this.#segments.close();
    this.#unlock();
  }
}
