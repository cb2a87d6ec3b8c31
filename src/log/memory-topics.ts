/** The topics of the reference engine. Changes are made one after another, each durable before the next begins. */
import { SluiceError } from '#kernel';
import type { Topic, TopicConfig } from './contract.ts';
import type { MemoryCommits } from './memory-commits.ts';
import { MemoryPartition } from './memory-partition.ts';
import { checkTopicName, resolveTopicConfig } from './topic-rules.ts';

export interface MemoryTopic extends Topic {
  config: TopicConfig;
  readonly partitions: MemoryPartition[];
}

export class MemoryTopics {
  readonly #commits: MemoryCommits;
  readonly #topics = new Map<string, MemoryTopic>();
  #lastId = 0;
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(commits: MemoryCommits) {
    this.#commits = commits;
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(change);
    this.#lastChange = done.catch(() => undefined);
    return done;
  }

  async create(name: string, changes: Partial<TopicConfig>): Promise<MemoryTopic> {
    return this.#inTurn(async () => {
      checkTopicName(name);
      const { limits, clock } = this.#commits;
      const config = resolveTopicConfig(changes, limits, undefined);
      if (this.#topics.has(name)) throw new SluiceError('TOPIC_EXISTS', `topic ${name} exists`);
      if (this.#topics.size >= limits.topicsMax) {
        throw new SluiceError('LIMIT_EXCEEDED', `at most ${limits.topicsMax} topics`);
      }
      this.#checkRoom(config.partitions);
      const topic: MemoryTopic = { id: ++this.#lastId, name, config, createdAt: clock.now(), partitions: [] };
      await this.#commits.enqueue([], () => {
        this.#topics.set(name, topic);
        this.#grow(topic);
      });
      return topic;
    });
  }

  async update(name: string, changes: Partial<TopicConfig>): Promise<MemoryTopic> {
    return this.#inTurn(async () => {
      const topic = this.get(name);
      const config = resolveTopicConfig(changes, this.#commits.limits, topic.config);
      this.#checkRoom(config.partitions - topic.partitions.length);
      await this.#commits.enqueue([], () => {
        topic.config = config;
        this.#grow(topic);
      });
      return topic;
    });
  }

  async delete(name: string, forget: (topic: MemoryTopic) => void): Promise<void> {
    return this.#inTurn(async () => {
      const topic = this.get(name);
      this.#markDeleted(topic, true);
      try {
        await this.#commits.enqueue([], () => {
          this.#topics.delete(name);
          for (const partition of topic.partitions) partition.forgetBelow(partition.durable);
          forget(topic);
        });
      } catch (error) {
        this.#markDeleted(topic, false);
        throw error;
      }
    });
  }

  /** From the call on nothing more is accepted. */
  #markDeleted({ partitions }: MemoryTopic, deleted: boolean): void {
    for (const partition of partitions) partition.deleted = deleted;
  }

  #grow(topic: MemoryTopic): void {
    while (topic.partitions.length < topic.config.partitions) {
      topic.partitions.push(new MemoryPartition(topic, topic.partitions.length, this.#commits));
    }
  }

  #checkRoom(more: number): void {
    const { partitionsMax } = this.#commits.limits;
    const present = this.list().reduce((sum, { partitions }) => sum + partitions.length, 0);
    if (present + more > partitionsMax) throw new SluiceError('LIMIT_EXCEEDED', `at most ${partitionsMax} partitions`);
  }

  get(name: string): MemoryTopic {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw new SluiceError('TOPIC_UNKNOWN', `there is no topic ${name}`);
    return topic;
  }

  find(name: string): MemoryTopic | undefined {
    return this.#topics.get(name);
  }

  list(): MemoryTopic[] {
    return [...this.#topics.values()];
  }

  partition(name: string, index: number): MemoryPartition {
    const partition = this.get(name).partitions[index];
    if (partition === undefined) throw new SluiceError('PARTITION_UNKNOWN', `topic ${name} has no partition ${index}`);
    return partition;
  }
}
