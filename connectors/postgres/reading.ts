/** Pages of a table, by its key or by a cursor. The columns are looked up for each page: a table may change between two. */
import type pg from 'pg';
import { type KeysetQuery, type Page, type ReadRequest, type Row, readKeyset, type Value } from '#connector';
import { findTable, quote } from './discovery.ts';
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
  const { order, after, skipNull, offset, limit } = query;
  const { stream, quoted, casts } = await findTable(pool, name);
  const key = order.map(quote).join(', ');
  let where = '';
  let parameters: unknown[] = [];
  if (after !== undefined) {
    where = `WHERE (${key}) > (${order.map((column, i) => `$${i + 1}::${casts.get(column)}`).join(', ')})`;
    parameters = order.map((column) => toText(after[column] ?? null));
  } else if (skipNull) {
    where = `WHERE ${quote(order[0] as string)} IS NOT NULL`;
  }
  const columns = stream.fields.map((field) => quote(field.name)).join(', ');
  const sorted = order.length === 0 ? `OFFSET ${offset}` : `ORDER BY ${key}`;
  const { rows } = await pool.query<(string | null)[]>({
    text: `SELECT ${columns} FROM ${quoted} ${where} ${sorted} LIMIT ${limit}`,
    values: parameters,
    rowMode: 'array',
  });
  return rows.map((texts) => {
    const row: Record<string, Value> = Object.create(null);
    stream.fields.forEach((field, i) => {
      row[field.name] = fromText(field, texts[i] ?? null);
    });
    return row;
  });
}
