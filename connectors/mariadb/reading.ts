/**
 * Rows of a table: pages by its key or by a cursor, and single rows by their keys. The columns are looked up for each page: a table
 * may change between two.
 */
import type { Pool, RowDataPacket } from 'mysql2/promise';
import {
  type Field,
  type KeysetQuery,
  type Page,
  type ReadRequest,
  type Row,
  readKeyset,
  requireFields,
  type Stream,
  type Value,
} from '#connector';
import { type Database, findTable, quote, type Table } from './discovery.ts';
import { coded } from './errors.ts';
import { fromBytes, literal } from './types.ts';

/** Keys of one query. */
const LOOKUPS_MAX = 200;

type Cells = readonly (Buffer | null)[];

export async function* readTable(database: Pool, request: ReadRequest): AsyncGenerator<Page> {
  try {
    const { stream } = await findTable(database, request.stream);
    yield* readKeyset(stream, request, (query) => page(database, stream.name, query));
  } catch (error) {
    throw coded(error);
  }
}

async function page(database: Pool, name: string, query: KeysetQuery): Promise<Row[]> {
  const table = await findTable(database, name);
  return selectRows(database, table, table.stream.fields, query);
}

/** The rows of one page, with these of the table's fields. */
export async function selectRows(
  database: Database,
  { stream, selected }: Table,
  fields: readonly Field[],
  { order, after, skipNull, offset, limit }: KeysetQuery,
): Promise<Row[]> {
  const columns = fields.map((field) => selected[stream.fields.findIndex(({ name }) => name === field.name)]);
  let where = '';
  if (after !== undefined) where = `WHERE ${behind(stream, order, after)}`;
  else if (skipNull) where = `WHERE ${quote(order[0] as string)} IS NOT NULL`;
  // Without a key all columns together are the order; equal rows are alike.
  const sorted = `ORDER BY ${order.length === 0 ? columns.join(', ') : order.map(quote).join(', ')}`;
  const from = order.length === 0 ? `OFFSET ${offset}` : '';
  const sql = `SELECT ${columns.join(', ')} FROM ${quote(stream.name)} ${where} ${sorted} LIMIT ${limit} ${from}`;
  const [rows] = await database.query<RowDataPacket[]>(sql);
  return (rows as unknown as Cells[]).map((cells) => rowOf(fields, cells));
}

/**
 * The rows of these keys, in order; of several with one key any. Keys with a null find nothing.
 * @throws ENDPOINT_STREAM_UNKNOWN, REQUEST_INVALID where the table has no such column
 */
export async function lookUpRows(
  database: Pool,
  name: string,
  by: readonly string[],
  keys: readonly Row[],
): Promise<(Row | null)[]> {
  const { stream, selected } = await findTable(database, name);
  requireFields(stream, by);
  const found: (Row | null)[] = keys.map(() => null);
  // One query a key, many in one: what is equal is decided by the column's collation, which only the server knows.
  const type = (column: string) => stream.fields.find((field) => field.name === column)?.type ?? 'string';
  const columns = selected.join(', ');
  for (let from = 0; from < keys.length; from += LOOKUPS_MAX) {
    const queries = keys.slice(from, from + LOOKUPS_MAX).map((key, i) => {
      const same = by.map((column) => `${quote(column)} = ${literal(type(column), key[column] ?? null)}`).join(' AND ');
      return `(SELECT ${from + i} AS n, ${columns} FROM ${quote(name)} WHERE ${same} LIMIT 1)`;
    });
    const [rows] = await database.query<RowDataPacket[]>(queries.join(' UNION ALL '));
    for (const [n, ...cells] of rows as unknown as Cells[]) found[Number(n)] = rowOf(stream.fields, cells);
  }
  return found;
}

function rowOf(fields: readonly Field[], cells: Cells): Row {
  const row: Record<string, Value> = Object.create(null);
  for (let i = 0; i < fields.length; i++) {
    const { name, type } = fields[i] as Field;
    row[name] = fromBytes(type, cells[i] ?? null);
  }
  return row;
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
