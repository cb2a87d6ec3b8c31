/**
 * Writing to a table: one statement a batch, whatever its size. The batch travels as one parameter, JSON with every value as
 * PostgreSQL's text, and is cast to the types of the columns on the other side.
 */
import type pg from 'pg';
import { noSuchRecord, type Row, SluiceError, type WriteRequest, type WriteResult, writeBatches } from '#connector';
import { findTable, quote, type Table } from './discovery.ts';
import { rejection } from './errors.ts';
import { toText } from './types.ts';

export async function writeTable(
  pool: pg.Pool,
  request: WriteRequest,
  records: readonly Row[],
): Promise<WriteResult[]> {
  const { mode, stream: name } = request;
  const table = await findTable(pool, name);
  const keys = request.keys.length > 0 ? request.keys : table.stream.primaryKey;
  if (keys.length === 0 && mode !== 'insert') {
    throw new SluiceError('REQUEST_INVALID', `${name} has no primary key: name the keys`, { field: 'keys' });
  }
  return writeBatches(records, {
    run: async (fields, batch) => {
      for (const field of fields) {
        if (!table.casts.has(field)) throw new SluiceError('RECORD_REJECTED', `${name} has no column ${field}`);
      }
      const given = batch.map((row) =>
        Object.fromEntries(fields.map((field, i) => [`c${i}`, toText(row[field] ?? null)])),
      );
      const text = JSON.stringify(given);
      const sql = statementFor(table, mode, keys, fields);
      if (mode !== 'update') {
        await pool.query(sql, [text]);
        return;
      }
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        const { rowCount } = await client.query(sql, [text]);
        if (rowCount !== batch.length) throw noSuchRecord();
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK').catch(() => undefined);
        throw error;
      } finally {
        client.release();
      }
    },
    rejection,
  });
}

function statementFor(
  { quoted, casts }: Table,
  mode: WriteRequest['mode'],
  keys: readonly string[],
  fields: readonly string[],
): string {
  const used = mode === 'delete' ? keys : fields;
  const values = used.map((field) => `c${fields.indexOf(field)}::${casts.get(field)} AS ${quote(field)}`);
  const texts = fields.map((_, i) => `c${i} text`).join(', ');
  const given = `SELECT ${values.join(', ')} FROM json_to_recordset($1::json) AS r(${texts})`;
  const same = keys.map((key) => `t.${quote(key)} = s.${quote(key)}`).join(' AND ');
  const others = fields.filter((field) => !keys.includes(field));
  const set = (from: string) => others.map((field) => `${quote(field)} = ${from}.${quote(field)}`).join(', ');
  if (mode === 'delete') return `DELETE FROM ${quoted} AS t USING (${given}) AS s WHERE ${same}`;
  if (mode === 'update') {
    const change = others.length === 0 ? keys.map((key) => `${quote(key)} = s.${quote(key)}`).join(', ') : set('s');
    return `UPDATE ${quoted} AS t SET ${change} FROM (${given}) AS s WHERE ${same}`;
  }
  const insert = `INSERT INTO ${quoted} (${fields.map(quote).join(', ')}) OVERRIDING SYSTEM VALUE ${given}`;
  if (mode === 'insert') return insert;
  const conflict = others.length === 0 ? 'DO NOTHING' : `DO UPDATE SET ${set('excluded')}`;
  return `${insert} ON CONFLICT (${keys.map(quote).join(', ')}) ${conflict}`;
}
