/**
 * Chunks of a table's snapshot, each read at one moment and held until the stream of changes has passed that moment.
 *
 *   stream  ──T1──T2──┬───────T3──T4──T5──┬── mark ──▶      what T1 to T5 changed is given as it comes;
 *   chunk             └ moment: sees T1,T2,T4 ┘  held rows   rows that T3 and T5 changed are dropped from the chunk
 *
 * Which transactions a chunk sees is asked by their numbers and not by places in the log: a transaction is in the log before it
 * can be seen. One that was given already and cannot be seen yet makes the chunk wait. Used by `changes`.
 */
import type pg from 'pg';
import { fromJson, type Json, keyJson, keyText, type Row, type Stream } from '#connector';
import { findTable, publishedStream, type Table } from './discovery.ts';
import { selectRows } from './reading.ts';

const XID_HALF = 2n ** 31n;
const XID_RANGE = 2n ** 32n;
const LOCK_MS = 3_000;
const LOCKED = '55P03';

/** Which transactions can be seen. */
export interface Moment {
  /** Every transaction before this has ended. */
  readonly oldest: bigint;
  readonly next: bigint;
  readonly running: ReadonlySet<bigint>;
}

export interface Chunk {
  readonly stream: Stream;
  readonly table: Table;
  readonly moment: Moment;
  readonly at: string;
  /** By the text of its key. */
  readonly rows: Map<string, Row>;
  /** The key of the last row; null: there was none. */
  readonly last: Json;
  /** It ends the table. */
  readonly final: boolean;
  /** What the stream will show when all that the chunk sees has passed. */
  readonly mark: string;
}

export interface ChunkRequest {
  readonly name: string;
  readonly oid: string;
  readonly after: Json;
  readonly limit: number;
  readonly mark: string;
  /** Transactions that were given, by the low half of their numbers: the chunk has to see them. */
  readonly given: ReadonlySet<number>;
  /** Every transaction before this has to have ended. */
  readonly barrier: bigint;
}

/** `10:20:10,14`, see `pg_current_snapshot`. */
function parseMoment(text: string): Moment {
  const [oldest = '0', next = '0', running = ''] = text.split(':');
  const numbers = running === '' ? [] : running.split(',').map(BigInt);
  return { oldest: BigInt(oldest), next: BigInt(next), running: new Set(numbers) };
}

/** @param low the low half of a transaction's number; of those that fit, the nearest is meant */
export function sees({ oldest, next, running }: Moment, low: number): boolean {
  let number = next - (next % XID_RANGE) + BigInt(low);
  if (number - next > XID_HALF) number -= XID_RANGE;
  else if (next - number > XID_HALF) number += XID_RANGE;
  return number < oldest || (number < next && !running.has(number));
}

/** The number of the next transaction, now: to wait for all before it. */
export async function nextTransaction(pool: pg.Pool): Promise<bigint> {
  const { rows } = await pool.query<{ moment: string }>('SELECT pg_current_snapshot() AS moment');
  return parseMoment(rows[0]?.moment ?? '').next;
}

/** The next chunk; undefined when the time for it has not come, because of transactions under way or a lock. */
export async function readChunk(pool: pg.Pool, request: ChunkRequest): Promise<Chunk | undefined> {
  const { quoted } = await findTable(pool, request.name);
  const client = await pool.connect();
  let chunk: Chunk | undefined;
  try {
    // The lock comes before the moment: a table that is emptied or rewritten between the two would look empty.
    await client.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = ${LOCK_MS};
      LOCK TABLE ${quoted} IN ACCESS SHARE MODE`);
    chunk = await select(client, request);
    await client.query('COMMIT');
    client.release();
  } catch (error) {
    const broken = await client.query('ROLLBACK').then(
      () => undefined,
      (failed: Error) => failed,
    );
    client.release(broken);
    if ((error as { code?: string }).code === LOCKED) return undefined;
    throw error;
  }
  // Committed without waiting for other servers, but to this one's disk: only what is there is streamed.
  if (chunk !== undefined) {
    await pool.query(`BEGIN; SET LOCAL synchronous_commit = local;
      SELECT pg_logical_emit_message(true, 'sluice', '${request.mark}'); COMMIT`);
  }
  return chunk;
}

async function select(client: pg.PoolClient, request: ChunkRequest): Promise<Chunk | undefined> {
  const { name, oid, after, limit, mark, given, barrier } = request;
  const { rows: now } = await client.query<{ moment: string; at: string }>(
    `SELECT pg_current_snapshot() AS moment, to_char(now(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`,
  );
  const moment = parseMoment(now[0]?.moment ?? '');
  if (moment.oldest < barrier) return undefined;
  for (const low of given) if (!sees(moment, low)) return undefined;
  const table = await findTable(client, name);
  if (table.oid !== oid) return undefined;
  const stream = publishedStream(table);
  const rows = await selectRows(client, table, stream.fields, {
    order: stream.primaryKey,
    after: after === null ? undefined : fromJson(after as Record<string, unknown>, stream),
    skipNull: false,
    offset: 0,
    limit,
  });
  const last = rows.at(-1);
  return {
    stream,
    table,
    moment,
    at: now[0]?.at ?? '',
    rows: new Map(rows.map((row) => [keyText(row, stream.primaryKey), row])),
    last: last === undefined ? null : keyJson(last, stream),
    final: rows.length < limit,
    mark,
  };
}
