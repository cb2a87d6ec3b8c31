/** Writing to a table: one statement, run for each record of a batch in one transaction. */
import type Database from 'libsql';
import {
  noSuchRecord,
  type Row,
  requireStream,
  SluiceError,
  type Value,
  type WriteRequest,
  type WriteResult,
  writeBatches,
} from '#connector';
import { discoverTables, quote } from './discovery.ts';
import { asCoded, coded, rejection } from './errors.ts';

export async function writeTable(
  database: Database.Database,
  request: WriteRequest,
  records: readonly Row[],
): Promise<WriteResult[]> {
  const { mode, stream: name } = request;
  const stream = requireStream(
    asCoded(() => discoverTables(database)),
    name,
  );
  const keys = request.keys.length > 0 ? request.keys : stream.primaryKey;
  if (keys.length === 0 && mode !== 'insert') {
    throw new SluiceError('REQUEST_INVALID', `${name} has no primary key: name the keys`, { field: 'keys' });
  }
  try {
    return await writeBatches(records, {
      run: async (fields, batch) => {
        const { sql, parameters } = statementFor(name, mode, keys, fields);
        database.exec('BEGIN IMMEDIATE');
        try {
          const statement = database.prepare(sql);
          for (const record of batch) {
            const { changes } = statement.run(...parameters.map((field) => bound(record[field] ?? null)));
            if (mode === 'update' && changes === 0) throw noSuchRecord();
          }
          database.exec('COMMIT');
        } catch (error) {
          if (database.inTransaction) database.exec('ROLLBACK');
          throw error;
        }
      },
      rejection,
    });
  } catch (error) {
    throw coded(error);
  }
}

function statementFor(
  table: string,
  mode: WriteRequest['mode'],
  keys: readonly string[],
  fields: readonly string[],
): { sql: string; parameters: readonly string[] } {
  const others = fields.filter((field) => !keys.includes(field));
  const equal = (names: readonly string[], between: string) => names.map((one) => `${quote(one)} = ?`).join(between);
  if (mode === 'delete') {
    return { sql: `DELETE FROM ${quote(table)} WHERE ${equal(keys, ' AND ')}`, parameters: keys };
  }
  if (mode === 'update') {
    const set = others.length === 0 ? equal(keys, ', ') : equal(others, ', ');
    const sql = `UPDATE ${quote(table)} SET ${set} WHERE ${equal(keys, ' AND ')}`;
    return { sql, parameters: [...(others.length === 0 ? keys : others), ...keys] };
  }
  const insert = `INSERT INTO ${quote(table)} (${fields.map(quote).join(', ')}) VALUES (${fields.map(() => '?').join(', ')})`;
  if (mode === 'insert') return { sql: insert, parameters: fields };
  const set = others.map((one) => `${quote(one)} = excluded.${quote(one)}`).join(', ');
  const conflict = set === '' ? 'DO NOTHING' : `DO UPDATE SET ${set}`;
  return { sql: `${insert} ON CONFLICT (${keys.map(quote).join(', ')}) ${conflict}`, parameters: fields };
}

/** A value as SQLite binds it. @throws RECORD_REJECTED for what SQLite cannot hold */
export function bound(value: Value): null | number | bigint | string | Buffer {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (Array.isArray(value)) throw new SluiceError('RECORD_REJECTED', 'SQLite has no arrays');
  if (Number.isNaN(value)) throw new SluiceError('RECORD_REJECTED', 'SQLite would keep NaN as NULL');
  return value as null | number | bigint | string;
}
