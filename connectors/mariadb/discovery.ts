/** What a database holds: tables and views, from `information_schema`. Called by the connection, reads and writes. */
import { escape as escaped } from 'mysql2';
import type { Pool, PoolConnection, RowDataPacket } from 'mysql2/promise';
import { type Field, requireStream, type ScalarType, type Stream } from '#connector';

/** A pool, or one connection inside a transaction. */
export type Database = Pick<Pool, 'query'> | Pick<PoolConnection, 'query'>;

export interface Table {
  readonly stream: Stream;
  /** As each column is selected: by its name, or in a cast that keeps every digit. */
  readonly selected: readonly string[];
  /** By column: MariaDB's own name of its type. */
  readonly dataTypes: ReadonlyMap<string, string>;
  /** Columns that are computed from others. */
  readonly computed: ReadonlySet<string>;
  /** Columns whose value in rows that were there before them is null. */
  readonly optional: ReadonlySet<string>;
  /** Why its changes cannot be read; undefined when they can. */
  readonly unreadable: string | undefined;
}

type ColumnRow = readonly (Buffer | null)[];

interface Column {
  readonly table: string;
  readonly kind: string;
  readonly name: string;
  readonly type: string;
  readonly wholeType: string;
  readonly nullable: boolean;
  readonly key: number;
  readonly json: boolean;
  readonly engine: string;
  /** As SQL; null: none, also where that is because of NULL. */
  readonly standard: string | null;
  readonly computed: boolean;
}

