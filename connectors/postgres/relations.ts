/**
 * What the stream of changes says of a table, as a stream of the contract with the same types as reading has. The message gives
 * the columns as they are at that point of the log; what it leaves out (keys, what may be null) comes from the catalogue,
 * which may be ahead of it. Used by `changes`.
 */
import type pg from 'pg';
import type { Pgoutput } from 'pg-logical-replication';
import type { Field, Stream } from '#connector';
import type { Table } from './discovery.ts';
import { typeOf } from './types.ts';

export interface Relation {
  readonly stream: Stream;
  readonly fields: readonly Field[];
  /** Changes carry all of the row before. */
  readonly full: boolean;
}

interface TypeNames {
  readonly type: string;
  readonly element: string | null;
}

const TYPES = `
  SELECT t.oid, b.typname AS type, e.typname AS element
  FROM pg_type t
  JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
  LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
  WHERE t.oid = ANY ($1::oid[])`;

/** Names of types by their number; those that are gone meanwhile are text. */
export class TypeCatalogue {
  readonly #pool: pg.Pool;
  readonly #known = new Map<number, TypeNames>();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async find(oids: readonly number[]): Promise<ReadonlyMap<number, TypeNames>> {
    const missing = oids.filter((oid) => !this.#known.has(oid));
    if (missing.length > 0) {
      const { rows } = await this.#pool.query<TypeNames & { oid: string }>(TYPES, [missing]);
      for (const oid of missing) this.#known.set(oid, { type: 'text', element: null });
      for (const { oid, type, element } of rows) this.#known.set(Number(oid), { type, element });
    }
    return this.#known;
  }
}

export async function relationOf(
  { columns, replicaIdentity }: Pgoutput.MessageRelation,
  table: Table,
  types: TypeCatalogue,
): Promise<Relation> {
  const known = await types.find(columns.map(({ typeOid }) => typeOid >>> 0));
  const before = new Map(table.stream.fields.map((field) => [field.name, field]));
  const fields = columns.map(({ name, typeOid }): Field => {
    const { type, element } = known.get(typeOid >>> 0) as TypeNames;
    const nullable = before.get(name)?.nullable ?? true;
    if (element === null) return { name, type: typeOf(type), nullable };
    return { name, type: 'array', nullable, items: typeOf(element) };
  });
  return { stream: { ...table.stream, fields }, fields, full: replicaIdentity === 'full' };
}
