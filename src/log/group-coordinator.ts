/**
 * Consumer groups above any engine: who joins which, what a group looks like, and its offsets, which are the log's.
 * Called by the server for each grouped subscription and by its routes for groups.
 */
import { type Clock, type Limits, SluiceError } from '#kernel';
import { checkGroupName } from './append-rules.ts';
import type { Log } from './contract.ts';
import { Group, type MemberDescription } from './group.ts';
import type { Member, MemberOptions } from './member.ts';

export interface GroupDescription {
  readonly group: string;
  readonly members: readonly MemberDescription[];
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly committed: number | null;
    readonly durable: number;
    /** Records between what is committed and the durable end; without a commit, all that are kept. */
    readonly lag: number;
    /** The id of its owner. */
    readonly member: string | null;
  }[];
}

/** How often groups are looked at: for topics that changed, and acknowledgements that could not be written. */
const LOOK_MS = 1_000;

export class GroupCoordinator {
  readonly #log: Log;
  readonly #limits: Limits;
  readonly #groups = new Map<string, Group>();
  readonly #timer: NodeJS.Timeout;
  #joined = 0;

  constructor(log: Log, options: { limits: Limits; clock: Clock }) {
    this.#log = log;
    this.#limits = options.limits;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  /** The listener hears of its partitions in a later turn. @throws TOPIC_UNKNOWN, REQUEST_INVALID */
  join(name: string, options: MemberOptions): Member {
    checkGroupName(name);
    for (const topic of options.topics) this.#log.topic(topic);
    const group = this.#groups.get(name) ?? new Group(this.#log, name, this.#limits.rebalanceDrainMs);
    this.#groups.set(name, group);
    return group.join(`member-${++this.#joined}`, options);
  }

  #look(): void {
    for (const [name, group] of this.#groups) {
      group.followTopics();
      group.acks.writeSoon();
      if (group.size === 0 && group.acks.idle) this.#groups.delete(name);
    }
  }

  /** Of groups that have members or offsets. */
  list(): string[] {
    const present = [...this.#groups].filter(([, group]) => group.size > 0).map(([name]) => name);
    return [...new Set([...this.#log.groups(), ...present])].sort();
  }

  /** @throws GROUP_UNKNOWN */
  describe(name: string): GroupDescription {
    const committed = this.#log.committedOffsets(name);
    const group = this.#groups.get(name);
    const members = group?.members() ?? [];
    if (members.length === 0 && committed.length === 0) throw unknown(name);
    const owners = new Map(
      members.flatMap(({ id, partitions }) => partitions.map((at) => [`${at.topic}/${at.partition}`, id] as const)),
    );
    const topics = new Set([...committed.map(({ topic }) => topic), ...(group?.topics ?? [])]);
    const partitions = [...topics].flatMap((topic) =>
      (this.#log.findTopic(topic)?.partitions ?? []).map(({ index, start, durable }) => {
        const at = this.#log.committedOffset(name, topic, index) ?? null;
        const member = owners.get(`${topic}/${index}`) ?? null;
        return { topic, partition: index, committed: at, durable, lag: durable - Math.max(at ?? start, start), member };
      }),
    );
    return { group: name, members, partitions };
  }

  /**
   * Sets where the group goes on, partition → offset; a group that had none exists from then on.
   * @throws GROUP_BUSY, TOPIC_UNKNOWN, PARTITION_UNKNOWN, OFFSET_OUT_OF_RANGE
   */
  async resetOffsets(name: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    await this.#requireIdle(name);
    await this.#log.commit({
      offsets: Array.from(offsets, ([partition, offset]) => ({ group: name, topic, partition, offset })),
    });
  }

  /** @throws GROUP_UNKNOWN, GROUP_BUSY */
  async delete(name: string): Promise<void> {
    await this.#requireIdle(name);
    if (!this.#log.groups().includes(name)) throw unknown(name);
    await this.#log.deleteGroup(name);
  }

  /** Also what the last members acknowledged must be written, or it would undo what follows. */
  async #requireIdle(name: string): Promise<void> {
    const group = this.#groups.get(name);
    if (group?.size === 0) await group.acks.flush();
    const members = group?.size ?? 0;
    if (members > 0) throw new SluiceError('GROUP_BUSY', `group ${name} has ${members} members`, { members });
  }

  /** Writes every acknowledgement; members are gone afterwards. @throws what the log could not write them for */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const closing = [...this.#groups.values()].map((group) => group.close());
    this.#groups.clear();
    await Promise.all(closing);
  }
}

function unknown(name: string): SluiceError {
  return new SluiceError('GROUP_UNKNOWN', `there is no group ${name}`);
}
