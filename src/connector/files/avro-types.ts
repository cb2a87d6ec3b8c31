/** Types of Avro as those of the contract: scalars and lists of them exactly, all else as JSON. */
import type { Field, ScalarType, Value } from '../contract.ts';
import { dateOf, decimalOf, instantOf, jsonOf, timeOf, wholeOf } from './binary-values.ts';

interface SchemaObject {
  readonly type: Schema;
  readonly name?: string;
  readonly namespace?: string;
  readonly logicalType?: string;
  readonly scale?: number;
  readonly items?: Schema;
  readonly fields?: readonly { readonly name: string; readonly type: Schema }[];
}
export type Schema = string | SchemaObject | readonly Schema[];

export interface AvroField {
  readonly field: Field;
  convert(value: unknown): Value;
}

interface Scalar {
  readonly type: ScalarType;
  convert(value: unknown): Value;
}

const asIs = (value: unknown) => value as Value;
const asJson: Scalar = { type: 'json', convert: jsonOf };

const PLAIN: Readonly<Record<string, Scalar>> = {
  boolean: { type: 'boolean', convert: asIs },
  int: { type: 'int32', convert: asIs },
  long: { type: 'int64', convert: asIs },
  float: { type: 'float', convert: asIs },
  double: { type: 'float', convert: asIs },
  string: { type: 'string', convert: asIs },
  bytes: { type: 'bytes', convert: (value) => new Uint8Array(value as Buffer) },
  fixed: { type: 'bytes', convert: (value) => new Uint8Array(value as Buffer) },
  enum: { type: 'string', convert: asIs },
};

const LOGICAL: Readonly<Record<string, Scalar>> = {
  date: { type: 'date', convert: (value) => dateOf(value as number) },
  'time-millis': { type: 'time', convert: (value) => timeOf(BigInt(value as number), 'millis') },
  'time-micros': { type: 'time', convert: (value) => timeOf(value as bigint, 'micros') },
  'timestamp-millis': { type: 'timestamp', convert: (value) => `${instantOf(value as bigint, 'millis')}Z` },
  'timestamp-micros': { type: 'timestamp', convert: (value) => `${instantOf(value as bigint, 'micros')}Z` },
  'timestamp-nanos': { type: 'timestamp', convert: (value) => `${instantOf(value as bigint, 'nanos')}Z` },
  'local-timestamp-millis': { type: 'datetime', convert: (value) => instantOf(value as bigint, 'millis') },
  'local-timestamp-micros': { type: 'datetime', convert: (value) => instantOf(value as bigint, 'micros') },
  'local-timestamp-nanos': { type: 'datetime', convert: (value) => instantOf(value as bigint, 'nanos') },
};
/** A logical type counts only on the type it is made for, as Avro's specification asks. */
const BASE: Readonly<Record<string, string>> = { date: 'int', 'time-millis': 'int' };

/** Of a record's schema. */
export function fieldsOf(schema: Schema): AvroField[] {
  const names = new Map<string, Schema>();
  collect(schema, '', names);
  const { fields = [] } = schema as SchemaObject;
  return fields.map(({ name, type }) => fieldOf(name, type, names));
}

function fieldOf(name: string, schema: Schema, names: ReadonlyMap<string, Schema>): AvroField {
  const branches = Array.isArray(schema) ? (schema as Schema[]) : [schema];
  const filled = branches.filter((branch) => branch !== 'null' && (branch as SchemaObject).type !== 'null');
  const nullable = filled.length < branches.length;
  const nothing = (convert: (value: unknown) => Value) => (value: unknown) =>
    value === null || value === undefined ? null : convert(value);
  const only = filled.length === 1 ? resolved(filled[0] as Schema, names) : undefined;
  if (typeof only === 'object' && only.type === 'array' && only.items !== undefined) {
    const items = scalarOf(resolved(only.items, names), names);
    if (items.type !== 'json') {
      const convert = nothing((value) => (value as unknown[]).map(items.convert));
      return { field: { name, type: 'array', items: items.type, nullable }, convert };
    }
  }
  const { type, convert } = only === undefined ? asJson : scalarOf(only, names);
  return { field: { name, type, nullable }, convert: nothing(convert) };
}

function scalarOf(schema: string | SchemaObject | undefined, names: ReadonlyMap<string, Schema>): Scalar {
  if (schema === undefined) return asJson;
  if (typeof schema === 'string') return PLAIN[schema] ?? asJson;
  const { type, logicalType = '', scale = 0 } = schema;
  if (typeof type !== 'string') return scalarOf(resolved(type, names), names);
  if (logicalType === 'decimal' && (type === 'bytes' || type === 'fixed')) {
    return { type: 'decimal', convert: (value) => decimalOf(wholeOf(value as Buffer), scale) };
  }
  const logical = Object.hasOwn(LOGICAL, logicalType) ? LOGICAL[logicalType] : undefined;
  if (logical !== undefined && type === (BASE[logicalType] ?? 'long')) return logical;
  return PLAIN[type] ?? asJson;
}

/** What a name stands for; undefined for a union, which is no scalar. */
function resolved(schema: Schema, names: ReadonlyMap<string, Schema>): string | SchemaObject | undefined {
  if (Array.isArray(schema)) return undefined;
  if (typeof schema !== 'string') return schema as SchemaObject;
  return (names.get(schema) as SchemaObject | undefined) ?? schema;
}

function collect(schema: Schema, space: string, names: Map<string, Schema>): void {
  if (typeof schema === 'string') return;
  if (Array.isArray(schema)) {
    for (const branch of schema as Schema[]) collect(branch, space, names);
    return;
  }
  const { name, namespace, type, items, fields = [] } = schema as SchemaObject;
  const inner = namespace ?? space;
  if (name !== undefined) {
    names.set(name, schema);
    if (inner !== '' && !name.includes('.')) names.set(`${inner}.${name}`, schema);
  }
  if (typeof type === 'object') collect(type, inner, names);
  if (items !== undefined) collect(items, inner, names);
  const { values } = schema as unknown as { values?: Schema };
  if (values !== undefined) collect(values, inner, names);
  for (const field of fields) collect(field.type, inner, names);
}
