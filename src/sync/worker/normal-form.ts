/**
 * One text for values that are the same, whatever system they were read from: digits without zeros that say nothing, moments
 * without the zeros of their fraction, JSON with its members in order. Two values of one field type are the same exactly when
 * their texts are. Used for comparing both ends of a job; both sides are in the types of the target by then.
 */
import type { Field, Row, ScalarType, Value } from '#connector';
import { keyPart } from '../change-record.ts';

type Write = (value: Exclude<Value, null>) => string;

/** The text of some fields of a row, in their order; what is null and what is not there are the same. */
export function normalRow(fields: readonly Field[]): (row: Row) => string {
  const writes = fields.map(({ name, type, items }) => [name, writeOf(type, items)] as const);
  return (row) => {
    let text = '';
    for (const [name, write] of writes) {
      const value = row[name];
      if (value !== undefined && value !== null) text += `${name}=${write(value)}\n`;
    }
    return text;
  };
}

/** The text of a key; null where one of its fields has no value. */
export function normalKey(fields: readonly Field[]): (row: Row) => string | null {
  const writes = fields.map(({ name, type, items }) => [name, writeOf(type, items)] as const);
  return (row) => {
    let text = '';
    for (const [name, write] of writes) {
      const value = row[name];
      if (value === undefined || value === null) return null;
      text += `${write(value)}\n`;
    }
    return text;
  };
}

function writeOf(type: Field['type'], items: ScalarType | undefined): Write {
  switch (type) {
    case 'decimal':
      return (value) => plainDigits(String(value));
    case 'float':
      return (value) => plainDigits(String(Number(value)));
    case 'timestamp':
    case 'datetime':
    case 'time':
      return (value) =>
        String(value)
          .replace(/(\.\d*?)0+(Z?)$/, '$1$2')
          .replace(/\.(Z?)$/, '$1');
    case 'json':
      return (value) => (typeof value === 'string' ? orderedJson(value) : keyPart(value));
    case 'array': {
      const write = writeOf(items ?? 'string', undefined);
      const writeItem = (value: Value): string =>
        value === null
          ? 'null'
          : Array.isArray(value)
            ? `[${value.map((one) => writeItem(one as Value)).join(',')}]`
            : write(value);
      return writeItem;
    }
    default:
      return keyPart;
  }
}

/** `+01.50` and `1.5` are one number; what is no plain number stays. */
function plainDigits(text: string): string {
  const [, sign = '', whole = '', fraction = ''] = /^([+-]?)0*(\d*?)(?:\.(\d*?)0*)?$/.exec(text) ?? [text, '?'];
  if (sign === '?') return text;
  const digits = `${whole === '' ? '0' : whole}${fraction === '' ? '' : `.${fraction}`}`;
  return sign === '-' && digits !== '0' ? `-${digits}` : digits;
}

function orderedJson(text: string): string {
  try {
    return JSON.stringify(ordered(JSON.parse(text)));
  } catch {
    return JSON.stringify(text);
  }
}

function ordered(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(ordered);
  const entries = Object.entries(value).map(([name, one]) => [name, ordered(one)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
