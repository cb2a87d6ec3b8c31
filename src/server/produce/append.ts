/**
 * Appends the records of one request, all or none: one record goes to the record sink, records for one partition
 * become one batch, more than that one atomic commit of the log.
 */
import { SluiceError } from '#kernel';
import type { Appended, Partition, Topic } from '#log';
import { encodeBatch, type RecordInput } from '#record';
import type { ServerContext } from '../context.ts';
import { partitionAt } from './partitioner.ts';
import { type ProducedRecord, recordBytes } from './record-shape.ts';
import type { ProduceRequest } from './request.ts';

export interface Placed {
  readonly partition: number;
  readonly offset: number;
}

export interface Produced {
  /** One entry a record, in order. */
  readonly offsets: readonly Placed[];
  /** The request was stored before, by its producer's sequence number. */
  readonly duplicate: boolean;
}

/** Records for one batch, with their indexes in the request. */
interface Group {
  readonly partition: Partition;
  readonly records: RecordInput[];
  readonly indexes: number[];
  bytes: number;
}

const BATCH_FRAME_BYTES = 128;

/**
 * Appends more than the plain single record (see `record-sink.ts` for that one). The records' bytes are used
 * before it returns, except those of an idempotent producer, which must last until it resolves.
 * @throws as `Partition.append`; REQUEST_INVALID where one batch is needed and the records do not make one
 */
export async function appendRecords(
  context: ServerContext,
  topic: Topic,
  records: readonly ProducedRecord[],
  request: ProduceRequest,
): Promise<Produced> {
  const groups = groupRecords(context, topic, records, request.partition);
  const [first] = groups as [Group];
  if (request.producer !== undefined || request.expectedOffset !== undefined) requireOnePartition(groups);
  if (request.producer !== undefined) return appendStamped(context, first, groups.length, records.length, request);
  const bases =
    groups.length === 1 ? [await appendOne(first, request)] : await appendAll(context, groups, request.expectedOffset);
  return { offsets: placesOf(groups, bases, records.length), duplicate: false };
}

async function appendOne(group: Group, request: ProduceRequest): Promise<number> {
  const { durability, expectedOffset } = request;
  const options = expectedOffset === undefined ? { durability } : { durability, expectedOffset };
  const appended = await group.partition.append(encodeBatch(group.records), options);
  return appended.baseOffset;
}

async function appendAll(context: ServerContext, groups: readonly Group[], expected?: number): Promise<number[]> {
  const appends = groups.map(({ partition, records }, i) => {
    const append = { partition, batch: encodeBatch(records) };
    return i === 0 && expected !== undefined ? { ...append, expectedOffset: expected } : append;
  });
  const appended = await context.log.commit({ appends });
  return appended.map(({ baseOffset }) => baseOffset);
}

/** One request of an idempotent producer is one batch, so that it can be recognised as a whole. */
async function appendStamped(
  context: ServerContext,
  group: Group,
  groups: number,
  count: number,
  request: ProduceRequest,
): Promise<Produced> {
  const { producer, durability, expectedOffset } = request;
  if (producer === undefined || groups > 1) {
    const max = context.limits.batchBytesMax;
    throw new SluiceError('BATCH_TOO_LARGE', `an idempotent request must fit one batch of ${max} bytes`, { max });
  }
  const id = await context.producers.idOf(producer.name);
  const { epoch, sequence } = producer;
  const batch = encodeBatch(group.records, { producer: { id, epoch, sequence } });
  const options = expectedOffset === undefined ? { durability } : { durability, expectedOffset };
  const { baseOffset, duplicate } = await group.partition.append(batch, options);
  return { offsets: placesOf([group], [baseOffset], count), duplicate };
}

/** A group for each batch, in the order of the records within each partition. */
function groupRecords(
  context: ServerContext,
  topic: Topic,
  records: readonly ProducedRecord[],
  named: number | undefined,
): Group[] {
  const groups: Group[] = [];
  const open = new Map<Partition, Group>();
  const fallback = context.partitioner.next(topic);
  const now = context.clock.now();
  for (let i = 0; i < records.length; i++) {
    const record = records[i] as ProducedRecord;
    const partition = context.partitioner.choose(topic, record.key, record.partition ?? named, fallback);
    const bytes = recordBytes(record);
    let group = open.get(partition);
    if (group === undefined || group.bytes + bytes > context.limits.batchBytesMax) {
      group = { partition, records: [], indexes: [], bytes: BATCH_FRAME_BYTES };
      open.set(partition, group);
      groups.push(group);
    }
    const { key, value, headers } = record;
    group.records.push({ key, value, headers, timestamp: record.timestamp ?? now });
    group.indexes.push(i);
    group.bytes += bytes;
  }
  return groups;
}

function requireOnePartition(groups: readonly Group[]): void {
  if (groups.every(({ partition }) => partition === groups[0]?.partition)) return;
  throw new SluiceError('REQUEST_INVALID', 'the records of this request must all go to one partition', {
    field: 'partition',
  });
}

function placesOf(groups: readonly Group[], bases: readonly number[], count: number): Placed[] {
  const places = new Array<Placed>(count);
  groups.forEach((group, g) => {
    const base = bases[g] as number;
    group.indexes.forEach((index, i) => {
      places[index] = { partition: group.partition.index, offset: base + i };
    });
  });
  return places;
}

/** A batch that arrives as one is stored as it is: the log checks and copies it before this returns. */
export function appendBatch(topic: Topic, batch: Uint8Array, request: ProduceRequest): Promise<Appended> {
  if (request.partition === undefined) {
    throw new SluiceError('REQUEST_INVALID', 'a record batch needs ?partition=', { field: 'partition' });
  }
  if (request.producer !== undefined) {
    throw new SluiceError('REQUEST_INVALID', 'a record batch carries its producer in its own header', {
      field: 'Producer-Id',
    });
  }
  const { durability, expectedOffset } = request;
  const options = expectedOffset === undefined ? { durability } : { durability, expectedOffset };
  return partitionAt(topic, request.partition).append(batch, options);
}
