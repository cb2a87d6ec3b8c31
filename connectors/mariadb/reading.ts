/** Pages of a table, by its key or by a cursor. The columns are looked up for each page: a table may change between two. */
import type { Pool, RowDataPacket } from 'mysql2/promise';
import {
  type KeysetQuery,
  type Page,
  type ReadRequest,
  type Row,
  readKeyset,
  type Stream,
  type Value,
} from '#connector';
import { findTable, quote } from './discovery.ts';
import { coded } from './errors.ts';
import { fromBytes, literal } from './types.ts';

export async function* readTable(database: Pool, request: ReadRequest): AsyncGenerator<Page> {
  try {
    const { stream } = await findTable(database, request.stream);
    yield* readKeyset(stream, request, (query) => page(database, stream.name, query));
  } catch (error) {
    throw coded(error);
  }
}

async function page(database: Pool, name: string, query: KeysetQuery): Promise<Row[]> {
  const { order, after, skipNull, offset, limit } = query;
  const { stream, selected } = await findTable(database, name);
  let where = '';
  if (after !== undefined) where = `WHERE ${behind(stream, order, after)}`;
  else if (skipNull) where = `WHERE ${quote(order[0] as string)} IS NOT NULL`;
  // Without a key all columns together are the order; equal rows are alike.
  const sorted = `ORDER BY ${order.length === 0 ? selected.join(', ') : order.map(quote).join(', ')}`;
  const from = order.length === 0 ? `OFFSET ${offset}` : '';
  const sql = `SELECT ${selected.join(', ')} FROM ${quote(name)} ${where} ${sorted} LIMIT ${limit} ${from}`;
  const [rows] = await database.query<RowDataPacket[]>(sql);
  return (rows as unknown as (Buffer | null)[][]).map((cells) => {
    const row: Record<string, Value> = Object.create(null);
    stream.fields.forEach((field, i) => {
      row[field.name] = fromBytes(field.type, cells[i] ?? null);
    });
    return row;
  });
}

/** `a >= 1 AND (a > 1 OR (a = 1 AND b > 2))`: comparing rows as such would not use an index here. */
function behind(stream: Stream, order: readonly string[], after: Row): string {
  const value = (name: string) => {
    const type = stream.fields.find((field) => field.name === name)?.type ?? 'string';
    return literal(type, after[name] ?? null);
  };
  const tail = (at: number): string => {
    const name = order[at] as string;
    const greater = `${quote(name)} > ${value(name)}`;
    if (at === order.length - 1) return greater;
    return `(${greater} OR (${quote(name)} = ${value(name)} AND ${tail(at + 1)}))`;
  };
  const first = order[0] as string;
  return `${quote(first)} >= ${value(first)} AND ${tail(0)}`;
}
