/**
 * A mapping, compiled: transformations by the one engine, then the choice of fields, their names and types. Called for each
 * record on the target's thread; the rules of the mapping are held to afterwards (`rules.ts`).
 *
 * Transformations see values as JSON has them: an int64 is a number where that is exact, else its text. What they leave alone
 * goes on as it was.
 */
import type { Row, Value } from '#connector';
import { type Limits, SluiceError } from '#kernel';
import { type CompiledTransform, compileTransformations, type TransformRecord } from '#transform';
import type { MappingSpec } from '../kinds/mapping-kind.ts';
import { type Coerce, coercion } from './coerce.ts';

type Loose = Record<string, Value>;

export interface Mapping {
  /** Null: it is filtered out. @throws TRANSFORM_FAILED, RECORD_REJECTED */
  apply(row: Row): Row | null | Promise<Row | null>;
  /** Only names and types: for images that have the key alone. */
  names(row: Row): Row;
}

/** @throws TRANSFORM_INVALID */
export function compileMapping(spec: MappingSpec, limits: Limits): Mapping {
  const transform =
    spec.transformations === undefined || spec.transformations.length === 0
      ? undefined
      : compileTransformations(spec.transformations, { limits });
  const pick = fieldsOf(spec);
  if (transform === undefined) return { apply: pick, names: pick };
  return { apply: (row) => applied(transform, row, pick), names: pick };
}

function applied(transform: CompiledTransform, row: Row, pick: (row: Row) => Row): Row | null | Promise<Row | null> {
  const record: TransformRecord = { key: null, value: natural(row), headers: {}, timestamp: 0 };
  const taken = (changed: TransformRecord | undefined): Row | null => {
    if (changed === undefined) return null;
    return pick(typed(changed.value, row));
  };
  return transform.async ? transform.apply(record).then(taken) : taken(transform.apply(record));
}

/** As JSON would have it, but for bytes, which stay what they are. */
function natural(row: Row): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(row)) {
    const exact = typeof value === 'bigint' ? Number(value) : value;
    plain[name] = typeof value === 'bigint' && !Number.isSafeInteger(exact) ? String(value) : exact;
  }
  return plain;
}

/** @throws RECORD_REJECTED where what came out is no record */
function typed(value: unknown, before: Row): Row {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SluiceError('RECORD_REJECTED', 'the mapping does not leave an object with fields');
  }
  const row: Loose = {};
  for (const [name, one] of Object.entries(value)) {
    const old = before[name];
    // Untouched, though the engine saw it as a number.
    if (typeof old === 'bigint' && (one === Number(old) || one === String(old))) row[name] = old;
    else row[name] = plainValue(one);
  }
  return row;
}

function plainValue(one: unknown): Value {
  if (one === undefined || one === null) return null;
  if (typeof one !== 'object' || one instanceof Uint8Array) return one as Value;
  return Array.isArray(one) && one.every((item) => typeof item !== 'object' || item === null)
    ? (one as Value)
    : JSON.stringify(one);
}

function fieldsOf({ fields, rest }: MappingSpec): (row: Row) => Row {
  if (fields === undefined) return (row) => row;
  const named = new Set(fields.map(({ from }) => from));
  const plan = fields.map(({ from, to, type }): [string, string, Coerce | undefined] => [
    from,
    to ?? from,
    type === undefined ? undefined : coercion(from, type),
  ]);
  return (row) => {
    const picked: Loose = {};
    for (const [from, to, turn] of plan) {
      const value = row[from];
      // Not there is not null: it may not have changed.
      if (value !== undefined) picked[to] = turn === undefined ? value : turn(value);
    }
    if (rest === 'keep') for (const [name, value] of Object.entries(row)) if (!named.has(name)) picked[name] = value;
    return picked;
  };
}
