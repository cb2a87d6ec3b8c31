/**
 * Consumer groups above any engine: who joins which, what a group looks like, and its offsets, which are the log's.
 * A group is used in one of two modes: `stream`, where each member has partitions of its own (`group.ts`), or `queue`,
 * where records are handed out one by one (`queue/`). Called by the server for each grouped subscription and by its
 * routes for groups.
 */
import { type Clock, type Limits, type Metrics, SluiceError } from '#kernel';
import { checkGroupName } from './append-rules.ts';
import type { Log } from './contract.ts';
import { Group, type MemberDescription } from './group.ts';
import type { Member, MemberOptions } from './member.ts';
import { QueueGroups } from './queue/queue-groups.ts';
import type { QueueMember, QueueMemberOptions } from './queue/queue-member.ts';
import type { QueueDepth } from './queue/queue-metrics.ts';

export interface GroupDescription {
  readonly group: string;
  readonly mode: 'stream' | 'queue';
  readonly members: readonly MemberDescription[];
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly committed: number | null;
    readonly durable: number;
    /** Records between what is committed and the durable end, without those a queue has done; without a commit, all that are kept. */
    readonly lag: number;
    /** The id of its owner; a queue's partitions have none. */
    readonly member: string | null;
  }[];
  /** Of a queue that has members, by topic: where its records are. */
  readonly queues: readonly QueueDepth[];
}

export interface CoordinatorOptions {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly metrics?: Metrics;
  /** From 0 to below 1; spreads the backoffs of queues out. */
  readonly random?: () => number;
}

/** How often groups are looked at: for topics that changed, and acknowledgements that could not be written. */
const LOOK_MS = 1_000;

export class GroupCoordinator {
  readonly #log: Log;
  readonly #limits: Limits;
  readonly #groups = new Map<string, Group>();
  readonly #queues: QueueGroups;
  readonly #timer: NodeJS.Timeout;
  #joined = 0;

  constructor(log: Log, options: CoordinatorOptions) {
    this.#log = log;
    this.#limits = options.limits;
    this.#queues = new QueueGroups(log, options);
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  /** The listener hears of its partitions in a later turn. @throws TOPIC_UNKNOWN, REQUEST_INVALID, GROUP_MODE_CONFLICT */
  join(name: string, options: MemberOptions): Member {
    checkGroupName(name);
    for (const topic of options.topics) this.#log.topic(topic);
    this.#queues.requireStream(name);
    const group = this.#groups.get(name) ?? new Group(this.#log, name, this.#limits.rebalanceDrainMs);
    this.#groups.set(name, group);
    return group.join(`member-${++this.#joined}`, options);
  }

  /**
   * Joins in mode `queue`: the listener is handed records in a later turn. A group of streams that nobody is in becomes
   * a queue by this. @throws TOPIC_UNKNOWN, REQUEST_INVALID, GROUP_MODE_CONFLICT, and what `startOf` throws
   */
  joinQueue(name: string, options: QueueMemberOptions): QueueMember {
    checkGroupName(name);
    const group = this.#groups.get(name);
    if (group !== undefined && (group.size > 0 || !group.acks.idle)) {
      throw new SluiceError('GROUP_MODE_CONFLICT', `group ${name} shares out partitions`, { mode: 'stream' });
    }
    return this.#queues.join(name, `member-${++this.#joined}`, options);
  }

  #look(): void {
    this.#queues.look();
    for (const [name, group] of this.#groups) {
      group.followTopics();
      group.acks.writeSoon();
      if (group.size === 0 && group.acks.idle) this.#groups.delete(name);
    }
  }

  /** Of groups that have members or offsets. */
  list(): string[] {
    const present = [...this.#groups].filter(([, group]) => group.size > 0).map(([name]) => name);
    return [...new Set([...this.#log.groups(), ...present, ...this.#queues.names()])].sort();
  }

  /** @throws GROUP_UNKNOWN */
  describe(name: string): GroupDescription {
    const committed = this.#log.committedOffsets(name);
    const group = this.#groups.get(name);
    const members = [...(group?.members() ?? []), ...this.#queueMembers(name)];
    if (members.length === 0 && committed.length === 0) throw unknown(name);
    const owners = new Map(
      members.flatMap(({ id, partitions }) => partitions.map((at) => [`${at.topic}/${at.partition}`, id] as const)),
    );
    const used = [...(group?.topics ?? []), ...this.#queues.topics(name)];
    const topics = new Set([...committed.map(({ topic }) => topic), ...used]);
    const partitions = [...topics].flatMap((topic) =>
      (this.#log.findTopic(topic)?.partitions ?? []).map((partition) => {
        const { index, start, durable } = partition;
        const at = this.#log.committedOffset(name, topic, index) ?? null;
        const member = owners.get(`${topic}/${index}`) ?? null;
        const from = Math.max(at ?? start, start);
        const lag = durable - from - this.#queues.doneAbove(name, partition, from);
        return { topic, partition: index, committed: at, durable, lag: Math.max(0, lag), member };
      }),
    );
    const mode = this.#queues.isQueue(name) ? 'queue' : 'stream';
    return { group: name, mode, members, partitions, queues: this.#queues.depths(name) };
  }

  #queueMembers(name: string): MemberDescription[] {
    return this.#queues.members(name).map(({ member: { id, client }, topic }) => {
      return { id, client, topics: [topic], partitions: [] };
    });
  }

  /**
   * Sets where the group goes on, partition → offset; a group that had none exists from then on.
   * @throws GROUP_BUSY, TOPIC_UNKNOWN, PARTITION_UNKNOWN, OFFSET_OUT_OF_RANGE
   */
  async resetOffsets(name: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    await this.#requireIdle(name);
    const partitions = [...offsets.keys()].map((index) => this.#log.partition(topic, index));
    await this.#log.commit({
      offsets: Array.from(offsets, ([partition, offset]) => ({ group: name, topic, partition, offset })),
      state: this.#queues.resetChanges(name, partitions),
    });
  }

  /** @throws GROUP_UNKNOWN, GROUP_BUSY */
  async delete(name: string): Promise<void> {
    await this.#requireIdle(name);
    if (!this.#log.groups().includes(name)) throw unknown(name);
    // First what a queue has done above its offsets: without them it would pass for done at any others.
    await this.#queues.delete(name);
    await this.#log.deleteGroup(name);
  }

  /** Also what the last members acknowledged must be written, or it would undo what follows. */
  async #requireIdle(name: string): Promise<void> {
    const group = this.#groups.get(name);
    if (group?.size === 0) await group.acks.flush();
    const members = (group?.size ?? 0) + this.#queues.size(name);
    if (members === 0) await this.#queues.settle(name);
    if (members > 0) throw new SluiceError('GROUP_BUSY', `group ${name} has ${members} members`, { members });
  }

  /** Writes every acknowledgement; members are gone afterwards. @throws what the log could not write them for */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const closing = [...this.#groups.values()].map((group) => group.close());
    this.#groups.clear();
    await Promise.all([...closing, this.#queues.close()]);
  }
}

function unknown(name: string): SluiceError {
  return new SluiceError('GROUP_UNKNOWN', `there is no group ${name}`);
}
