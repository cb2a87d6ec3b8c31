/** Topics as they grow. The state has the next offset of each partition; what comes a second time is left out by it. */
import type { KafkaMessage } from 'kafkajs';
import {
  arrival,
  type Change,
  type ChangePage,
  type ChangesRequest,
  Inbox,
  type MessageFormat,
  type Row,
  rowOfMessage,
  SluiceError,
  type Value,
} from '#connector';
import type { Cluster } from './cluster.ts';

const HEARTBEAT_MS = 1_000;

export interface Arrived {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly message: KafkaMessage;
}

/** By topic and partition. */
export type Places = Map<string, Map<number, bigint>>;

export async function* readChanges(
  cluster: Cluster,
  format: MessageFormat,
  request: ChangesRequest,
): AsyncGenerator<ChangePage> {
  const { pageRecordsMax, state, snapshot } = request;
  const streams = await Promise.all(request.streams.map((name) => cluster.stream(name, format)));
  const { offsets } = (state ?? {}) as { offsets?: unknown };
  const places = await placesFrom(cluster, request.streams, offsets, snapshot);
  const { inbox, keep, end } = await follow(cluster, places, pageRecordsMax);
  try {
    for (let first = true; ; first = false) {
      const taken = await inbox.take(pageRecordsMax);
      const changes = taken.flatMap((arrived) => (advance(places, arrived) ? [changeOf(arrived, format)] : []));
      yield { changes, state: { offsets: stateOf(places) }, ...(first ? { streams } : {}) };
      if (taken.length > 0) await keep();
    }
  } finally {
    inbox.fail(new SluiceError('ENDPOINT_FAILED', 'the read was left'));
    await end();
  }
}

/** Records of topics from places on, in a box that has room for about so many. */
export async function follow(
  cluster: Cluster,
  places: Places,
  ahead: number,
): Promise<{ inbox: Inbox<Arrived>; keep(): Promise<void>; end(): Promise<void> }> {
  const inbox = new Inbox<Arrived>();
  const { consumer, end } = await cluster.reader();
  const starts = new Map(Array.from(places, ([topic, partitions]) => [topic, new Map(partitions)]));
  try {
    consumer.on(consumer.events.CRASH, ({ payload }) => inbox.fail(payload.error));
    consumer.on(consumer.events.STOP, () => {
      inbox.fail(new SluiceError('ENDPOINT_UNREACHABLE', 'the reader was stopped'));
    });
    await consumer.subscribe({ topics: [...places.keys()], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch: { topic, partition, messages }, resolveOffset, heartbeat, isRunning, isStale }) => {
        for (const message of messages) {
          while (inbox.count >= ahead && !inbox.failed) {
            await Promise.race([inbox.room(ahead), pause(HEARTBEAT_MS)]);
            await heartbeat();
          }
          if (!isRunning() || isStale() || inbox.failed) return;
          // What was fetched before it was told where to begin.
          if (BigInt(message.offset) < (starts.get(topic)?.get(partition) ?? 0n)) continue;
          const bytes = (message.value?.length ?? 0) + (message.key?.length ?? 0);
          inbox.push({ topic, partition, offset: BigInt(message.offset), message }, bytes);
          resolveOffset(message.offset);
        }
      },
    });
    for (const [topic, partitions] of starts) {
      for (const [partition, offset] of partitions) consumer.seek({ topic, partition, offset: String(offset) });
    }
  } catch (error) {
    await end();
    throw error;
  }
  /** So that the group, should it form again, goes on from there. */
  const keep = async () => {
    const offsets = Array.from(places).flatMap(([topic, partitions]) =>
      Array.from(partitions, ([partition, offset]) => ({ topic, partition, offset: String(offset) })),
    );
    await consumer.commitOffsets(offsets);
  };
  return { inbox, keep, end };
}

/** False where it came before. */
export function advance(places: Places, { topic, partition, offset }: Arrived): boolean {
  const partitions = places.get(topic);
  if (partitions === undefined || offset < (partitions.get(partition) ?? 0n)) return false;
  partitions.set(partition, offset + 1n);
  return true;
}

/** @throws REQUEST_INVALID: they come from outside; ENDPOINT_FAILED where what comes next is gone */
export async function placesFrom(
  cluster: Cluster,
  topics: readonly string[],
  given: unknown,
  fromBeginning: boolean,
): Promise<Places> {
  const places: Places = new Map();
  for (const topic of topics) {
    const known = Object.entries((given ?? {}) as Record<string, unknown>).find(([name]) => name === topic)?.[1];
    const partitions = new Map<number, bigint>();
    for (const [partition, { low, high }] of await cluster.bounds(topic)) {
      const at = offsetIn((known as Record<string, unknown> | undefined)?.[String(partition)]);
      if (at !== undefined && at < low) {
        throw new SluiceError('ENDPOINT_FAILED', `${topic} begins with offset ${low} now: read it anew`);
      }
      // A partition that the state does not know is new.
      partitions.set(partition, at ?? (fromBeginning || known !== undefined ? low : high));
    }
    places.set(topic, partitions);
  }
  return places;
}

export function stateOf(places: Places): Record<string, Record<string, string>> {
  return Object.fromEntries(
    Array.from(places, ([topic, partitions]) => [
      topic,
      Object.fromEntries(Array.from(partitions, ([partition, offset]) => [String(partition), String(offset)])),
    ]),
  );
}

export function rowOf({ partition, offset, message }: Arrived, format: MessageFormat): Row {
  const { key, value, headers = {} } = message;
  const beside: Row = {
    _key: key === null || key === undefined ? null : textOrBytes(key),
    _partition: partition,
    _offset: offset,
    _deleted: value === null ? true : null,
    _headers: Object.keys(headers).length === 0 ? null : JSON.stringify(headers, shown),
  };
  if (value !== null) return rowOfMessage(value, format, beside);
  return Object.fromEntries(Object.entries(beside).filter(([, one]) => one !== null));
}

function changeOf(arrived: Arrived, format: MessageFormat): Change {
  const { topic, partition, offset, message } = arrived;
  return arrival(topic, rowOf(arrived, format), Number(message.timestamp), `${topic}/${partition}/${offset}`);
}

function offsetIn(given: unknown): bigint | undefined {
  if (given === undefined || given === null) return undefined;
  if (typeof given === 'string' && /^\d{1,18}$/.test(given)) return BigInt(given);
  throw new SluiceError('REQUEST_INVALID', 'this is no state of such a read', { field: 'state' });
}

function textOrBytes(bytes: Buffer): Value {
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : new Uint8Array(bytes);
}

function shown(_name: string, value: unknown): unknown {
  const { type, data } = (value ?? {}) as { type?: unknown; data?: unknown };
  return type === 'Buffer' && Array.isArray(data) ? Buffer.from(data as number[]).toString() : value;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
