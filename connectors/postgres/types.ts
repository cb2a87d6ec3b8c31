/** PostgreSQL's types and their text, to and from the values of the contract. What has no type of its own is its text. */
import type { Field, ScalarType, Value } from '#connector';

const TYPES: Readonly<Record<string, ScalarType>> = {
  bool: 'boolean',
  int2: 'int32',
  int4: 'int32',
  int8: 'int64',
  oid: 'int64',
  float4: 'float',
  float8: 'float',
  numeric: 'decimal',
  bytea: 'bytes',
  json: 'json',
  jsonb: 'json',
  date: 'date',
  time: 'time',
  timestamp: 'datetime',
  timestamptz: 'timestamp',
};

export function typeOf(name: string): ScalarType {
  return Object.hasOwn(TYPES, name) ? (TYPES[name] as ScalarType) : 'string';
}

export function fromText({ type, items }: Field, text: string | null): Value {
  if (text === null) return null;
  return type === 'array' ? fromArray(text, items ?? 'string') : fromScalar(type, text);
}

function fromScalar(type: ScalarType, text: string): Value {
  switch (type) {
    case 'boolean':
      return text === 't';
    case 'int32':
    case 'float':
      return Number(text);
    case 'int64':
      return BigInt(text);
    case 'bytes':
      return new Uint8Array(Buffer.from(text.slice(2), 'hex'));
    case 'datetime':
      return text.replace(' ', 'T');
    case 'timestamp':
      return text.replace(' ', 'T').replace(/\+00$/, 'Z');
    default:
      return text;
  }
}

/** `{1,NULL,"a \"b\""}`, also nested; bounds that do not begin at 1 are left out. */
function fromArray(text: string, items: ScalarType): Value {
  let at = text.indexOf('{');
  const list = (): Value[] => {
    const values: Value[] = [];
    at++;
    while (text[at] !== '}') {
      if (text[at] === ',') at++;
      if (text[at] === '{') values.push(list());
      else if (text[at] === '"') values.push(fromScalar(items, quoted()));
      else values.push(bare());
    }
    at++;
    return values;
  };
  const quoted = (): string => {
    let value = '';
    for (at++; text[at] !== '"'; at++) {
      if (text[at] === '\\') at++;
      value += text[at];
    }
    at++;
    return value;
  };
  const bare = (): Value => {
    const from = at;
    while (text[at] !== ',' && text[at] !== '}') at++;
    const value = text.slice(from, at);
    return value === 'NULL' ? null : fromScalar(items, value);
  };
  return list();
}

export function toText(value: Value): string | null {
  if (value === null) return null;
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return `{${value.map(element).join(',')}}`;
  return String(value);
}

function element(value: Value): string {
  if (value === null) return 'NULL';
  const text = toText(value) as string;
  return Array.isArray(value) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}
