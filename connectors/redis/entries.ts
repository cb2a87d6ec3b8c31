/**
 * A Redis Stream: entries in the order they came, each with an id, read on from any of them. An entry that is appended with an id
 * in `_id` is refused when that one was there, so that appending again makes no second one.
 */
import type { Redis } from 'ioredis';
import type { Page, ReadRequest, Row, Stream, WriteResult } from '#connector';
import { rejection } from './errors.ts';
import { fieldsOf, rowOf, toBytes } from './values.ts';

const ID = '_id';
const SAMPLE = 100;

type Entry = readonly [id: Buffer, pairs: readonly Buffer[]];

export async function discoverEntries(redis: Redis, name: string, key: string): Promise<Stream> {
  const rows = (await range(redis, key, '-', SAMPLE)).map(rowFrom);
  return {
    name,
    fields: fieldsOf(ID, rows),
    open: true,
    primaryKey: [ID],
    cursors: [],
    can: ['full', 'incremental', 'append'],
  };
}

/** Both modes are the same: what is behind the last entry seen. */
export async function* readEntries(redis: Redis, key: string, request: ReadRequest): AsyncGenerator<Page> {
  let last = (request.state as { id?: string } | null | undefined)?.id;
  for (;;) {
    const entries = await range(redis, key, last === undefined ? '-' : `(${last}`, request.pageRecordsMax);
    if (entries.length === 0) return;
    last = String((entries.at(-1) as Entry)[0]);
    yield { records: entries.map(rowFrom), state: { id: last } };
    if (entries.length < request.pageRecordsMax) return;
  }
}

export async function appendEntries(redis: Redis, key: string, records: readonly Row[]): Promise<WriteResult[]> {
  const results: (WriteResult | undefined)[] = records.map((record) => refusal(record));
  const pipeline = redis.pipeline();
  const places: number[] = [];
  records.forEach((record, i) => {
    if (results[i] !== undefined) return;
    places.push(i);
    const pairs = given(record).flatMap(([name, value]) => [name, toBytes(value)]);
    pipeline.xadd(key, String(record[ID] ?? '*'), ...pairs);
  });
  const replies = (await pipeline.exec()) ?? [];
  places.forEach((place, i) => {
    const error = replies[i]?.[0] ?? null;
    const reason = error === null ? undefined : rejection(error);
    if (error !== null && reason === undefined) throw error;
    results[place] = reason === undefined ? { ok: true } : rejected(reason);
  });
  return results as WriteResult[];
}

function given(record: Row): [string, Row[string]][] {
  return Object.entries(record).filter(([name, value]) => name !== ID && value !== null);
}

function refusal(record: Row): WriteResult | undefined {
  return given(record).length === 0 ? rejected('an entry has at least one field') : undefined;
}

function rejected(reason: string): WriteResult {
  return { ok: false, code: 'RECORD_REJECTED', reason, retryable: false };
}

function rowFrom([id, pairs]: Entry): Row {
  return rowOf(ID, String(id), pairs);
}

async function range(redis: Redis, key: string, from: string, count: number): Promise<Entry[]> {
  return (await redis.xrangeBuffer(key, from, '+', 'COUNT', count)) as unknown as Entry[];
}
