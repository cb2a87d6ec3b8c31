/** Records to a topic, acknowledged by all replicas; one that Kafka refuses is found by halving its batch. */
import type { Message } from 'kafkajs';
import {
  bodyOfRow,
  headersOfRow,
  type MessageFormat,
  type Row,
  SluiceError,
  type Stream,
  type WriteResult,
  writeBatches,
} from '#connector';
import type { Cluster } from './cluster.ts';
import { rejection } from './errors.ts';

const ALL_REPLICAS = -1;

export async function append(
  cluster: Cluster,
  stream: Stream,
  format: MessageFormat,
  records: readonly Row[],
): Promise<WriteResult[]> {
  const producer = await cluster.producer();
  const partitions = await cluster.bounds(stream.name);
  return writeBatches(records, {
    run: async (_fields, part) => {
      const messages = part.map((record) => messageOf(record, stream, format, partitions));
      await producer.send({ topic: stream.name, acks: ALL_REPLICAS, messages });
    },
    rejection,
  });
}

/** @throws RECORD_REJECTED */
function messageOf(
  record: Row,
  stream: Stream,
  format: MessageFormat,
  partitions: ReadonlyMap<number, unknown>,
): Message {
  const { _key: key, _partition: partition, _deleted: deleted } = record;
  if (key !== undefined && key !== null && typeof key !== 'string' && !(key instanceof Uint8Array)) {
    throw new SluiceError('RECORD_REJECTED', '_key must be a text or bytes');
  }
  if (partition !== undefined && partition !== null && !partitions.has(partition as number)) {
    throw new SluiceError('RECORD_REJECTED', `${stream.name} has no partition ${String(partition)}`);
  }
  return {
    key: key === undefined || key === null ? null : Buffer.from(key as string),
    value: deleted === true ? null : Buffer.from(bodyOfRow(record, format, stream)),
    headers: headersOfRow(record),
    ...(typeof partition === 'number' ? { partition } : {}),
  };
}
