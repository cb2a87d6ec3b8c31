/**
 * Hashes whose keys begin alike, as records: field `_key` is the rest of the key, the others are the hash's own. They are walked
 * with SCAN, whose cursor is good on any connection; Redis may give one twice while the set of keys changes.
 */
import type { ChainableCommander, Redis } from 'ioredis';
import {
  type Page,
  type ReadRequest,
  type Row,
  SluiceError,
  type Stream,
  type WriteMode,
  type WriteResult,
} from '#connector';
import { rejection } from './errors.ts';
import { fieldsOf, rowOf, toBytes } from './values.ts';

const KEY = '_key';
const SAMPLE = 100;
const DONE = '0';

export async function discoverHashes(redis: Redis, name: string, prefix: string): Promise<Stream> {
  const { rows } = await scan(redis, prefix, DONE, SAMPLE);
  const can = ['full', 'lookup', 'upsert', 'delete'] as const;
  return { name, fields: fieldsOf(KEY, rows), open: true, primaryKey: [KEY], cursors: [], can };
}

export async function* readHashes(redis: Redis, prefix: string, request: ReadRequest): AsyncGenerator<Page> {
  if (request.mode !== 'full') throw new SluiceError('ENDPOINT_UNSUPPORTED', 'hashes have no order to be read on in');
  let cursor = (request.state as { cursor?: string } | null | undefined)?.cursor ?? DONE;
  if (cursor === 'end') return;
  do {
    const { next, rows } = await scan(redis, prefix, cursor, request.pageRecordsMax);
    cursor = next;
    if (rows.length > 0) yield { records: rows, state: { cursor: cursor === DONE ? 'end' : cursor } };
  } while (cursor !== DONE);
}

async function scan(redis: Redis, prefix: string, from: string, count: number): Promise<{ next: string; rows: Row[] }> {
  const pattern = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}*`;
  const [next, keys] = await redis.scanBuffer(from, 'MATCH', pattern, 'COUNT', count, 'TYPE', 'hash');
  const rows = await fetch(redis, prefix, keys);
  // Some were deleted since the scan saw them.
  return { next: String(next), rows: rows.filter((row) => row !== null) };
}

/** The hashes of these keys, in order, null where there is none. @throws REQUEST_INVALID where it is not by their key */
export async function lookUpHashes(
  redis: Redis,
  prefix: string,
  by: readonly string[],
  keys: readonly Row[],
): Promise<(Row | null)[]> {
  if (by.length !== 1 || by[0] !== KEY) {
    throw new SluiceError('REQUEST_INVALID', `hashes are looked up by ${KEY}`, { field: 'fields' });
  }
  return fetch(
    redis,
    prefix,
    keys.map((key) => Buffer.from(`${prefix}${key[KEY]}`)),
  );
}

async function fetch(redis: Redis, prefix: string, keys: readonly Buffer[]): Promise<(Row | null)[]> {
  const pipeline = redis.pipeline();
  for (const key of keys) pipeline.callBuffer('HGETALL', key);
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, pairs], i) => {
    if (error !== null) throw error;
    if ((pairs as Buffer[]).length === 0) return null;
    const key = (keys[i] as Buffer).subarray(Buffer.byteLength(prefix)).toString();
    return rowOf(KEY, key, pairs as Buffer[]);
  });
}

export async function writeHashes(
  redis: Redis,
  prefix: string,
  mode: WriteMode,
  records: readonly Row[],
): Promise<WriteResult[]> {
  const results: (WriteResult | undefined)[] = records.map((record) => refusal(record, mode));
  const pipeline = redis.pipeline();
  const places: number[] = [];
  records.forEach((record, i) => {
    if (results[i] !== undefined) return;
    places.push(i);
    add(pipeline, `${prefix}${record[KEY]}`, mode, record);
  });
  const replies = (await pipeline.exec()) ?? [];
  places.forEach((place, i) => {
    results[place] = resultOf(replies[i]?.[0] ?? null);
  });
  return results as WriteResult[];
}

/** One command for each record: setting and removing fields must not be torn apart. */
const UPSERT = `local gone = {} local set = {}
for i = 1, #ARGV, 3 do
  if ARGV[i] == '1' then set[#set + 1] = ARGV[i + 1] set[#set + 1] = ARGV[i + 2] else gone[#gone + 1] = ARGV[i + 1] end
end
redis.call('HSET', KEYS[1], unpack(set))
if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end`;

function add(pipeline: ChainableCommander, key: string, mode: WriteMode, record: Row): void {
  if (mode === 'delete') {
    pipeline.del(key);
    return;
  }
  const values = Object.entries(record).filter(([name]) => name !== KEY);
  const triples = values.flatMap(([name, value]) => (value === null ? ['0', name, ''] : ['1', name, toBytes(value)]));
  pipeline.eval(UPSERT, 1, key, ...triples);
}

function refusal(record: Row, mode: WriteMode): WriteResult | undefined {
  const reject = (reason: string) => ({ ok: false, code: 'RECORD_REJECTED', reason, retryable: false }) as const;
  if (typeof record[KEY] !== 'string') return reject(`${KEY} must be a string`);
  const some = Object.entries(record).some(([name, value]) => name !== KEY && value !== null);
  return mode === 'delete' || some ? undefined : reject('a hash has at least one field that is not null');
}

/** @throws what is not about the record */
function resultOf(error: Error | null): WriteResult {
  if (error === null) return { ok: true };
  const reason = rejection(error);
  if (reason === undefined) throw error;
  return { ok: false, code: 'RECORD_REJECTED', reason, retryable: false };
}
