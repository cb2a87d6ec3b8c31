/** MariaDB's bytes of a value and its literals in SQL, from and to the values of the contract. */
import { escape as escaped } from 'mysql2';
import { type ScalarType, SluiceError, type Value } from '#connector';

export function fromBytes(type: ScalarType | 'array', bytes: Buffer | null): Value {
  if (bytes === null) return null;
  if (type === 'bytes') return new Uint8Array(bytes);
  const text = bytes.toString();
  switch (type) {
    case 'int32':
    case 'float':
      return Number(text);
    case 'int64':
      return BigInt(text);
    case 'boolean':
      // A column of this type holds any small number; what is no truth value comes as what it is.
      return text === '0' || text === '1' ? text === '1' : Number(text);
    case 'datetime':
      return text.replace(' ', 'T');
    case 'timestamp':
      return `${text.replace(' ', 'T')}Z`;
    default:
      return text;
  }
}

/** @throws RECORD_REJECTED for what MariaDB cannot hold */
export function literal(type: ScalarType | 'array', value: Value): string {
  if (value === null) return 'NULL';
  if (value instanceof Uint8Array) return `X'${Buffer.from(value).toString('hex')}'`;
  if (Array.isArray(value)) throw new SluiceError('RECORD_REJECTED', 'MariaDB has no arrays');
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new SluiceError('RECORD_REJECTED', `MariaDB has no ${value}`);
  }
  if (typeof value !== 'string') return String(value);
  // A text beside a number would be compared as a float.
  if (type === 'decimal' && /^-?\d+(\.\d+)?$/.test(value)) return value;
  if (type === 'timestamp' || type === 'datetime') return escaped(value.replace('T', ' ').replace(/Z$/, ''));
  return escaped(value);
}
