/**
 * Writing to a table: one statement a batch for insert, upsert and delete, one a record for update, each batch in one
 * transaction. A duplicate of another unique key than the record's own is refused, where MariaDB would change that other row.
 */
import type { Pool, PoolConnection, ResultSetHeader } from 'mysql2/promise';
import {
  noSuchRecord,
  type Row,
  SluiceError,
  type Stream,
  type WriteRequest,
  type WriteResult,
  writeBatches,
} from '#connector';
import { findTable, quote } from './discovery.ts';
import { rejection } from './errors.ts';
import { setOrigin } from './origins.ts';
import { literal } from './types.ts';

export async function writeTable(
  database: Pool,
  request: WriteRequest,
  records: readonly Row[],
): Promise<WriteResult[]> {
  const { mode, stream: name, origin } = request;
  const { stream } = await findTable(database, name);
  const keys = request.keys.length > 0 ? request.keys : stream.primaryKey;
  if (keys.length === 0 && mode !== 'insert') {
    throw new SluiceError('REQUEST_INVALID', `${name} has no primary key: name the keys`, { field: 'keys' });
  }
  return writeBatches(records, {
    run: async (fields, batch) => {
      const statements = statementsFor(stream, mode, keys, fields, batch);
      await inTransaction(database, origin, async (connection) => {
        for (const sql of statements) {
          const [{ affectedRows }] = await connection.query<ResultSetHeader>(sql);
          if (mode === 'update' && affectedRows === 0) throw noSuchRecord();
        }
      });
    },
    rejection,
  });
}

async function inTransaction(
  database: Pool,
  origin: string | undefined,
  work: (connection: PoolConnection) => Promise<void>,
): Promise<void> {
  const connection = await database.getConnection();
  try {
    if (origin !== undefined) await setOrigin(connection, origin);
    await connection.beginTransaction();
    await work(connection);
    await connection.commit();
    if (origin !== undefined) await setOrigin(connection, undefined);
    connection.release();
  } catch (error) {
    // A connection that cannot even roll back, or writes as somebody, is not used again.
    if (origin !== undefined) connection.destroy();
    else {
      await connection.rollback().then(
        () => connection.release(),
        () => connection.destroy(),
      );
    }
    throw error;
  }
}

/** @throws RECORD_REJECTED for values and fields that the table has no place for */
function statementsFor(
  stream: Stream,
  mode: WriteRequest['mode'],
  keys: readonly string[],
  fields: readonly string[],
  batch: readonly Row[],
): string[] {
  const types = new Map(stream.fields.map((field) => [field.name, field.type]));
  const value = (row: Row, name: string) => {
    const type = types.get(name);
    if (type === undefined) throw new SluiceError('RECORD_REJECTED', `${stream.name} has no column ${name}`);
    return literal(type, row[name] ?? null);
  };
  const tuple = (row: Row, names: readonly string[]) => `(${names.map((name) => value(row, name)).join(', ')})`;
  const list = (names: readonly string[]) => `(${names.map(quote).join(', ')})`;
  const table = quote(stream.name);
  const others = fields.filter((field) => !keys.includes(field));
  if (mode === 'delete') {
    return [`DELETE FROM ${table} WHERE ${list(keys)} IN (${batch.map((row) => tuple(row, keys)).join(', ')})`];
  }
  if (mode === 'update') {
    const assign = (row: Row, names: readonly string[], between: string) =>
      names.map((name) => `${quote(name)} = ${value(row, name)}`).join(between);
    const changed = others.length === 0 ? keys : others;
    return batch.map((row) => `UPDATE ${table} SET ${assign(row, changed, ', ')} WHERE ${assign(row, keys, ' AND ')}`);
  }
  const insert = `INSERT INTO ${table} ${list(fields)} VALUES ${batch.map((row) => tuple(row, fields)).join(', ')}`;
  if (mode === 'insert') return [insert];
  // NULL in a key is refused; so is, by this, the row of another key that a further unique index led to.
  const same = keys.map((key) => `${quote(key)} = IF(${quote(key)} <=> VALUES(${quote(key)}), ${quote(key)}, NULL)`);
  const set = others.map((name) => `${quote(name)} = VALUES(${quote(name)})`);
  return [`${insert} ON DUPLICATE KEY UPDATE ${[...same, ...set].join(', ')}`];
}
