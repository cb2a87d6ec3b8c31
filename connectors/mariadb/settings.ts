/** What the server has to be set to for its changes to be read, and where its binary log ends. Used by `changes`. */
import type { Pool, RowDataPacket } from 'mysql2/promise';
import { SluiceError } from '#connector';
import { placeOf } from './binlog.ts';
import { findTable, type Table } from './discovery.ts';

/** By variable: its value, and what it is for. */
const NEEDED: readonly (readonly [string, string, string])[] = [
  ['log_bin', '1', 'changes are read from the binary log; it takes a restart'],
  ['binlog_format', 'ROW', 'statements do not say what they changed'],
  ['binlog_row_image', 'FULL', 'a change has to have all columns'],
  ['binlog_row_metadata', 'FULL', 'a change has to say which columns it has, also after the table was altered'],
];

export interface LogEnd {
  readonly place: string;
  readonly gtids: string;
}

/** @throws ENDPOINT_UNSUPPORTED with the first setting that is not as it must be */
export async function checkSettings(database: Pool): Promise<void> {
  const [[version] = []] = await texts(database, 'SELECT VERSION()');
  if (!/mariadb/i.test(String(version))) {
    throw new SluiceError('ENDPOINT_UNSUPPORTED', 'changes are read from MariaDB only, this is MySQL');
  }
  for (const [name, needed, why] of NEEDED) {
    const [[, value] = []] = await texts(database, `SHOW GLOBAL VARIABLES LIKE '${name}'`);
    const is = value === 'ON' ? '1' : value;
    if (is !== needed) {
      const message = `reading changes needs the setting ${name} = ${needed}, here it is ${value ?? 'unknown'}: ${why}`;
      throw new SluiceError('ENDPOINT_UNSUPPORTED', message);
    }
  }
}

/** @throws ENDPOINT_STREAM_UNKNOWN, ENDPOINT_UNSUPPORTED */
export async function readableTables(database: Pool, streams: readonly string[]): Promise<Table[]> {
  const tables: Table[] = [];
  for (const name of streams) {
    const table = await findTable(database, name);
    if (table.unreadable !== undefined) {
      throw new SluiceError('ENDPOINT_UNSUPPORTED', `changes of ${name} cannot be read: ${table.unreadable}`);
    }
    tables.push(table);
  }
  return tables;
}

/** Where the log ends now. @param withGtids costs a walk through the last file of the log */
export async function logEnd(database: Pool, withGtids: boolean): Promise<LogEnd> {
  const [[file = '', position = '0'] = []] = await texts(database, 'SHOW MASTER STATUS');
  const place = placeOf(file, position);
  if (!withGtids) return { place, gtids: '' };
  const [[gtids] = []] = await texts(database, `SELECT BINLOG_GTID_POS('${file}', ${Number(position)})`);
  return { place, gtids: gtids ?? '' };
}

async function texts(database: Pool, sql: string): Promise<string[][]> {
  const [rows] = await database.query<RowDataPacket[]>(sql);
  return (rows as unknown as (Buffer | null)[][]).map((row) => row.map(String));
}
