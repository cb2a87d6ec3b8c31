/** What a PostgreSQL database holds: tables and views, from its catalogue. Called by the connection, reads and writes. */
import type pg from 'pg';
import { type Field, requireStream, type ScalarType, type Stream } from '#connector';
import { typeOf } from './types.ts';

/** A pool, or one connection inside a transaction. */
export type Database = Pick<pg.ClientBase, 'query'>;

export interface Table {
  readonly stream: Stream;
  readonly oid: string;
  /** As it is written in SQL. */
  readonly quoted: string;
  /** By column: its type as it is written in a cast, without length or precision, which a cast would cut to. */
  readonly casts: ReadonlyMap<string, string>;
  /** Columns that are computed from others; the stream of changes does not have them. */
  readonly computed: ReadonlySet<string>;
  /** Columns whose value in rows that were there before them is null. */
  readonly optional: ReadonlySet<string>;
  /** Why its changes cannot be read; undefined when they can. */
  readonly unreadable: string | undefined;
}

interface ColumnRow {
  readonly schema: string;
  readonly table: string;
  readonly kind: string;
  readonly column: string;
  readonly cast: string;
  readonly type: string;
  /** Of the elements of an array. */
  readonly element: string | null;
  readonly not_null: string;
  /** Place in the primary key, from 1. */
  readonly key: string | null;
  readonly oid: string;
  /** `p`: permanent, which is the only kind that is logged. */
  readonly persistence: string;
  /** `d`: changes carry the primary key of the row before, `f`: all of it, `n`, `i`. */
  readonly identity: string;
  readonly computed: string;
  readonly has_default: string;
}

/** By which a table may be walked: what has an order. */
const ORDERED: readonly string[] = ['int32', 'int64', 'decimal', 'float', 'timestamp', 'datetime', 'date', 'string'];

const COLUMNS = `
  SELECT n.nspname AS schema, c.relname AS table, c.relkind AS kind, a.attname AS column,
    format_type(a.atttypid, NULL) AS cast, b.typname AS type, e.typname AS element, a.attnotnull AS not_null,
    array_position(i.indkey::int2[], a.attnum) AS key, c.oid, c.relpersistence AS persistence, c.relreplident AS identity,
    a.attgenerated <> '' AS computed, a.atthasdef OR a.attidentity <> '' AS has_default
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
  LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
    AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    AND ($1::text[] IS NULL OR n.nspname = ANY ($1)) AND ($2::text IS NULL OR n.nspname || '.' || c.relname = $2)
  ORDER BY n.nspname, c.relname, a.attnum`;

export async function discoverTables(pool: Database, schemas: readonly string[] | undefined): Promise<Table[]> {
  return tablesOf(await pool.query<ColumnRow>(COLUMNS, [schemas ?? null, null]));
}

/** @throws ENDPOINT_STREAM_UNKNOWN */
export async function findTable(pool: Database, name: string): Promise<Table> {
  const tables = tablesOf(await pool.query<ColumnRow>(COLUMNS, [null, name]));
  const stream = requireStream(
    tables.map((table) => table.stream),
    name,
  );
  return tables.find((table) => table.stream === stream) as Table;
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A table as the stream of changes shows it. */
export function publishedStream({ stream, computed }: Table): Stream {
  if (computed.size === 0) return stream;
  return { ...stream, fields: stream.fields.filter(({ name }) => !computed.has(name)) };
}

function tablesOf({ rows }: pg.QueryResult<ColumnRow>): Table[] {
  const byName = new Map<string, ColumnRow[]>();
  for (const row of rows) {
    const name = `${row.schema}.${row.table}`;
    const columns = byName.get(name) ?? [];
    columns.push(row);
    byName.set(name, columns);
  }
  return Array.from(byName, ([name, columns]) => tableOf(name, columns));
}

function tableOf(name: string, columns: readonly ColumnRow[]): Table {
  const [first] = columns as [ColumnRow];
  const { schema, table, kind, oid } = first;
  const fields = columns.map(({ column, type, element, not_null }): Field => {
    const nullable = not_null === 'f';
    if (element === null) return { name: column, type: typeOf(type), nullable };
    return { name: column, type: 'array', nullable, items: typeOf(element) };
  });
  const keyed = columns.filter(({ key }) => key !== null).sort((a, b) => Number(a.key) - Number(b.key));
  const cursors = fields.filter(({ type }) => ORDERED.includes(type as ScalarType)).map((field) => field.name);
  const reads = cursors.length > 0 ? (['full', 'incremental'] as const) : (['full'] as const);
  const writes = kind === 'r' || kind === 'p' ? (['insert', 'update', 'upsert', 'delete'] as const) : [];
  const unreadable = whyUnreadable(first, keyed.length > 0);
  const follows = unreadable === undefined ? (['changes'] as const) : [];
  return {
    stream: {
      name,
      fields,
      primaryKey: keyed.map(({ column }) => column),
      cursors,
      can: [...reads, ...follows, 'lookup', ...writes],
    },
    oid,
    quoted: `${quote(schema)}.${quote(table)}`,
    casts: new Map(columns.map(({ column, cast }) => [column, cast])),
    computed: new Set(columns.filter(({ computed }) => computed === 't').map(({ column }) => column)),
    optional: new Set(
      columns.filter((one) => one.not_null === 'f' && one.has_default === 'f').map(({ column }) => column),
    ),
    unreadable,
  };
}

/** To publish a table of which a change does not say which row it is about would break its writers. */
function whyUnreadable({ kind, persistence, identity }: ColumnRow, keyed: boolean): string | undefined {
  if (kind !== 'r' && kind !== 'p') return 'it is no table';
  if (persistence !== 'p') return 'it is not logged';
  if (!keyed) return 'it has no primary key';
  if (identity !== 'd' && identity !== 'f') return 'its replica identity is neither the primary key (DEFAULT) nor FULL';
  return undefined;
}
