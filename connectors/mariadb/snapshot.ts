/**
 * Chunks of a table's snapshot, each read at one place of the binary log and held until the stream is there: all that was written
 * before was given before, all that is written after comes after. The server tells the place of a consistent snapshot exactly.
 *
 *   stream  ──T1──T2──T3──┬──T4──▶
 *   chunk        place of it ┘ given here
 *
 * A transaction is in the log before it can be seen: a snapshot from before what was given already is taken again.
 * Used by `changes`.
 */
import type { Pool, PoolConnection, RowDataPacket } from 'mysql2/promise';
import { fromJson, type Json, keyJson, type Row, SluiceError, type Stream } from '#connector';
import { placeOf } from './binlog.ts';
import { findTable, publishedStream, type Table } from './discovery.ts';
import { selectRows } from './reading.ts';

const LOCK_SECONDS = 3;
/** The table was changed since the snapshot, or is being changed. */
const AGAIN: readonly string[] = ['ER_TABLE_DEF_CHANGED', 'ER_LOCK_WAIT_TIMEOUT'];

export interface Chunk {
  readonly stream: Stream;
  readonly table: Table;
  readonly place: string;
  readonly at: string;
  readonly rows: readonly Row[];
  /** The key of the last row; null: there was none. */
  readonly last: Json;
  /** It ends the table. */
  readonly final: boolean;
}

export interface ChunkRequest {
  readonly name: string;
  readonly after: Json;
  readonly limit: number;
  /** Everything before this was given, or is not in the stream: the chunk has to see it. */
  readonly given: string;
}

/** The next chunk; undefined when the time for it has not come. */
export async function readChunk(database: Pool, request: ChunkRequest): Promise<Chunk | undefined> {
  const connection = await database.getConnection();
  try {
    await connection.query(`SET SESSION lock_wait_timeout = ${LOCK_SECONDS}`);
    await connection.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
    const chunk = await select(connection, request);
    await connection.query('COMMIT');
    await connection.query('SET SESSION lock_wait_timeout = DEFAULT');
    connection.release();
    return chunk;
  } catch (error) {
    // What is left of the transaction goes with the connection.
    connection.destroy();
    if (AGAIN.includes((error as { code?: string }).code ?? '')) return undefined;
    throw error;
  }
}

async function select(connection: PoolConnection, request: ChunkRequest): Promise<Chunk | undefined> {
  const { name, after, limit, given } = request;
  const place = await snapshotPlace(connection);
  if (place < given) return undefined;
  const table = await findTable(connection, name);
  const stream = publishedStream(table);
  const [times] = await connection.query<RowDataPacket[]>("SELECT DATE_FORMAT(NOW(6), '%Y-%m-%dT%H:%i:%s.%fZ')");
  const rows = await selectRows(connection, table, stream.fields, {
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
    place,
    at: String((times as unknown as Buffer[][])[0]?.[0]),
    rows,
    last: last === undefined ? null : keyJson(last, stream),
    final: rows.length < limit,
  };
}

async function snapshotPlace(connection: PoolConnection): Promise<string> {
  const [rows] = await connection.query<RowDataPacket[]>("SHOW STATUS LIKE 'binlog_snapshot_%'");
  const values = new Map((rows as unknown as Buffer[][]).map(([name, value]) => [String(name), String(value)]));
  const [file, position] = [values.get('Binlog_snapshot_file'), values.get('Binlog_snapshot_position')];
  if (file === undefined || position === undefined) {
    throw new SluiceError('ENDPOINT_UNSUPPORTED', 'the server does not tell the place of a snapshot in its binary log');
  }
  return placeOf(file, position);
}
