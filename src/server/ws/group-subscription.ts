/**
 * A subscription whose partitions come from a consumer group. A partition that moves away is no longer sent at
 * once, and given up when all that was sent of it is acknowledged, or when the coordinator's time is up.
 */
import { SluiceError } from '#kernel';
import type { AssignedPartition, GroupCoordinator, Member, Partition, TopicPartition } from '#log';
import type { Message } from './codec.ts';
import { readInteger } from './fields.ts';
import type { Session } from './session.ts';
import type { Subscription } from './subscription.ts';

export interface GroupSubscriptionParts {
  readonly groups: GroupCoordinator;
  readonly session: Session;
  readonly subscription: Subscription;
  readonly topic: string;
  readonly group: string;
  /** Looked up anew each time: the topic may be deleted and made again. @throws TOPIC_UNKNOWN, PARTITION_UNKNOWN */
  partition(index: number): Partition;
  /** Where a partition begins that the group has no offset for. */
  startOf(partition: number): number;
}

export class GroupSubscription {
  readonly #parts: GroupSubscriptionParts;
  readonly #member: Member;
  /** Revoked partitions → offset up to which they were sent. */
  readonly #leaving = new Map<number, number>();
  readonly #acknowledged = new Map<number, number>();
  readonly #sent = new Set<number>();

  /** @throws TOPIC_UNKNOWN */
  constructor(parts: GroupSubscriptionParts) {
    this.#parts = parts;
    const { topic, session } = parts;
    this.#member = parts.groups.join(parts.group, {
      topics: [topic],
      ...(session.principal.client === undefined ? {} : { client: session.principal.client }),
      listener: {
        assigned: (partitions) => this.#assigned(partitions),
        revoked: (partitions) => this.#revoked(partitions),
      },
    });
  }

  #assigned(assigned: readonly AssignedPartition[]): void {
    const { subscription, session } = this.#parts;
    if (session.closed) return;
    const placed: { partition: number; offset: number }[] = [];
    for (const { partition: index, offset: committed } of assigned) {
      const partition = this.#parts.partition(index);
      const offset = Math.min(Math.max(committed ?? this.#parts.startOf(index), partition.start), partition.durable);
      this.#leaving.delete(index);
      placed.push({ partition: index, offset });
      subscription.addLane(partition, offset);
    }
    session.send({ op: 'assigned', sub: subscription.id, partitions: placed });
  }

  #revoked(revoked: readonly TopicPartition[]): void {
    const { subscription, session, topic } = this.#parts;
    if (session.closed) return;
    const partitions = revoked.map(({ partition }) => partition);
    session.send({ op: 'revoked', sub: subscription.id, partitions });
    for (const partition of partitions) {
      const lane = subscription.removeLane(partition);
      const committed = this.#acknowledged.get(partition) ?? -1;
      if (lane === undefined || lane.next <= committed || !this.#sent.has(partition))
        this.#member.released(topic, partition);
      else this.#leaving.set(partition, lane.next);
    }
  }

  /** Called for each delivery, so that a partition of which nothing was sent can move at once. */
  delivered(partition: number): void {
    this.#sent.add(partition);
  }

  /** Everything up to and including the offset is done. @throws MEMBER_FENCED, OFFSET_OUT_OF_RANGE */
  ack(message: Message): void {
    const partition = readInteger(message, 'partition');
    const offset = readInteger(message, 'offset');
    const { topic } = this.#parts;
    const { durable } = this.#parts.partition(partition);
    if (offset >= durable) {
      throw new SluiceError('OFFSET_OUT_OF_RANGE', `offset ${offset} has not been delivered`, { durable });
    }
    this.#member.ack(topic, partition, offset + 1);
    this.#acknowledged.set(partition, offset + 1);
    if (offset + 1 < (this.#leaving.get(partition) ?? Number.POSITIVE_INFINITY)) return;
    this.#leaving.delete(partition);
    this.#member.released(topic, partition);
  }

  /** The client will acknowledge no more of a partition that was revoked. */
  release(partition: number): void {
    if (this.#leaving.delete(partition)) this.#member.released(this.#parts.topic, partition);
  }

  flush(): Promise<void> {
    return this.#member.flush();
  }

  /** What it had is given up in the same way whether its client left or was lost. */
  leave(_lost = false): Promise<void> {
    return this.#member.leave();
  }
}
