/** What a SQLite file holds: its tables and views, with types by SQLite's own rules of affinity. Called by the connection. */
import type Database from 'libsql';
import type { Field, ScalarType, Stream } from '#connector';

interface Column {
  readonly name: string;
  readonly type: string;
  readonly notnull: bigint;
  readonly pk: bigint;
  readonly hidden: bigint;
}

/** By which a table may be walked: what has an order. */
const ORDERED: readonly ScalarType[] = ['int64', 'decimal', 'float', 'string'];

export function discoverTables(database: Database.Database): Stream[] {
  const found = database
    .prepare(`SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
      ORDER BY name`)
    .all() as { name: string; type: string }[];
  return found.map(({ name, type }) => streamOf(database, name, type === 'table'));
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function streamOf(database: Database.Database, name: string, writable: boolean): Stream {
  const all = database.prepare(`PRAGMA table_xinfo(${quote(name)})`).all() as Column[];
  // 1: of a virtual table; 2 and 3: generated, which cannot be written.
  const columns = all.filter(({ hidden }) => hidden !== 1n);
  const fields = columns.map(({ name: field, type, notnull, pk }): Field => {
    return { name: field, type: typeOf(type), nullable: notnull === 0n && pk === 0n };
  });
  const keyed = columns.filter(({ pk }) => pk > 0n).sort((a, b) => Number(a.pk - b.pk));
  const primaryKey = keyed.map((column) => column.name);
  const cursors = fields.filter(({ type }) => ORDERED.includes(type as ScalarType)).map((field) => field.name);
  const reads = cursors.length > 0 ? (['full', 'incremental'] as const) : (['full'] as const);
  const writes = writable ? (['insert', 'update', 'upsert', 'delete'] as const) : [];
  return { name, fields, primaryKey, cursors, can: [...reads, 'lookup', ...writes] };
}

/** As section 3.1 of "Datatypes In SQLite" has it, and the names that people use beyond. */
function typeOf(declared: string): ScalarType {
  const type = declared.toUpperCase();
  if (/BOOL/.test(type)) return 'boolean';
  if (/JSON/.test(type)) return 'json';
  if (/INT/.test(type)) return 'int64';
  if (/CHAR|CLOB|TEXT/.test(type)) return 'string';
  if (/BLOB/.test(type)) return 'bytes';
  if (/REAL|FLOA|DOUB/.test(type)) return 'float';
  if (/DEC|NUMERIC/.test(type)) return 'decimal';
  return 'string';
}
