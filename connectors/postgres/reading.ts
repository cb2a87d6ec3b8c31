/**
 * Rows of a table: pages by its key or by a cursor, and single rows by their keys. The columns are looked up for each page: a table may change
 * between two.
 */
import type pg from 'pg';
import {
  type Field,
  type KeysetQuery,
  type Page,
  type ReadRequest,
  type Row,
  readKeyset,
  requireFields,
  type Value,
} from '#connector';
import { type Database, findTable, quote, type Table } from './discovery.ts';
import { coded } from './errors.ts';
import { fromText, toText } from './types.ts';

export async function* readTable(pool: pg.Pool, request: ReadRequest): AsyncGenerator<Page> {
  try {
    const { stream } = await findTable(pool, request.stream);
    yield* readKeyset(stream, request, (query) => page(pool, stream.name, query));
  } catch (error) {
    throw coded(error);
  }
}

async function page(pool: pg.Pool, name: string, query: KeysetQuery): Promise<Row[]> {
  const table = await findTable(pool, name);
  return selectRows(pool, table, table.stream.fields, query);
}

/** The rows of one page, with these of the table's fields. */
export async function selectRows(
  database: Database,
  { quoted, casts }: Table,
  fields: readonly Field[],
  { order, after, skipNull, offset, limit }: KeysetQuery,
): Promise<Row[]> {
  const key = order.map(quote).join(', ');
  let where = '';
  let parameters: unknown[] = [];
  if (after !== undefined) {
    where = `WHERE (${key}) > (${order.map((column, i) => `$${i + 1}::${casts.get(column)}`).join(', ')})`;
    parameters = order.map((column) => toText(after[column] ?? null));
  } else if (skipNull) {
    where = `WHERE ${quote(order[0] as string)} IS NOT NULL`;
  }
  const columns = fields.map((field) => quote(field.name)).join(', ');
  const sorted = order.length === 0 ? `OFFSET ${offset}` : `ORDER BY ${key}`;
  const { rows } = await database.query<(string | null)[]>({
    text: `SELECT ${columns} FROM ${quoted} ${where} ${sorted} LIMIT ${limit}`,
    values: parameters,
    rowMode: 'array',
  });
  return rows.map((texts) => rowOf(fields, texts));
}

/**
 * The rows of these keys, in order; of several with one key any. Keys with a null find nothing.
 * @throws REQUEST_INVALID where the table has no such column
 */
export async function lookUpRows(
  database: Database,
  { stream, quoted, casts }: Table,
  by: readonly string[],
  keys: readonly Row[],
): Promise<(Row | null)[]> {
  requireFields(stream, by);
  const found: (Row | null)[] = keys.map(() => null);
  if (keys.length === 0) return found;
  const given = keys.map((key) => Object.fromEntries(by.map((name, i) => [`c${i}`, toText(key[name] ?? null)])));
  const columns = stream.fields.map((field) => `t.${quote(field.name)}`).join(', ');
  const texts = by.map((_, i) => `c${i} text`).join(', ');
  const same = by.map((name, i) => `t.${quote(name)} = s.c${i}::${casts.get(name)}`).join(' AND ');
  const { rows } = await database.query<(string | null)[]>({
    text: `SELECT s.n, ${columns} FROM ROWS FROM (json_to_recordset($1::json) AS (${texts})) WITH ORDINALITY AS s(${by
      .map((_, i) => `c${i}`)
      .join(', ')}, n) JOIN ${quoted} AS t ON ${same}`,
    values: [JSON.stringify(given)],
    rowMode: 'array',
  });
  for (const [n, ...cells] of rows) found[Number(n) - 1] = rowOf(stream.fields, cells);
  return found;
}

function rowOf(fields: readonly Field[], texts: readonly (string | null)[]): Row {
  const row: Record<string, Value> = Object.create(null);
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as Field;
    row[field.name] = fromText(field, texts[i] ?? null);
  }
  return row;
}
