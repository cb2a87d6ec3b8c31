/**
 * Rows of a table: pages by its key or by a cursor, and single rows by their keys. The columns are looked up for each page: a table
 * may change between two.
 */
import type Database from 'libsql';
import {
  type KeysetQuery,
  type Page,
  type ReadRequest,
  type Row,
  readKeyset,
  requireFields,
  requireStream,
  type Stream,
  type Value,
} from '#connector';
import { discoverTables, quote } from './discovery.ts';
import { asCoded } from './errors.ts';
import { bound } from './writing.ts';

type Raw = null | bigint | number | string | Buffer;

export function readTable(database: Database.Database, request: ReadRequest): AsyncGenerator<Page> {
  const stream = requireStream(
    asCoded(() => discoverTables(database)),
    request.stream,
  );
  return readKeyset(stream, request, async (query) => asCoded(() => page(database, stream.name, query)));
}

function page(database: Database.Database, name: string, query: KeysetQuery): Row[] {
  const { order, after, skipNull, offset, limit } = query;
  const stream = requireStream(discoverTables(database), name);
  const key = order.map(quote).join(', ');
  let where = '';
  let parameters: unknown[] = [];
  if (after !== undefined) {
    where = `WHERE (${key}) > (${order.map(() => '?').join(', ')})`;
    parameters = order.map((column) => bound(after[column] ?? null));
  } else if (skipNull) {
    where = `WHERE ${quote(order[0] as string)} IS NOT NULL`;
  }
  const columns = stream.fields.map((field) => quote(field.name)).join(', ');
  const sorted = order.length === 0 ? '' : `ORDER BY ${key}`;
  const from = order.length === 0 ? `OFFSET ${offset}` : '';
  const statement = database.prepare(`SELECT ${columns} FROM ${quote(name)} ${where} ${sorted} LIMIT ${limit} ${from}`);
  return (statement.raw(true).all(...parameters) as Raw[][]).map((values) => rowOf(stream, values));
}

/**
 * The rows of these keys, in order; of several with one key any. Keys with a null find nothing.
 * @throws ENDPOINT_STREAM_UNKNOWN, REQUEST_INVALID where the table has no such column
 */
export function lookUpRows(
  database: Database.Database,
  name: string,
  by: readonly string[],
  keys: readonly Row[],
): (Row | null)[] {
  const stream = requireStream(discoverTables(database), name);
  requireFields(stream, by);
  const columns = stream.fields.map((field) => quote(field.name)).join(', ');
  const where = by.map((column) => `${quote(column)} = ?`).join(' AND ');
  const statement = database.prepare(`SELECT ${columns} FROM ${quote(name)} WHERE ${where} LIMIT 1`).raw(true);
  return keys.map((key) => {
    const values = statement.get(...by.map((column) => bound(key[column] ?? null))) as Raw[] | undefined;
    return values === undefined ? null : rowOf(stream, values);
  });
}

function rowOf({ fields }: Stream, values: readonly Raw[]): Row {
  const row: Record<string, Value> = Object.create(null);
  fields.forEach(({ name, type }, i) => {
    row[name] = taken(type, values[i] ?? null);
  });
  return row;
}

function taken(type: string, value: Raw): Value {
  if (value === null) return null;
  if (value instanceof Buffer) return new Uint8Array(value);
  if (type === 'boolean' && (value === 0n || value === 1n)) return value === 1n;
  if (type === 'float' && typeof value === 'bigint') return Number(value);
  if (type === 'decimal' || type === 'json') return String(value);
  return value;
}
