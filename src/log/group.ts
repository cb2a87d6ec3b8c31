/**
 * Consumer groups: who is in a group, which partitions each member has, and what has been acknowledged. Runs
 * above any engine; the offsets themselves are the log's. Called by the server for each grouped subscription.
 *
 *   owned by A ──(must move)──▶ revoked from A, draining ──(A released it, or time is up)──▶ owned by B
 *
 * A partition has one owner at any time; an acknowledgement from anyone else is refused. While it drains its
 * old owner may still acknowledge what it was sent, so that an orderly move repeats nothing.
 */
import { type Clock, type Limits, SluiceError } from '#kernel';
import { AckWriter } from './ack-writer.ts';
import { assignPartitions } from './assignment.ts';
import type { Log } from './contract.ts';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface AssignedPartition extends TopicPartition {
  /** The committed offset; undefined when there is none yet. */
  readonly offset: number | undefined;
}

/** Both are called in a later turn than the change that caused them. */
export interface MemberListener {
  assigned(partitions: readonly AssignedPartition[]): void;
  /** Acknowledge what was processed, then call `Member.released` for each. */
  revoked(partitions: readonly TopicPartition[]): void;
}

export interface MemberOptions {
  readonly topics: readonly string[];
  /** Who this is, for people. */
  readonly client?: string;
  readonly listener: MemberListener;
}

export interface GroupDescription {
  readonly group: string;
  readonly members: readonly {
    id: string;
    client: string | undefined;
    topics: readonly string[];
    partitions: TopicPartition[];
  }[];
  readonly partitions: readonly {
    topic: string;
    partition: number;
    committed: number | null;
    durable: number;
    lag: number;
    member: string | null;
  }[];
}

interface Seat {
  readonly id: string;
  readonly options: MemberOptions;
  /** `topic/partition` it owns, those it is to give up included. */
  readonly owned: Set<string>;
  readonly draining: Map<string, NodeJS.Timeout>;
}

interface Group {
  readonly name: string;
  readonly seats: Map<string, Seat>;
  readonly acks: AckWriter;
}

/** How often topics are looked at for partitions that were added. */
const GROWTH_CHECK_MS = 1_000;

export class GroupCoordinator {
  readonly #log: Log;
  readonly #limits: Limits;
  readonly #groups = new Map<string, Group>();
  readonly #growth: NodeJS.Timeout;
  #joined = 0;
  #partitionsSeen = 0;

  constructor(log: Log, options: { limits: Limits; clock: Clock }) {
    this.#log = log;
    this.#limits = options.limits;
    this.#growth = setInterval(() => this.#checkGrowth(), GROWTH_CHECK_MS);
    this.#growth.unref();
  }

  /** @throws TOPIC_UNKNOWN */
  join(name: string, options: MemberOptions): Member {
    for (const topic of options.topics) this.#log.topic(topic);
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { name, seats: new Map(), acks: new AckWriter(this.#log, name) };
      this.#groups.set(name, group);
    }
    const seat: Seat = { id: `member-${++this.#joined}`, options, owned: new Set(), draining: new Map() };
    group.seats.set(seat.id, seat);
    const joined = group;
    this.#rebalance(joined);
    return new Member(seat.id, {
      assignment: () => [...seat.owned].filter((place) => !seat.draining.has(place)).map(parsePlace),
      ack: (topic, partition, nextOffset) => {
        if (!seat.owned.has(placeOf(topic, partition))) {
          throw new SluiceError('MEMBER_FENCED', `${topic}/${partition} belongs to another member`, {
            topic,
            partition,
          });
        }
        joined.acks.add(topic, partition, nextOffset);
      },
      flush: () => joined.acks.flush(),
      released: (topic, partition) => this.#released(joined, seat, placeOf(topic, partition)),
      leave: () => this.#leave(joined, seat),
    });
  }

  #rebalance(group: Group): void {
    for (const topic of this.#topicsOf(group)) {
      const partitions = (this.#log.findTopic(topic)?.partitions ?? []).map(({ index }) => placeOf(topic, index));
      const members = [...group.seats.values()].filter(({ options }) => options.topics.includes(topic));
      const wanted = assignPartitions(
        partitions,
        members.map(({ id }) => id),
        new Map(members.map(({ id, owned }) => [id, owned])),
      );
      for (const seat of members) this.#revoke(group, seat, topic, wanted.get(seat.id) as ReadonlySet<string>);
      const owners = this.#owners(group);
      for (const seat of members) {
        const mine = [...(wanted.get(seat.id) as ReadonlySet<string>)].filter((place) => !owners.has(place));
        if (mine.length > 0) this.#assign(group, seat, mine);
      }
    }
  }

  #topicsOf(group: Group): Set<string> {
    return new Set([...group.seats.values()].flatMap(({ options }) => options.topics));
  }

