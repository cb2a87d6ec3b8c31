/** The op `subscribe`: reads what is asked for and opens the subscription it describes. */
import { SluiceError } from '#kernel';
import type { Partition, QueueOptions, Topic } from '#log';
import type { ServerContext } from '../context.ts';
import { partitionAt } from '../produce/partitioner.ts';
import type { Message } from './codec.ts';
import {
  invalid,
  readChoice,
  readInteger,
  readIntegers,
  readOptionalInteger,
  readOptionalText,
  readText,
} from './fields.ts';
import { GroupSubscription } from './group-subscription.ts';
import { QueueSubscription } from './queue-subscription.ts';
import type { Session } from './session.ts';
import { Subscription } from './subscription.ts';

export interface SubscriptionEntry {
  readonly subscription: Subscription | QueueSubscription;
  /** Present where records are acknowledged. */
  readonly group: GroupSubscription | QueueSubscription | undefined;
}

const FORMATS = ['records', 'batch'] as const;
const MODES = ['stream', 'queue'] as const;

/** Answers `subscribed` and begins to send. @throws TOPIC_UNKNOWN, PARTITION_UNKNOWN, OFFSET_…, REQUEST_INVALID */
export function openSubscription(
  context: ServerContext,
  session: Session,
  id: number,
  message: Message,
): SubscriptionEntry {
  const topic = context.log.topic(readText(message, 'topic'));
  const from = message['from'] ?? 'latest';
  const groupName = readOptionalText(message, 'group');
  if (readChoice(message, 'mode', MODES, 'stream') === 'queue') {
    const queue = openQueue(context, session, id, topic, message);
    return { subscription: queue, group: queue };
  }
  const indexes = readIntegers(message, 'partitions') ?? topic.partitions.map(({ index }) => index);
  if (typeof from === 'number' && indexes.length !== 1) throw invalid('from', 'may be a number for one partition only');
  const subscription = new Subscription(session, context.limits, {
    id,
    format: readChoice(message, 'format', FORMATS, 'records'),
    permits: Math.min(readInteger(message, 'permits'), context.limits.permitsMax),
    followsStart: from === 'earliest',
  });
  if (groupName === undefined) {
    subscribeTo(
      subscription,
      session,
      indexes.map((index) => partitionAt(topic, index)),
      from,
    );
    return { subscription, group: undefined };
  }
  if (message['partitions'] !== undefined) throw invalid('partitions', 'come from the group');
  checkFrom(topic, from);
  session.send({ op: 'subscribed', sub: id, partitions: [] });
  const startOf = (index: number) => startOffset(context.log.partition(topic.name, index), from);
  const group = new GroupSubscription({
    groups: context.groups,
    session,
    subscription,
    topic: topic.name,
    group: groupName,
    partition: (index) => context.log.partition(topic.name, index),
    startOf,
  });
  return { subscription, group };
}

function openQueue(
  context: ServerContext,
  session: Session,
  id: number,
  topic: Topic,
  message: Message,
): QueueSubscription {
  const from = message['from'] ?? 'latest';
  if (message['partitions'] !== undefined) throw invalid('partitions', 'are shared by the members of a queue');
  if (readChoice(message, 'format', FORMATS, 'records') === 'batch') throw invalid('format', 'is records in a queue');
  checkFrom(topic, from);
  return new QueueSubscription(context, session, {
    id,
    topic: topic.name,
    group: readText(message, 'group'),
    permits: readInteger(message, 'permits'),
    startOf: (partition) => startOffset(partition, from),
    ...queueOptions(message),
  });
}

/** Those that are named. */
function queueOptions(message: Message): Partial<QueueOptions> {
  const visibilityMs = readOptionalInteger(message, 'visibility_ms');
  const maxAttempts = readOptionalInteger(message, 'max_attempts');
  const backoffMs = readOptionalInteger(message, 'backoff_ms');
  const backoffMaxMs = readOptionalInteger(message, 'backoff_max_ms');
  if (visibilityMs === 0) throw invalid('visibility_ms', 'must be a millisecond or more');
  return {
    ...(visibilityMs === undefined ? {} : { visibilityMs }),
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
    ...(backoffMs === undefined ? {} : { backoffMs }),
    ...(backoffMaxMs === undefined ? {} : { backoffMaxMs }),
  };
}

function subscribeTo(
  subscription: Subscription,
  session: Session,
  partitions: readonly Partition[],
  from: unknown,
): void {
  const starts = partitions.map((partition) => ({ partition, offset: startOffset(partition, from) }));
  try {
    for (const { partition, offset } of starts) subscription.addLane(partition, offset);
  } catch (error) {
    subscription.close();
    throw error;
  }
  const placed = starts.map(({ partition, offset }) => ({ partition: partition.index, offset }));
  session.send({ op: 'subscribed', sub: subscription.id, partitions: placed });
}

function checkFrom(topic: Topic, from: unknown): void {
  for (const partition of topic.partitions) startOffset(partition, from);
}

/** Where `from` points in a partition; one that an object of offsets does not name begins at the end. */
function startOffset(partition: Partition, from: unknown): number {
  if (from === 'earliest') return partition.start;
  if (from === 'latest') return partition.durable;
  if (typeof from === 'number' && Number.isSafeInteger(from) && from >= 0) return from;
  if (typeof from === 'string' && /^@\d+$/.test(from)) return partition.offsetForTime(Number(from.slice(1)));
  if (typeof from === 'object' && from !== null && !Array.isArray(from)) {
    const offset = (from as Record<string, unknown>)[String(partition.index)];
    if (offset === undefined) return partition.durable;
    if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0) return offset;
  }
  throw new SluiceError('REQUEST_INVALID', 'from must be earliest, latest, @<ms>, an offset, or offsets by partition', {
    field: 'from',
  });
}
