/**
 * One consumer group: its members, which partitions each has, and how a partition moves.
 *
 *   owned by A ──(must move)──▶ revoked from A, draining ──(A released it, or time is up)──▶ owned by B
 *
 * A partition has one owner at any time; an acknowledgement from anyone else is refused. While it drains its
 * old owner may still acknowledge what it was sent, so that an orderly move repeats nothing.
 */
import { SluiceError } from '#kernel';
import { AckWriter } from './ack-writer.ts';
import { assignPartitions } from './assignment.ts';
import type { Log, Partition } from './contract.ts';
import { Member, type MemberOptions, type TopicPartition } from './member.ts';

/** `topic/partition` */
type Place = string;

interface Seat {
  readonly id: string;
  readonly options: MemberOptions;
  /** What it owns, those it is to give up included. */
  readonly owned: Map<Place, Partition>;
  readonly draining: Map<Place, NodeJS.Timeout>;
}

export interface MemberDescription {
  readonly id: string;
  readonly client: string | undefined;
  readonly topics: readonly string[];
  readonly partitions: readonly TopicPartition[];
}

export class Group {
  readonly acks: AckWriter;
  readonly #log: Log;
  readonly #drainMs: number;
  readonly #seats = new Map<string, Seat>();
  /** The topics and partitions that were shared out last. */
  #shared = '';

  constructor(log: Log, name: string, drainMs: number) {
    this.#log = log;
    this.#drainMs = drainMs;
    this.acks = new AckWriter(log, name);
  }

  get size(): number {
    return this.#seats.size;
  }

  /** Every topic a member reads. */
  get topics(): Set<string> {
    return new Set([...this.#seats.values()].flatMap(({ options }) => options.topics));
  }

  join(id: string, options: MemberOptions): Member {
    const seat: Seat = { id, options, owned: new Map(), draining: new Map() };
    this.#seats.set(id, seat);
    this.#rebalance();
    return new Member(id, {
      assignment: () => [...seat.owned].filter(([place]) => !seat.draining.has(place)).map(([, p]) => plain(p)),
      ack: (topic, partition, nextOffset) => this.#ack(seat, topic, partition, nextOffset),
      flush: () => this.acks.flush(),
      released: (topic, partition) => this.#released(seat, `${topic}/${partition}`),
      leave: () => this.#leave(seat),
    });
  }

  #ack(seat: Seat, topic: string, index: number, nextOffset: number): void {
    const partition = seat.owned.get(`${topic}/${index}`);
    if (partition === undefined || this.#log.findTopic(topic) !== partition.topic) {
      throw new SluiceError('MEMBER_FENCED', `${topic}/${index} does not belong to this member`, {
        topic,
        partition: index,
      });
    }
    const { durable } = partition;
    if (!Number.isSafeInteger(nextOffset) || nextOffset < 0 || nextOffset > durable) {
      throw new SluiceError('OFFSET_OUT_OF_RANGE', `${topic}/${index} ends at ${durable}, not ${nextOffset}`, {
        durable,
      });
    }
    this.acks.add(partition, nextOffset);
  }

  /** Shares out again when a topic has grown, is gone, or is another of the same name. */
  followTopics(): void {
    if (this.#shared !== this.#present()) this.#rebalance();
  }

  #present(): string {
    const topics = [...this.topics].map((name) => this.#log.findTopic(name));
    return topics.map((topic) => `${topic?.id}:${topic?.partitions.length}`).join();
  }

  #rebalance(): void {
    this.#shared = this.#present();
    for (const topic of this.topics) {
      const partitions = new Map((this.#log.findTopic(topic)?.partitions ?? []).map((p) => [placeOf(p), p]));
      const seats = [...this.#seats.values()].filter(({ options }) => options.topics.includes(topic));
      for (const seat of seats) this.#dropDeleted(seat, topic, partitions);
      const wanted = assignPartitions(
        [...partitions.keys()],
        seats.map(({ id }) => id),
        new Map(seats.map(({ id, owned }) => [id, new Set(owned.keys())])),
      );
      for (const seat of seats) this.#revoke(seat, topic, wanted.get(seat.id) as ReadonlySet<Place>);
      const owned = new Set(seats.flatMap((seat) => [...seat.owned.keys()]));
      for (const seat of seats) {
        const mine = [...(wanted.get(seat.id) as ReadonlySet<Place>)].filter((place) => !owned.has(place));
        this.#assign(
          seat,
          mine.map((place) => partitions.get(place) as Partition),
        );
      }
    }
  }

  #assign(seat: Seat, partitions: readonly Partition[]): void {
    if (partitions.length === 0) return;
    for (const partition of partitions) seat.owned.set(placeOf(partition), partition);
    const assigned = partitions.map((partition) => ({ ...plain(partition), offset: this.acks.position(partition) }));
    this.#tell(seat, () => seat.options.listener.assigned(assigned));
  }

  /** What was a partition of a topic that is gone can be taken away at once: there is nothing left to acknowledge. */
  #dropDeleted(seat: Seat, topic: string, present: ReadonlyMap<Place, Partition>): void {
    const gone = [...seat.owned].filter(([place, p]) => p.topic.name === topic && present.get(place) !== p);
    if (gone.length === 0) return;
    for (const [place] of gone) this.#release(seat, place);
    this.#tell(seat, () => seat.options.listener.revoked(gone.map(([, partition]) => plain(partition))));
  }

  #revoke(seat: Seat, topic: string, wanted: ReadonlySet<Place>): void {
    const going = [...seat.owned].filter(
      ([place, p]) => p.topic.name === topic && !wanted.has(place) && !seat.draining.has(place),
    );
    if (going.length === 0) return;
    for (const [place] of going) {
      seat.draining.set(
        place,
        setTimeout(() => this.#released(seat, place), this.#drainMs),
      );
    }
    this.#tell(seat, () => seat.options.listener.revoked(going.map(([, partition]) => plain(partition))));
  }

  /** Later, and only who is still a member. */
  #tell(seat: Seat, call: () => void): void {
    queueMicrotask(() => {
      if (this.#seats.has(seat.id)) call();
    });
  }

  #released(seat: Seat, place: Place): void {
    if (!seat.draining.has(place)) return;
    this.#release(seat, place);
    this.#rebalance();
  }

  #release(seat: Seat, place: Place): void {
    clearTimeout(seat.draining.get(place));
    seat.draining.delete(place);
    seat.owned.delete(place);
  }

  async #leave(seat: Seat): Promise<void> {
    if (!this.#seats.delete(seat.id)) return;
    for (const place of [...seat.owned.keys()]) this.#release(seat, place);
    this.#rebalance();
    await this.acks.flush();
  }

  members(): MemberDescription[] {
    return Array.from(this.#seats.values(), ({ id, options: { client, topics }, owned }) => {
      return { id, client, topics, partitions: [...owned.values()].map(plain) };
    });
  }

  /** Everyone is gone, without being told. */
  async close(): Promise<void> {
    for (const seat of this.#seats.values()) for (const place of [...seat.owned.keys()]) this.#release(seat, place);
    this.#seats.clear();
    await this.acks.flush();
  }
}

function placeOf({ topic, index }: Partition): Place {
  return `${topic.name}/${index}`;
}

function plain({ topic, index }: Partition): TopicPartition {
  return { topic: topic.name, partition: index };
}
