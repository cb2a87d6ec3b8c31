/**
 * The queues among the consumer groups: each a group that is used as one, with a `QueueGroup` for each topic it takes
 * records of. A group stays a queue until it is deleted. Called by the `GroupCoordinator`.
 */
import { type Clock, type Limits, Metrics, SluiceError } from '#kernel';
import type { Log, Partition } from '../contract.ts';
import { QueueGroup } from './queue-group.ts';
import type { QueueMember, QueueMemberOptions } from './queue-member.ts';
import { type QueueDepth, queueGauges, queueMetrics } from './queue-metrics.ts';
import { clearDeleted, clearPages, clearQueue, isQueue, loadPages } from './queue-state.ts';

export interface QueueGroupsOptions {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly metrics?: Metrics | undefined;
  /** From 0 to below 1; spreads backoffs out. */
  readonly random?: (() => number) | undefined;
}

export class QueueGroups {
  readonly #log: Log;
  readonly #options: QueueGroupsOptions;
  readonly #metrics: Metrics;
  /** Group → topic → queue. */
  readonly #groups = new Map<string, Map<string, QueueGroup>>();
  #swept = false;

  constructor(log: Log, options: QueueGroupsOptions) {
    this.#log = log;
    this.#options = options;
    this.#metrics = options.metrics ?? new Metrics();
    queueGauges(this.#metrics, () => this.#all().map((queue) => queue.depth()));
  }

  #all(): QueueGroup[] {
    return [...this.#groups.values()].flatMap((topics) => [...topics.values()]);
  }

  #of(group: string): QueueGroup[] {
    return [...(this.#groups.get(group)?.values() ?? [])];
  }

  isQueue(group: string): boolean {
    return this.#groups.has(group) || isQueue(this.#log, group);
  }

  /** How many members the group has. */
  size(group: string): number {
    return this.#of(group).reduce((sum, { size }) => sum + size, 0);
  }

  /** Names of those that have members. */
  names(): string[] {
    return [...this.#groups.keys()].filter((group) => this.size(group) > 0);
  }

  /** @throws TOPIC_UNKNOWN, and what `startOf` throws */
  join(group: string, id: string, options: QueueMemberOptions): QueueMember {
    const topic = this.#log.topic(options.topic);
    const topics = this.#groups.get(group) ?? new Map<string, QueueGroup>();
    let queue = topics.get(topic.name);
    if (queue === undefined) {
      const { limits, clock, random = Math.random } = this.#options;
      const metrics = queueMetrics(this.#metrics, group, topic.name);
      queue = new QueueGroup({ log: this.#log, group, limits, clock, metrics, random }, topic);
    } else queue.follow();
    const member = queue.join(id, options);
    this.#groups.set(group, topics.set(topic.name, queue));
    return member;
  }

  members(group: string): { readonly member: QueueMember; readonly topic: string }[] {
    return this.#of(group).flatMap((queue) => {
      return Array.from(queue.members, (member) => ({ member, topic: queue.topic }));
    });
  }

  topics(group: string): string[] {
    return [...(this.#groups.get(group)?.keys() ?? [])];
  }

  depths(group: string): QueueDepth[] {
    return this.#of(group).map((queue) => queue.depth());
  }

  /** Records of a partition that are done above what is committed. */
  doneAbove(group: string, partition: Partition, committed: number): number {
    const queue = this.#groups.get(group)?.get(partition.topic.name);
    if (queue !== undefined) return queue.doneAbove(partition.index, committed);
    return isQueue(this.#log, group) ? loadPages(this.#log, group, partition, committed).above : 0;
  }

  /** Now and then: topics that changed, what could not be written, queues that nobody is in. */
  look(): void {
    for (const [group, topics] of this.#groups) {
      for (const [topic, queue] of topics) {
        if (queue.follow()) this.#swept = false;
        if (!queue.idle) continue;
        topics.delete(topic);
        queue.close().catch(() => undefined);
      }
      if (topics.size === 0) this.#groups.delete(group);
    }
    if (this.#swept) return;
    this.#swept = true;
    this.sweep().catch(() => {
      this.#swept = false;
    });
  }

  /** Forgets what was kept for topics that are gone. */
  async sweep(): Promise<void> {
    const state = clearDeleted(this.#log);
    if (state.length > 0) await this.#log.commit({ state });
  }

  /** Everything said is written, and what is known here is forgotten. Only of a group without members. */
  async settle(group: string): Promise<void> {
    for (const queue of this.#of(group)) await queue.close();
    this.#groups.delete(group);
  }

  /** What of the group's state has to go when its offsets of these partitions are set. */
  resetChanges(group: string, partitions: readonly Partition[]) {
    return clearPages(this.#log, group, partitions);
  }

  /** Forgets what there is besides committed offsets. */
  async delete(group: string): Promise<void> {
    if (isQueue(this.#log, group)) await this.#log.commit({ state: clearQueue(this.#log, group) });
  }

  /** @throws GROUP_MODE_CONFLICT when the group is a queue */
  requireStream(group: string): void {
    if (!this.isQueue(group)) return;
    throw new SluiceError('GROUP_MODE_CONFLICT', `group ${group} is a queue; delete it, or use another`, {
      mode: 'queue',
    });
  }

  /** Writes what waits; members are gone afterwards. @throws what the log could not write it for */
  async close(): Promise<void> {
    const closing = this.#all().map((queue) => queue.close());
    this.#groups.clear();
    await Promise.all(closing);
  }
}
