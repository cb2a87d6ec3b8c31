/**
 * Reads of a stream over all its partitions: one pass each, in the order of the partitions' keys, so that a read that was cut
 * goes on where it was although parents came and went. Each partition has a state of its own. Used by `connection.ts`.
 */
import { SluiceError } from '#kernel';
import type { Json, Page, ReadRequest } from '../contract.ts';
import type { HttpClient } from './client.ts';
import type { HttpRead, HttpStream, JsonObject } from './declaration.ts';
import { stringifyExact } from './exact-json.ts';
import { Pages } from './pages.ts';
import { readPass } from './passes.ts';
import { Rows } from './rows.ts';

/** Parents whose keys are held at once. */
const PARTITIONS_MAX = 200_000;
const PARENT_PAGE_RECORDS = 1_000;

interface PartitionedState {
  /** The partition under way. */
  readonly at?: string;
  readonly state?: Json;
  /** Of incremental reads: where each partition is. */
  readonly partitions?: Readonly<Record<string, Json>>;
}

interface Partition {
  readonly key: string;
  readonly values: JsonObject;
}

export type FindStream = (name: string) => HttpStream;

/** @throws ENDPOINT_UNSUPPORTED, REQUEST_INVALID and what the system says */
export async function* readStream(
  client: HttpClient,
  stream: HttpStream,
  request: ReadRequest,
  find: FindStream,
): AsyncGenerator<Page> {
  const { read } = stream;
  if (read === undefined || (request.mode === 'incremental' && read.incremental === undefined)) {
    throw new SluiceError('ENDPOINT_UNSUPPORTED', `${stream.name} cannot be read like that`);
  }
  const { cursor } = request;
  if (request.mode === 'incremental' && cursor !== undefined && cursor !== read.incremental?.cursor) {
    const message = `${stream.name} can be read incrementally by ${read.incremental?.cursor}`;
    throw new SluiceError('REQUEST_INVALID', message, { field: 'cursor' });
  }
  const pass = (partition: JsonObject, state: Json | undefined) => {
    const pages = new Pages(client, read, request.pageRecordsMax);
    const parts = { read, rows: new Rows(stream), pages, partition, pageRecordsMax: request.pageRecordsMax };
    return readPass(parts, request.mode, state);
  };
  if (read.partitions === undefined) {
    let before = JSON.stringify(request.state ?? {});
    for await (const { records, state } of pass({}, request.state)) {
      const changed = JSON.stringify(state);
      if (records.length > 0 || changed !== before) yield { records, state };
      before = changed;
    }
    return;
  }
  yield* readPartitions(await partitionsOf(client, read, find), request, pass);
}

async function* readPartitions(
  all: readonly Partition[],
  { mode, state: given }: ReadRequest,
  pass: (partition: JsonObject, state: Json | undefined) => ReturnType<typeof readPass>,
): AsyncGenerator<Page> {
  const begun = (given ?? {}) as PartitionedState;
  const kept: Record<string, Json> = { ...begun.partitions };
  const from = begun.at;
  for (const { key, values } of all) {
    if (from !== undefined && key < from) continue;
    const own = key === from ? begun.state : mode === 'incremental' ? kept[key] : undefined;
    for await (const { records, state, ends } of pass(values, own)) {
      if (mode === 'incremental' && ends) kept[key] = state;
      const partitions = mode === 'incremental' ? { partitions: { ...kept } } : {};
      if (records.length > 0) yield { records, state: { ...partitions, at: key, state } };
    }
  }
  // The next read begins with the first partition again.
  if (mode === 'incremental') {
    const end = { partitions: kept };
    if (JSON.stringify(end) !== JSON.stringify(begun)) yield { records: [], state: end };
  }
}

/** By key. @throws LIMIT_EXCEEDED */
async function partitionsOf(client: HttpClient, { partitions }: HttpRead, find: FindStream): Promise<Partition[]> {
  const found = new Map<string, JsonObject>();
  const add = (values: JsonObject) => {
    found.set(stringifyExact(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))), values);
    if (found.size > PARTITIONS_MAX)
      throw new SluiceError('LIMIT_EXCEEDED', `there are more than ${PARTITIONS_MAX} parents`);
  };
  if (partitions === undefined) return [];
  if ('list' in partitions) for (const values of partitions.list) add(values);
  else {
    const parent = find(partitions.parent);
    const request = { stream: parent.name, mode: 'full' as const, pageRecordsMax: PARENT_PAGE_RECORDS };
    for await (const { records } of readStream(client, parent, request, find)) {
      for (const row of records) {
        const record = new Rows(parent).toRecord(row);
        add(Object.fromEntries(Object.entries(partitions.values).map(([name, field]) => [name, record[field]])));
      }
    }
  }
  const all = Array.from(found, ([key, values]) => ({ key, values }));
  return all.sort((a, b) => (a.key < b.key ? -1 : 1));
}
