/**
 * Records as a system has them (JSON) to rows of the contract, by the fields that a stream declares, and back. A value that is
 * not of its field's type comes as what it is, so that nothing is lost on the way in. Used for reading, writing, deliveries.
 */
import type { Field, Row, ScalarType, Stream, Value } from '../contract.ts';
import { fromJson, toJson } from '../json-values.ts';
import type { FieldType, HttpStream, JsonObject } from './declaration.ts';
import { isMarked, parseExact, plainText, stringifyExact } from './exact-json.ts';
import { at } from './paths.ts';

const DATE_CHARACTERS = 10;
const FRACTION = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?$/;

interface Place {
  readonly name: string;
  readonly type: FieldType;
  readonly from: string;
  readonly unit: 's' | 'ms' | undefined;
}

export class Rows {
  /** As the contract has it, for `discover`. */
  readonly stream: Stream;
  readonly #places: readonly Place[];
  readonly #taken: ReadonlySet<string>;
  readonly #closed: boolean;

  constructor(declared: HttpStream) {
    const { name, fields, primaryKey, closed, read, writes = {} } = declared;
    this.#places = Object.entries(fields).map(([field, given]) => {
      const { type, from = field, unit } = typeof given === 'string' ? { type: given } : given;
      return { name: field, type, from, unit: unit as Place['unit'] };
    });
    this.#taken = new Set(this.#places.map(({ from }) => from));
    this.#closed = closed === true;
    const reads =
      read === undefined
        ? []
        : read.incremental === undefined
          ? (['full'] as const)
          : (['full', 'incremental'] as const);
    const looks = declared.one === undefined ? [] : (['lookup'] as const);
    this.stream = {
      name,
      fields: this.#places.map((place) => fieldOf(place, primaryKey)),
      ...(this.#closed ? {} : { open: true as const }),
      primaryKey,
      cursors: read?.incremental === undefined ? [] : [read.incremental.cursor],
      can: [...reads, ...looks, ...(Object.keys(writes) as (keyof typeof writes)[])],
    };
  }

  toRow(record: JsonObject): Row {
    const row: Record<string, Value> = Object.create(null);
    for (const { name, type, from, unit } of this.#places) row[name] = typed(type, at(record, from), unit);
    if (this.#closed) return row;
    for (const [name, value] of Object.entries(record)) {
      if (!this.#taken.has(name) && !(name in row)) row[name] = natural(value);
    }
    return row;
  }

  /** By the fields' names; what is JSON in the row is JSON in the record. */
  toRecord(row: Row): JsonObject {
    const record = toJson(row, this.stream) as Record<string, unknown>;
    for (const { name, type } of this.#places) {
      const value = row[name];
      // Parsed again without losing digits.
      if (type === 'json' && typeof value === 'string') record[name] = parseExact(value);
    }
    return record;
  }

  /** Of a state: what `toRecord` made. */
  keyFrom(record: JsonObject): Row {
    return fromJson(record, this.stream);
  }
}

function fieldOf({ name, type }: Place, primaryKey: readonly string[]): Field {
  const items = type.endsWith('[]') ? (type.slice(0, -2) as ScalarType) : undefined;
  const nullable = !primaryKey.includes(name);
  return items === undefined ? { name, type: type as ScalarType, nullable } : { name, type: 'array', nullable, items };
}

function natural(value: unknown): Value {
  if (value === undefined || value === null) return null;
  if (typeof value === 'object' || isMarked(value)) return plainText(value);
  return value as Value;
}

function typed(type: FieldType, value: unknown, unit: 's' | 'ms' | undefined): Value {
  if (value === undefined || value === null) return null;
  if (type.endsWith('[]')) {
    const items = type.slice(0, -2) as ScalarType;
    return Array.isArray(value) ? value.map((item) => typed(items, item, unit)) : natural(value);
  }
  return scalar(type as ScalarType, value, unit) ?? natural(value);
}

/** Undefined: it is not of that type. */
function scalar(type: ScalarType, value: unknown, unit: 's' | 'ms' | undefined): Value | undefined {
  switch (type) {
    case 'string':
      return plainText(value);
    case 'json':
      return stringifyExact(value);
    case 'decimal':
      return plainText(value);
    case 'int32':
    case 'float': {
      const number =
        typeof value === 'object' || plainText(value).trim() === '' ? Number.NaN : Number(plainText(value));
      return Number.isNaN(number) ? undefined : number;
    }
    case 'int64':
      return /^-?\d+$/.test(plainText(value)) ? BigInt(plainText(value)) : undefined;
    case 'boolean':
      return value === true || value === 'true' ? true : value === false || value === 'false' ? false : undefined;
    case 'timestamp':
      return instant(value, unit);
    case 'datetime':
      return typeof value === 'string' ? value.replace(' ', 'T').replace(/Z$/, '') : undefined;
    case 'date':
      return typeof value === 'string' ? value.slice(0, DATE_CHARACTERS) : undefined;
    case 'bytes':
      return typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'base64')) : undefined;
    default:
      return typeof value === 'string' ? value : undefined;
  }
}

/** With the digits of the second that it came with. */
function instant(value: unknown, unit: 's' | 'ms' | undefined): string | undefined {
  if (unit !== undefined) {
    const number = Number(plainText(value)) * (unit === 's' ? 1000 : 1);
    return Number.isFinite(number) ? new Date(number).toISOString() : undefined;
  }
  if (typeof value !== 'string') return undefined;
  const [, seconds, fraction = '', zone = 'Z'] = FRACTION.exec(value.replace(' ', 'T')) ?? [];
  if (seconds === undefined) {
    const ms = Date.parse(value);
    return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
  }
  if (zone === 'Z') return `${seconds}${fraction}Z`;
  const utc = new Date(`${seconds}${zone.includes(':') ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`}`).toISOString();
  return `${utc.slice(0, seconds.length)}${fraction}Z`;
}
