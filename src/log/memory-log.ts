/**
 * `MemoryLog`: the reference engine. It keeps everything in memory and is as plain as the contract allows, so that
 * tests of other layers can stand on it and the contract suite has something obviously right to compare engines with.
 */
import { type Clock, compareBytes, encodeUtf8, type Limits, type SluiceError } from '#kernel';
import { checkOffsetCommit, checkStateChange } from './append-rules.ts';
import type {
  Appended,
  CommitRequest,
  CommittedOffset,
  DamagedRange,
  Log,
  OffsetCommit,
  Partition,
  StateChange,
  Topic,
  TopicConfig,
} from './contract.ts';
import { MemoryCommits } from './memory-commits.ts';
import type { MemoryAppend, MemoryPartition } from './memory-partition.ts';
import { type MemoryTopic, MemoryTopics } from './memory-topics.ts';
import type { ReaderSource, StateExtent } from './reader.ts';
import { encodeStateBlock, iterateStateBlock } from './state-block.ts';

const MAINTENANCE_MS = 1_000;

export class MemoryLog implements Log {
  readonly #commits: MemoryCommits;
  readonly #topics: MemoryTopics;
  readonly #groups = new Map<string, Map<MemoryPartition, number>>();
  readonly #state = new Map<string, Map<string, Uint8Array>>();
  readonly #timer: NodeJS.Timeout;

  constructor({ limits, clock }: { limits: Limits; clock: Clock }) {
    this.#commits = new MemoryCommits(limits, clock);
    this.#topics = new MemoryTopics(this.#commits);
    this.#timer = setInterval(() => this.#maintain(), MAINTENANCE_MS);
    this.#timer.unref();
  }

  createTopic(name: string, config: Partial<TopicConfig> = {}): Promise<Topic> {
    return this.#topics.create(name, config);
  }

  updateTopic(name: string, changes: Partial<TopicConfig>): Promise<Topic> {
    return this.#topics.update(name, changes);
  }

  deleteTopic(name: string): Promise<void> {
    return this.#topics.delete(name, (topic) => this.#forgetOffsets(topic));
  }

  topic(name: string): Topic {
    return this.#topics.get(name);
  }

  findTopic(name: string): Topic | undefined {
    return this.#topics.find(name);
  }

  topics(): Topic[] {
    return this.#topics.list();
  }

  partition(topic: string, index: number): Partition {
    return this.#topics.partition(topic, index);
  }

  async commit({ appends = [], offsets = [], clear = [], ...state }: CommitRequest): Promise<Appended[]> {
    this.#commits.checkOpen();
    const commits = offsets.map((commit) => this.#checkedOffset(commit));
    const changes = [...changesOf(state)];
    for (const change of changes) checkStateChange(change);
    const accepted = this.#acceptAll(appends);
    return this.#commits.enqueue(accepted, () => {
      for (const { group, partition, offset } of commits) this.#setOffset(group, partition, offset);
      for (const space of clear) this.#state.delete(space);
      for (const change of changes) this.#setState(change);
    });
  }

  #checkedOffset(commit: OffsetCommit): { group: string; partition: MemoryPartition; offset: number } {
    const partition = this.#topics.partition(commit.topic, commit.partition);
    checkOffsetCommit(commit, partition);
    return { group: commit.group, partition, offset: commit.offset };
  }

  /** All of them, or none and an error. */
  #acceptAll(appends: NonNullable<CommitRequest['appends']>): MemoryAppend[] {
    const accepted: MemoryAppend[] = [];
    try {
      for (const { partition, batch, expectedOffset } of appends) {
        accepted.push((partition as MemoryPartition).accept(batch, expectedOffset));
      }
      return accepted;
    } catch (error) {
      for (const append of accepted.toReversed()) append.partition.withdraw(append);
      throw error;
    }
  }

  #setOffset(group: string, partition: MemoryPartition, offset: number): void {
    if (partition.deleted) return;
    const offsets = this.#groups.get(group) ?? new Map<MemoryPartition, number>();
    this.#groups.set(group, offsets.set(partition, offset));
  }

  #forgetOffsets({ partitions }: MemoryTopic): void {
    for (const [group, offsets] of this.#groups) {
      for (const partition of partitions) offsets.delete(partition);
      if (offsets.size === 0) this.#groups.delete(group);
    }
  }

  #setState({ space, key, value }: StateChange): void {
    const entries = this.#state.get(space) ?? new Map<string, Uint8Array>();
    this.#state.set(space, entries);
    if (value === null) entries.delete(key);
    else entries.set(key, value);
  }

  committedOffset(group: string, topic: string, partition: number): number | undefined {
    const found = this.#topics.find(topic)?.partitions[partition];
    return found && this.#groups.get(group)?.get(found);
  }

  committedOffsets(group: string): CommittedOffset[] {
    return Array.from(this.#groups.get(group) ?? [], ([partition, offset]) => {
      return { topic: partition.topic.name, partition: partition.index, offset };
    });
  }

  groups(): string[] {
    return [...this.#groups.keys()].sort();
  }

  async deleteGroup(group: string): Promise<void> {
    await this.#commits.enqueue([], () => this.#groups.delete(group));
  }

  getState(space: string, key: string): Uint8Array | undefined {
    return this.#state.get(space)?.get(key)?.slice();
  }

  scanState(space: string, from: string, limit: number): [string, Uint8Array][] {
    const order = (a: string, b: string) => compareBytes(encodeUtf8(a), encodeUtf8(b));
    const keys = [...(this.#state.get(space)?.keys() ?? [])].filter((key) => order(key, from) >= 0).sort(order);
    return keys.slice(0, limit).map((key) => [key, this.getState(space, key) as Uint8Array]);
  }

  readonly readerSource: ReaderSource = {
    module: new URL(import.meta.url.endsWith('.ts') ? './memory-reader.ts' : './memory-reader.js', import.meta.url)
      .href,
    options: undefined,
  };

  async stateExtent(space: string): Promise<StateExtent> {
    return { space, source: encodeStateBlock(this.#state.get(space) ?? []) };
  }

  get pendingBytes(): number {
    return this.#commits.pendingBytes;
  }

  onCommit(listener: () => void): () => void {
    return this.#commits.onCommit(listener);
  }

  damaged(): DamagedRange[] {
    return [];
  }

  async maintain(): Promise<void> {
    this.#commits.checkOpen();
    this.#maintain();
  }

  #maintain(): void {
    for (const { config, partitions } of this.#topics.list()) {
      for (const partition of partitions) {
        if (config.cleanup === 'compact') partition.compact();
        else partition.forgetBelow(partition.retainedFrom());
      }
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#commits.close();
  }

  /** For tests: every commit fails with `error` and is taken back, until this is called with undefined. */
  failCommits(error: SluiceError | undefined): void {
    this.#commits.failWith(error);
  }
}

/** Copies of the single changes, then of those in blocks. */
function* changesOf({
  state = [],
  stateBlocks = [],
}: Pick<CommitRequest, 'state' | 'stateBlocks'>): Iterable<StateChange> {
  for (const { space, key, value } of state) yield { space, key, value: value && Uint8Array.from(value) };
  for (const { space, block } of stateBlocks) {
    for (const [key, value] of iterateStateBlock(block)) yield { space, key, value: value && Uint8Array.from(value) };
  }
}
