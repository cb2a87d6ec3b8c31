/**
 * Records of the contract as JSON and back, without losing a digit: an int64 beyond 2^53 is a string, bytes are base64, NaN and
 * the infinities are strings, json is the value itself. Used where records meet HTTP.
 */
import { SluiceError } from '#kernel';
import type { Field, Row, ScalarType, Stream, Value } from './contract.ts';

const FLOATS: Record<string, number> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};
const INT64_BITS = 64;

/** Fields that the stream does not name come as they are. */
export function toJson(row: Row, stream: Stream): Record<string, unknown> {
  const fields = new Map(stream.fields.map((field) => [field.name, field]));
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, shown(value, fields.get(name)?.items ?? fields.get(name)?.type)]),
  );
}

function shown(value: Value, type: Field['type'] | undefined): unknown {
  if (Array.isArray(value)) return value.map((item) => shown(item as Value, type));
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (type === 'json' && typeof value === 'string') return JSON.parse(value) as unknown;
  return value;
}

/** @throws RECORD_REJECTED with the field */
export function fromJson(record: Readonly<Record<string, unknown>>, stream: Stream): Row {
  const row: Record<string, Value> = Object.create(null);
  for (const [name, value] of Object.entries(record)) {
    const field = stream.fields.find((one) => one.name === name);
    if (field === undefined && stream.open !== true) throw rejected(name, `${stream.name} has no such field`);
    if (field === undefined) row[name] = natural(value);
    else row[name] = field.type === 'array' ? list(field, value) : scalar(field.type, name, value);
  }
  return row;
}

/** Of a field that nothing is known of: what JSON says it is, lists and objects as their text. */
function natural(value: unknown): Value {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : (value as Value);
}

function list(field: Field, value: unknown): Value {
  if (value === null) return null;
  if (!Array.isArray(value)) throw rejected(field.name, 'must be a list');
  return value.map((item) =>
    Array.isArray(item) ? list(field, item) : scalar(field.items ?? 'string', field.name, item),
  );
}

function scalar(type: ScalarType, name: string, value: unknown): Value {
  if (type === 'json') return value === undefined ? null : value === null ? null : JSON.stringify(value);
  if (value === null) return null;
  switch (type) {
    case 'int32':
      if (((value as number) | 0) === value) return value as number;
      break;
    case 'int64':
      if (Number.isSafeInteger(value) || (typeof value === 'string' && /^-?\d{1,19}$/.test(value))) {
        const whole = BigInt(value as string | number);
        if (BigInt.asIntN(INT64_BITS, whole) === whole) return whole;
      }
      break;
    case 'decimal':
      if (typeof value === 'string' || typeof value === 'number') return String(value);
      break;
    case 'float':
      if (typeof value === 'number') return value;
      if (typeof value === 'string' && Object.hasOwn(FLOATS, value)) return FLOATS[value] as number;
      break;
    case 'boolean':
      if (typeof value === 'boolean') return value;
      break;
    case 'bytes':
      if (typeof value === 'string') return new Uint8Array(Buffer.from(value, 'base64'));
      break;
    default:
      if (typeof value === 'string') return value;
  }
  throw rejected(name, `${JSON.stringify(value)?.slice(0, 100)} is no ${type}`);
}

function rejected(field: string, message: string): SluiceError {
  return new SluiceError('RECORD_REJECTED', `${field}: ${message}`, { field });
}
