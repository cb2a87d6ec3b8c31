/**
 * Types of Parquet as those of the contract. Decimals and times are taken as the numbers they are stored as, since the library
 * would make floats and dates of milliseconds of them; what is nested is JSON.
 */
import type { FileMetaData, ParquetParsers, SchemaElement } from 'hyparquet';
import type { Field, ScalarType, Value } from '../contract.ts';
import { dateOf, decimalOf, instantOf, jsonOf, timeOf, type Unit, wholeOf } from './binary-values.ts';

export interface ParquetColumn {
  readonly field: Field;
  /** Of a value that is not null. */
  convert(value: unknown): Value;
  /** Its annotations are applied here, not by the library. */
  readonly raw: boolean;
}

/** For what is nested, and for INT96, which has no annotation. */
export const PARSERS: Partial<ParquetParsers> = {
  timestampFromMilliseconds: (count) => `${instantOf(count, 'millis')}Z`,
  timestampFromMicroseconds: (count) => `${instantOf(count, 'micros')}Z`,
  timestampFromNanoseconds: (count) => `${instantOf(count, 'nanos')}Z`,
  dateFromDays: dateOf,
};

const asIs = (value: unknown) => value as Value;
const text = (value: unknown): Value =>
  value instanceof Uint8Array ? Buffer.from(value).toString() : (value as string);

/** The columns of the root, in order. */
export function columnsOf({ schema }: FileMetaData): ParquetColumn[] {
  const columns: ParquetColumn[] = [];
  for (let at = 1; at < schema.length; ) {
    const element = schema[at] as SchemaElement;
    columns.push(columnOf(element));
    at = behind(schema, at);
  }
  return columns;
}

/** The schema without the annotations that are applied here. */
export function plainSchema(schema: readonly SchemaElement[], columns: readonly ParquetColumn[]): SchemaElement[] {
  const raw = new Set(columns.filter((column) => column.raw).map(({ field }) => field.name));
  const plain = [...schema];
  for (let at = 1; at < plain.length; at = behind(plain, at)) {
    const { converted_type, logical_type, ...element } = plain[at] as SchemaElement;
    if (raw.has(element.name)) plain[at] = element;
  }
  return plain;
}

function behind(schema: readonly SchemaElement[], at: number): number {
  let next = at + 1;
  for (let child = 0; child < (schema[at]?.num_children ?? 0); child++) next = behind(schema, next);
  return next;
}

function columnOf(element: SchemaElement): ParquetColumn {
  const { name, repetition_type, num_children } = element;
  const nullable = repetition_type !== 'REQUIRED';
  if (num_children !== undefined || repetition_type === 'REPEATED') {
    return { field: { name, type: 'json', nullable }, convert: jsonOf, raw: false };
  }
  const { type, convert, raw = true } = scalarOf(element);
  return { field: { name, type, nullable }, convert, raw };
}

interface Scalar {
  readonly type: ScalarType;
  readonly convert: (value: unknown) => Value;
  readonly raw?: false;
}

function scalarOf(element: SchemaElement): Scalar {
  const { type, logical_type: logical, converted_type: converted } = element;
  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') return decimal(element);
  if (logical?.type === 'TIMESTAMP') return timestamp(unitOf(logical.unit), logical.isAdjustedToUTC);
  if (logical?.type === 'TIME') return time(unitOf(logical.unit));
  if (logical?.type === 'INTEGER') return whole(logical.bitWidth, logical.isSigned);
  // The library makes these itself, as text and as numbers.
  if (logical?.type === 'UUID') return { type: 'string', convert: asIs, raw: false };
  if (logical?.type === 'FLOAT16') return { type: 'float', convert: asIs, raw: false };
  return convertedScalar(converted) ?? physical(type, logical?.type);
}

function convertedScalar(converted: SchemaElement['converted_type']): Scalar | undefined {
  switch (converted) {
    case 'DATE':
      return { type: 'date', convert: (value) => dateOf(value as number) };
    case 'TIMESTAMP_MILLIS':
      return timestamp('millis', true);
    case 'TIMESTAMP_MICROS':
      return timestamp('micros', true);
    case 'TIME_MILLIS':
      return time('millis');
    case 'TIME_MICROS':
      return time('micros');
    case 'UINT_32':
    case 'UINT_64':
      return whole(converted === 'UINT_64' ? 64 : 32, false);
    case 'UTF8':
    case 'ENUM':
      return { type: 'string', convert: text };
    case 'JSON':
      return { type: 'json', convert: text };
    default:
      return undefined;
  }
}

function physical(type: SchemaElement['type'], logical: string | undefined): Scalar {
  switch (type) {
    case 'BOOLEAN':
      return { type: 'boolean', convert: asIs };
    case 'INT32':
      return logical === 'DATE'
        ? { type: 'date', convert: (value) => dateOf(value as number) }
        : { type: 'int32', convert: asIs };
    case 'INT64':
      return { type: 'int64', convert: (value) => BigInt(value as bigint) };
    case 'INT96':
      return { type: 'timestamp', convert: asIs };
    case 'FLOAT':
    case 'DOUBLE':
      return { type: 'float', convert: asIs };
    default:
      if (logical === 'STRING' || logical === 'ENUM') return { type: 'string', convert: text };
      if (logical === 'JSON') return { type: 'json', convert: text };
      return { type: 'bytes', convert: (value) => new Uint8Array(value as Uint8Array) };
  }
}

function decimal({ logical_type: logical, scale }: SchemaElement): Scalar {
  const digits = logical?.type === 'DECIMAL' ? logical.scale : (scale ?? 0);
  const unscaled = (value: unknown) => (value instanceof Uint8Array ? wholeOf(value) : BigInt(value as number));
  return { type: 'decimal', convert: (value) => decimalOf(unscaled(value), digits) };
}

function timestamp(unit: Unit, utc: boolean): Scalar {
  const zone = utc ? 'Z' : '';
  return {
    type: utc ? 'timestamp' : 'datetime',
    convert: (value) => `${instantOf(BigInt(value as bigint), unit)}${zone}`,
  };
}

function time(unit: Unit): Scalar {
  return { type: 'time', convert: (value) => timeOf(BigInt(value as number), unit) };
}

/** Unsigned ones need one bit more than their signed kind has. */
function whole(bits: number, signed: boolean): Scalar {
  if (bits === 64 && !signed) {
    return { type: 'decimal', convert: (value) => String(BigInt.asUintN(64, BigInt(value as bigint))) };
  }
  if (bits === 64) return { type: 'int64', convert: (value) => BigInt(value as bigint) };
  if (bits === 32 && !signed) return { type: 'int64', convert: (value) => BigInt((value as number) >>> 0) };
  return { type: 'int32', convert: (value) => Number(value) };
}

function unitOf(unit: 'MILLIS' | 'MICROS' | 'NANOS'): Unit {
  return unit.toLowerCase() as Unit;
}
