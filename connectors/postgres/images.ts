/** Messages of the stream of changes as changes of the contract: images before and after, and what was not sent. Used by `changes`. */
import type { Pgoutput } from 'pg-logical-replication';
import { type Change, type Field, keyText, type Row, type Value } from '#connector';
import type { Relation } from './relations.ts';
import { fromText } from './types.ts';

type Tuple = Readonly<Record<string, string | null | undefined>>;

/** What all changes of one transaction have in common. */
export interface Stamp {
  readonly at: string;
  readonly position: string;
  readonly origin?: string;
}

const MICROS = 1_000_000n;

/** @param micros since 1970 */
export function timestampOf(micros: bigint): string {
  const seconds = new Date(Number(micros / MICROS) * 1_000).toISOString().slice(0, 19);
  return `${seconds}.${String(micros % MICROS).padStart(6, '0')}Z`;
}

/** One change, or two where the key changed. */
export function changesOf(
  message: Pgoutput.MessageInsert | Pgoutput.MessageUpdate | Pgoutput.MessageDelete,
  relation: Relation,
  stamp: Stamp,
): Change[] {
  const { stream, fields } = relation;
  const common = { stream: stream.name, ...stamp };
  if (message.tag === 'insert') {
    return [{ ...common, op: 'insert', before: null, after: rowOf(fields, message.new) }];
  }
  const old = message.old === null ? keyOf(relation, message.key) : rowOf(fields, message.old);
  if (message.tag === 'delete') return [{ ...common, op: 'delete', before: old, after: null }];
  const given = message.new as Tuple;
  const after = rowOf(fields, given);
  const unchanged = fields.filter(({ name }) => given[name] === undefined).map(({ name }) => name);
  for (const name of stream.primaryKey) {
    // A key that is long is not sent again when it stays.
    if (after[name] === undefined && old?.[name] !== undefined) (after as Record<string, Value>)[name] = old[name];
  }
  const missing = unchanged.filter((name) => !(name in after));
  const partial = missing.length === 0 ? {} : { unchanged: missing };
  if (old !== null && keyText(old, stream.primaryKey) !== keyText(after, stream.primaryKey)) {
    return [
      { ...common, op: 'delete', before: old, after: null },
      { ...common, op: 'insert', before: null, after, ...partial },
    ];
  }
  const before = old ?? Object.fromEntries(stream.primaryKey.map((name) => [name, after[name] ?? null]));
  return [{ ...common, op: 'update', before, after, ...partial }];
}

function rowOf(fields: readonly Field[], tuple: Tuple): Row {
  const row: Record<string, Value> = Object.create(null);
  for (const field of fields) {
    const text = tuple[field.name];
    if (text !== undefined) row[field.name] = fromText(field, text);
  }
  return row;
}

function keyOf({ fields, stream }: Relation, key: Tuple | null): Row | null {
  if (key === null) return null;
  return rowOf(
    fields.filter(({ name }) => stream.primaryKey.includes(name)),
    key,
  );
}
