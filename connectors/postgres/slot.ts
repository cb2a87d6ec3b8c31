/**
 * What the server keeps for a consumer of changes: a replication slot, which holds its place in the log, and a publication,
 * which says of which tables. Both have one name, made of the consumer's. Used by `changes` and by forgetting.
 */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { SluiceError } from '#connector';
import { findTable, quote, type Table } from './discovery.ts';
import { type Place, paddedLsn } from './place.ts';

const VERSION_MIN = 140_000;
const NAME_CHARACTERS = 40;
const HASH_CHARACTERS = 10;
/** How long a reader that was lost may hold its slot before it is sent away: the newer one wins. */
const HELD_MS = 2_000;
const LOOK_MS = 50;
const IN_USE = '55006';

export interface Slot {
  readonly name: string;
  readonly system: string;
  /** Where to begin. */
  readonly lsn: string;
  readonly tables: readonly Table[];
}

interface SlotRow {
  readonly active_pid: string | null;
  readonly wal_status: string | null;
  readonly confirmed_flush_lsn: string | null;
}

/** The name of a consumer's slot: only small letters, digits and `_` may be in one, and it is not to meet another's. */
function slotName(consumer: string): string {
  const plain = consumer.toLowerCase().replace(/[^a-z0-9_]/g, '_');
  const hash = createHash('sha256').update(consumer).digest('hex');
  return `sluice_${plain.slice(0, NAME_CHARACTERS)}_${hash.slice(0, HASH_CHARACTERS)}`;
}

/**
 * Makes, or finds, what is needed to read the changes of these streams from a place on, or from now.
 * @throws ENDPOINT_STREAM_UNKNOWN, ENDPOINT_UNSUPPORTED, ENDPOINT_CHANGES_LOST
 */
export async function prepareSlot(
  pool: pg.Pool,
  consumer: string,
  streams: readonly string[],
  place: Place | undefined,
): Promise<Slot> {
  const system = await systemOf(pool);
  const tables: Table[] = [];
  for (const stream of streams) tables.push(await readableTable(pool, stream));
  const name = slotName(consumer);
  if (place === undefined) await dropSlot(pool, name);
  else checkKept(await slotRow(pool, name), place, system);
  await publish(pool, name, tables);
  if (place !== undefined) return { name, system, lsn: place.lsn, tables };
  const { rows } = await pool.query<{ lsn: string }>(
    "SELECT lsn FROM pg_create_logical_replication_slot($1, 'pgoutput')",
    [name],
  );
  return { name, system, lsn: paddedLsn(rows[0]?.lsn ?? ''), tables };
}

/** Drops slot and publication, and ends our own readers of it; what is not there is done. */
export async function forgetConsumer(
  pool: pg.Pool,
  consumer: string,
  readers: Iterable<{ readonly slot: string; close(): Promise<void> }>,
): Promise<void> {
  const name = slotName(consumer);
  for (const reader of readers) if (reader.slot === name) await reader.close();
  await dropSlot(pool, name);
  await pool.query(`DROP PUBLICATION IF EXISTS ${quote(name)}`);
}

/** Waits until nobody reads from it, and sends a reader away that does not go by itself. */
export async function freeSlot(pool: pg.Pool, name: string): Promise<void> {
  const from = performance.now();
  let sent = false;
  for (;;) {
    const pid = (await slotRow(pool, name))?.active_pid ?? null;
    if (pid === null) return;
    const waited = performance.now() - from;
    if (waited > HELD_MS && !sent) {
      await pool.query('SELECT pg_terminate_backend($1)', [pid]);
      sent = true;
    }
    if (waited > 2 * HELD_MS) {
      throw new SluiceError('ENDPOINT_RATE_LIMITED', `the slot ${name} is in use`, { retry_after_ms: HELD_MS });
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** What the server says when a slot cannot give any more changes. */
function lostChanges(message: string): SluiceError {
  return new SluiceError('ENDPOINT_CHANGES_LOST', message);
}

async function systemOf(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ level: string; version: string; system: string }>(
    `SELECT current_setting('wal_level') AS level, current_setting('server_version_num') AS version,
      (SELECT system_identifier FROM pg_control_system()) AS system`,
  );
  const { level, version, system } = rows[0] as (typeof rows)[0];
  if (Number(version) < VERSION_MIN) {
    throw new SluiceError('ENDPOINT_UNSUPPORTED', 'reading changes needs PostgreSQL 14 or newer');
  }
  if (level !== 'logical') {
    const message = `reading changes needs the setting wal_level = logical, here it is ${level}; it takes a restart`;
    throw new SluiceError('ENDPOINT_UNSUPPORTED', message);
  }
  return system;
}

async function readableTable(pool: pg.Pool, stream: string): Promise<Table> {
  const table = await findTable(pool, stream);
  if (table.unreadable !== undefined) {
    throw new SluiceError('ENDPOINT_UNSUPPORTED', `changes of ${stream} cannot be read: ${table.unreadable}`);
  }
  return table;
}

async function slotRow(pool: pg.Pool, name: string): Promise<SlotRow | undefined> {
  const { rows } = await pool.query<SlotRow>(
    'SELECT active_pid, wal_status, confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1',
    [name],
  );
  return rows[0];
}

/** A server that has forgotten more than the reader has taken would go on behind a gap, without a word. */
function checkKept(row: SlotRow | undefined, place: Place, system: string): void {
  if (place.system !== system) throw lostChanges('the state is of another database cluster');
  if (row === undefined) throw lostChanges('the replication slot is gone');
  if (row.wal_status === 'lost') throw lostChanges('the replication slot was invalidated: its log was removed');
  if (row.confirmed_flush_lsn === null || paddedLsn(row.confirmed_flush_lsn) > place.lsn) {
    throw lostChanges(`the replication slot begins at ${row.confirmed_flush_lsn}, the state is at ${place.lsn}`);
  }
}

async function dropSlot(pool: pg.Pool, name: string): Promise<void> {
  for (;;) {
    await freeSlot(pool, name);
    try {
      await pool.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1', [
        name,
      ]);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== IN_USE) throw error;
    }
  }
}

/** The publication has these tables and no others. It is made before the slot, which could not read it otherwise. */
async function publish(pool: pg.Pool, name: string, tables: readonly Table[]): Promise<void> {
  const wanted = tables.map(({ quoted }) => quoted).join(', ');
  const exists = await pool.query('SELECT FROM pg_publication WHERE pubname = $1', [name]);
  if (exists.rowCount === 0) {
    await pool.query(`CREATE PUBLICATION ${quote(name)} FOR TABLE ${wanted} WITH (publish_via_partition_root = true)`);
    return;
  }
  const { rows } = await pool.query<{ oid: string }>(
    'SELECT r.prrelid AS oid FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE p.pubname = $1',
    [name],
  );
  const there = rows.map(({ oid }) => oid).sort();
  const needed = tables.map(({ oid }) => oid).sort();
  if (there.join() !== needed.join()) await pool.query(`ALTER PUBLICATION ${quote(name)} SET TABLE ${wanted}`);
}
