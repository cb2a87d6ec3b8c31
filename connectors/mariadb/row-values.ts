/**
 * Values of the binary log, as its reader decodes them, as reading gives them. What a column is is decided by the log, which has
 * the table as it was at that change; the catalogue only tells apart what the log has no word for. Used by `changes`.
 */
import type { ColumnSchema, TableMapEntry } from '@vlasky/zongji';
import type { Field, Row, ScalarType, Value } from '#connector';
import type { Table } from './discovery.ts';

type Wire = 'uuid' | 'inet4' | 'inet6' | 'year' | 'time' | 'plain';

export interface Column {
  readonly field: Field;
  /** What needs more than its type says. */
  readonly wire: Wire;
}

const YEAR_ZERO = 1900;
const CARRIED = 64;
const NAMED: readonly string[] = ['uuid', 'inet4', 'inet6'];
const TYPES: Readonly<Record<string, ScalarType>> = {
  tinyint: 'int32',
  smallint: 'int32',
  mediumint: 'int32',
  int: 'int32',
  year: 'int32',
  bigint: 'int64',
  decimal: 'decimal',
  float: 'float',
  double: 'float',
  timestamp: 'timestamp',
  datetime: 'datetime',
  date: 'date',
  time: 'time',
  json: 'json',
  bit: 'bytes',
  binary: 'bytes',
  varbinary: 'bytes',
  tinyblob: 'bytes',
  blob: 'bytes',
  mediumblob: 'bytes',
  longblob: 'bytes',
};

/** The columns of a change, in their order, without those that the server computes. */
export function columnsOf({ columnSchemas }: TableMapEntry, table: Table): Column[] {
  return columnSchemas
    .filter(({ COLUMN_NAME }) => !table.computed.has(COLUMN_NAME))
    .map((schema) => columnOf(schema, table));
}

export function imageOf(columns: readonly Column[], image: Readonly<Record<string, unknown>>): Row {
  const row: Record<string, Value> = Object.create(null);
  for (let i = 0; i < columns.length; i++) {
    const { field, wire } = columns[i] as Column;
    row[field.name] = valueFrom(field.type as ScalarType, wire, image[field.name]);
  }
  return row;
}

function columnOf(schema: ColumnSchema, table: Table): Column {
  const name = schema.COLUMN_NAME;
  const declared = /^[a-z]+/.exec(schema.COLUMN_TYPE)?.[0] ?? '';
  const known = table.stream.fields.find((field) => field.name === name);
  const nullable = known?.nullable ?? true;
  const own = table.dataTypes.get(name) ?? '';
  if (declared === 'binary' && NAMED.includes(own)) {
    return { field: { name, type: 'string', nullable }, wire: own as Wire };
  }
  let type = Object.hasOwn(TYPES, declared) ? (TYPES[declared] as ScalarType) : 'string';
  if (schema.COLUMN_TYPE.includes('unsigned')) {
    if (declared === 'bigint') type = 'decimal';
    if (declared === 'int') type = 'int64';
  }
  // A boolean is a small number, JSON a text, and only the catalogue says which is which.
  if (known?.type === 'boolean' && declared === 'tinyint') type = 'boolean';
  if (known?.type === 'json' && type === 'string') type = 'json';
  return { field: { name, type, nullable }, wire: declared === 'year' || declared === 'time' ? declared : 'plain' };
}

function valueFrom(type: ScalarType, wire: Wire, value: unknown): Value {
  if (value === null) return null;
  // The empty text that stands for what an enum does not have.
  if (value === undefined) return '';
  if (wire !== 'plain') return special(wire, value);
  switch (type) {
    case 'boolean':
      return value === 0 || value === 1 ? value === 1 : (value as number);
    case 'int64':
      return BigInt(value as number | string);
    case 'decimal':
      return String(value);
    case 'datetime':
      return String(value).replace(' ', 'T');
    case 'timestamp':
      return `${String(value).replace(' ', 'T')}Z`;
    case 'bytes':
      // What arrives shares its memory with what arrives next to it.
      return new Uint8Array(value as Uint8Array);
    default:
      return value instanceof Uint8Array ? Buffer.from(value).toString() : (value as string | number);
  }
}

function special(wire: Wire, value: unknown): Value {
  if (wire === 'year') return value === YEAR_ZERO ? 0 : (value as number);
  if (wire === 'time') return carried(String(value));
  const bytes = Buffer.from(value as Uint8Array);
  if (wire === 'inet4') return bytes.join('.');
  return wire === 'uuid' ? uuid(bytes) : inet6(bytes);
}

/** `-00:63:64.000` is the library's `-01:00:00.000`: it does not carry. */
function carried(text: string): string {
  const parts = /^-(\d+):(\d\d):(\d\d)(.*)$/.exec(text);
  if (parts === null) return text;
  let [hours, minutes, seconds] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  if (seconds < CARRIED && minutes < CARRIED) return text;
  if (seconds >= CARRIED) {
    seconds -= CARRIED;
    minutes++;
  }
  if (minutes >= CARRIED) {
    minutes -= CARRIED;
    hours++;
  }
  const [h, m, s] = [hours, minutes, seconds].map((one) => String(one).padStart(2, '0'));
  return `-${h}:${m}:${s}${parts[4]}`;
}

function uuid(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** As the server writes it: the longest run of zeros as `::`, what holds an IPv4 address with dots. */
function inet6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2));
  const dotted = `${[...bytes.subarray(12)].join('.')}`;
  if (groups.slice(0, 5).every((group) => group === 0)) {
    if (groups[5] === 0xffff) return `::ffff:${dotted}`;
    if (groups[5] === 0 && groups[6] !== 0) return `::${dotted}`;
    if (groups[5] === 0 && (groups[7] as number) > 1) return `::${dotted}`;
  }
  const hex = groups.map((group) => group.toString(16));
  let [from, length] = [-1, 1];
  for (let i = 0; i < hex.length; i++) {
    let end = i;
    while (hex[end] === '0') end++;
    if (end - i > length) [from, length] = [i, end - i];
  }
  if (from < 0) return hex.join(':');
  return `${hex.slice(0, from).join(':')}::${hex.slice(from + length).join(':')}`;
}