  #owners(group: Group): Map<string, Seat> {
    return new Map([...group.seats.values()].flatMap((seat) => [...seat.owned].map((place) => [place, seat] as const)));
  }

  #assign(group: Group, seat: Seat, places: readonly string[]): void {
    for (const place of places) seat.owned.add(place);
    const assigned = places.map(parsePlace).map(({ topic, partition }) => ({
      topic,
      partition,
      offset: group.acks.position(topic, partition),
    }));
    queueMicrotask(() => seat.options.listener.assigned(assigned));
  }

  #revoke(group: Group, seat: Seat, topic: string, wanted: ReadonlySet<string>): void {
    const going = [...seat.owned].filter(
      (place) => parsePlace(place).topic === topic && !wanted.has(place) && !seat.draining.has(place),
    );
    if (going.length === 0) return;
    for (const place of going) {
      seat.draining.set(
        place,
        setTimeout(() => this.#released(group, seat, place), this.#limits.rebalanceDrainMs),
      );
    }
    queueMicrotask(() => seat.options.listener.revoked(going.map(parsePlace)));
  }

  #released(group: Group, seat: Seat, place: string): void {
    const timer = seat.draining.get(place);
    if (timer === undefined) return;
    clearTimeout(timer);
    seat.draining.delete(place);
    seat.owned.delete(place);
    if (group.seats.has(seat.id)) this.#rebalance(group);
  }

  async #leave(group: Group, seat: Seat): Promise<void> {
    if (!group.seats.delete(seat.id)) return;
    for (const timer of seat.draining.values()) clearTimeout(timer);
    seat.draining.clear();
    seat.owned.clear();
    this.#rebalance(group);
    await group.acks.flush();
    if (group.seats.size === 0) this.#groups.delete(group.name);
  }

  #checkGrowth(): void {
    let seen = 0;
    for (const group of this.#groups.values()) {
      for (const topic of this.#topicsOf(group)) seen += this.#log.findTopic(topic)?.partitions.length ?? 0;
    }
    if (seen === this.#partitionsSeen) return;
    this.#partitionsSeen = seen;
    for (const group of this.#groups.values()) this.#rebalance(group);
  }

  list(): string[] {
    return [...new Set([...this.#log.groups(), ...this.#groups.keys()])].sort();
  }

  /** @throws GROUP_UNKNOWN */
  describe(name: string): GroupDescription {
    const group = this.#groups.get(name);
    const committed = this.#log.committedOffsets(name);
    if (group === undefined && committed.length === 0) throw unknownGroup(name);
    const owners = group === undefined ? new Map<string, Seat>() : this.#owners(group);
    const topics = new Set([
      ...committed.map(({ topic }) => topic),
      ...(group === undefined ? [] : this.#topicsOf(group)),
    ]);
    const members = [...(group?.seats.values() ?? [])].map(({ id, options, owned }) => ({
      id,
      client: options.client,
      topics: options.topics,
      partitions: [...owned].map(parsePlace),
    }));
    const partitions = [...topics].flatMap((topic) =>
      (this.#log.findTopic(topic)?.partitions ?? []).map(({ index, start, durable }) => {
        const at = this.#log.committedOffset(name, topic, index) ?? null;
        const member = owners.get(placeOf(topic, index))?.id ?? null;
        return { topic, partition: index, committed: at, durable, lag: durable - Math.max(at ?? start, start), member };
      }),
    );
    return { group: name, members, partitions };
  }

  /** Sets where the group goes on, partition → offset. @throws GROUP_BUSY while it has members */
  async resetOffsets(name: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    this.#requireIdle(name);
    await this.#log.commit({
      offsets: [...offsets].map(([partition, offset]) => ({ group: name, topic, partition, offset })),
    });
  }

  /** @throws GROUP_UNKNOWN, GROUP_BUSY */
  async delete(name: string): Promise<void> {
    this.#requireIdle(name);
    if (!this.#log.groups().includes(name)) throw unknownGroup(name);
    await this.#log.deleteGroup(name);
  }

  #requireIdle(name: string): void {
    const members = this.#groups.get(name)?.seats.size ?? 0;
    if (members > 0) throw new SluiceError('GROUP_BUSY', `group ${name} has ${members} members`, { members });
  }

  /** Writes every acknowledgement; members are gone afterwards. */
  async close(): Promise<void> {
    clearInterval(this.#growth);
    for (const group of this.#groups.values()) {
      for (const seat of group.seats.values()) for (const timer of seat.draining.values()) clearTimeout(timer);
      await group.acks.flush();
    }
    this.#groups.clear();
  }
}

/** What a member can do; made by `GroupCoordinator.join`. */
interface MemberActs {
  assignment(): TopicPartition[];
  ack(topic: string, partition: number, nextOffset: number): void;
  flush(): Promise<void>;
  released(topic: string, partition: number): void;
  leave(): Promise<void>;
}

export class Member {
  readonly id: string;
  readonly #acts: MemberActs;

  constructor(id: string, acts: MemberActs) {
    this.id = id;
    this.#acts = acts;
  }

  get assignment(): readonly TopicPartition[] {
    return this.#acts.assignment();
  }

  /** Everything below `nextOffset` is done. Written soon; `flush` waits for it. @throws MEMBER_FENCED */
  ack(topic: string, partition: number, nextOffset: number): void {
    this.#acts.ack(topic, partition, nextOffset);
  }

  /** Resolves when all acknowledgements so far are durable. */
  flush(): Promise<void> {
    return this.#acts.flush();
  }

  /** After `revoked`: no acknowledgement of this partition will follow. */
  released(topic: string, partition: number): void {
    this.#acts.released(topic, partition);
  }

  leave(): Promise<void> {
    return this.#acts.leave();
  }
}

function placeOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

function parsePlace(place: string): TopicPartition {
  const cut = place.lastIndexOf('/');
  return { topic: place.slice(0, cut), partition: Number(place.slice(cut + 1)) };
}

function unknownGroup(name: string): SluiceError {
  return new SluiceError('GROUP_UNKNOWN', `there is no group ${name}`);
}