/** MariaDB has no type for JSON: it is text that a constraint holds to be valid. */
const JSON_CHECK = /^json_valid\(`((?:[^`]|``)+)`\)$/i;
/** By which a table may be walked: what has an order and compares exactly. */
const ORDERED: readonly string[] = ['int32', 'int64', 'decimal', 'timestamp', 'datetime', 'date', 'string'];

const SPATIAL = /^(geometry|point|linestring|polygon|multi\w+|geom\w+)$/;

const TYPES: Readonly<Record<string, ScalarType>> = {
  tinyint: 'int32',
  smallint: 'int32',
  mediumint: 'int32',
  int: 'int32',
  year: 'int32',
  bigint: 'int64',
  decimal: 'decimal',
  float: 'float',
  double: 'float',
  timestamp: 'timestamp',
  datetime: 'datetime',
  date: 'date',
  time: 'time',
  json: 'json',
  bit: 'bytes',
  binary: 'bytes',
  varbinary: 'bytes',
  tinyblob: 'bytes',
  blob: 'bytes',
  mediumblob: 'bytes',
  longblob: 'bytes',
};

/** @param name of one table; null: all */
export async function discoverTables(database: Database, name: string | null): Promise<Table[]> {
  const one = name === null ? '' : `AND c.TABLE_NAME = ${escaped(name)}`;
  const columns = `SELECT c.TABLE_NAME, t.TABLE_TYPE, c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, c.IS_NULLABLE, k.ORDINAL_POSITION,
      t.ENGINE, c.COLUMN_DEFAULT, c.EXTRA
    FROM information_schema.COLUMNS c
    JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
    LEFT JOIN information_schema.KEY_COLUMN_USAGE k ON k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME
      AND k.COLUMN_NAME = c.COLUMN_NAME AND k.CONSTRAINT_NAME = 'PRIMARY'
    WHERE c.TABLE_SCHEMA = DATABASE() ${one} ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION`;
  const checks = 'SELECT * FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()';
  const [rows] = await database.query<RowDataPacket[]>(columns);
  const [constraints, names] = await database.query<RowDataPacket[]>(checks);
  const tableAt = names.findIndex((field) => field.name === 'TABLE_NAME');
  const clauseAt = names.findIndex((field) => field.name === 'CHECK_CLAUSE');
  const json = new Set<string>();
  for (const row of constraints as unknown as ColumnRow[]) {
    const column = JSON_CHECK.exec(String(row[clauseAt]))?.[1];
    if (column !== undefined) json.add(`${row[tableAt]}\0${column.replaceAll('``', '`')}`);
  }
  const byTable = new Map<string, Column[]>();
  for (const row of rows as unknown as ColumnRow[]) {
    const [table, kind, column, type, wholeType, nullable, key, engine, standard, extra] = row.map((cell) =>
      String(cell ?? 0),
    ) as string[];
    const found: Column = {
      table: table as string,
      kind: kind as string,
      name: column as string,
      type: type as string,
      wholeType: wholeType as string,
      nullable: nullable === 'YES',
      key: Number(key),
      json: json.has(`${table}\0${column}`),
      engine: engine as string,
      standard: row[8] === null || standard === 'NULL' ? null : (standard as string),
      computed: /GENERATED/.test(extra as string),
    };
    byTable.set(found.table, [...(byTable.get(found.table) ?? []), found]);
  }
  return Array.from(byTable, ([table, found]) => tableOf(table, found));
}

/** @throws ENDPOINT_STREAM_UNKNOWN */
export async function findTable(database: Database, name: string): Promise<Table> {
  const tables = await discoverTables(database, name);
  const stream = requireStream(
    tables.map((table) => table.stream),
    name,
  );
  return tables.find((table) => table.stream === stream) as Table;
}

export function quote(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

function tableOf(name: string, columns: readonly Column[]): Table {
  const fields = columns.map((column): Field => {
    return { name: column.name, type: typeOf(column), nullable: column.nullable };
  });
  const keyed = columns.filter(({ key }) => key > 0).sort((a, b) => a.key - b.key);
  const cursors = fields.filter(({ type }) => ORDERED.includes(type)).map((field) => field.name);
  const reads = cursors.length > 0 ? (['full', 'incremental'] as const) : (['full'] as const);
  const writes = columns[0]?.kind === 'BASE TABLE' ? (['insert', 'update', 'upsert', 'delete'] as const) : [];
  const unreadable = whyUnreadable(columns, keyed.length > 0);
  const follows = unreadable === undefined ? (['changes'] as const) : [];
  return {
    stream: {
      name,
      fields,
      primaryKey: keyed.map((column) => column.name),
      cursors,
      can: [...reads, ...follows, 'lookup', ...writes],
    },
    // As text a float has six digits, whatever it holds.
    selected: columns.map((column) =>
      column.type === 'float' ? `CAST(${quote(column.name)} AS DOUBLE)` : quote(column.name),
    ),
    dataTypes: new Map(columns.map((column) => [column.name, column.type])),
    computed: new Set(columns.filter(({ computed }) => computed).map((column) => column.name)),
    optional: new Set(
      columns.filter((one) => one.nullable && one.standard === null && !one.computed).map((column) => column.name),
    ),
    unreadable,
  };
}

function whyUnreadable(columns: readonly Column[], keyed: boolean): string | undefined {
  if (columns[0]?.kind !== 'BASE TABLE') return 'it is no table';
  if (columns[0].engine !== 'InnoDB') return 'its engine is not InnoDB, which alone can be read at one moment';
  if (!keyed) return 'it has no primary key';
  const space = columns.find(({ type }) => SPATIAL.test(type));
  return space === undefined ? undefined : `its column ${space.name} is spatial`;
}

/** A table as changes show it. */
export function publishedStream({ stream, computed }: Table): Stream {
  if (computed.size === 0) return stream;
  return { ...stream, fields: stream.fields.filter(({ name }) => !computed.has(name)) };
}

function typeOf({ type, wholeType, json }: Column): ScalarType {
  if (json) return 'json';
  if (wholeType === 'tinyint(1)') return 'boolean';
  if (wholeType.includes('unsigned')) {
    if (type === 'bigint') return 'decimal';
    if (type === 'int') return 'int64';
  }
  return Object.hasOwn(TYPES, type) ? (TYPES[type] as ScalarType) : 'string';
}
