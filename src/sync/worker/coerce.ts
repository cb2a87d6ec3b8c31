/**
 * Values into the types of the target's fields, where nothing is lost by it; what would lose something is rejected with its
 * reason rather than bent. Compiled once for each field of a target. Called by the target half and by mappings.
 */
import { type Field, type ScalarType, SluiceError, toJson, type Value } from '#connector';

export type Coerce = (value: Value) => Value;

const INT32_MAX = 2 ** 31 - 1;
const INT32_MIN = -(2 ** 31);
const INT64_BITS = 64;
const WHOLE = /^[+-]?\d{1,30}$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const SPECIAL = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);
const TRUTHS = new Map<Value, boolean>([
  ['true', true],
  ['t', true],
  ['1', true],
  [1, true],
  [1n, true],
  ['false', false],
  ['f', false],
  ['0', false],
  [0, false],
  [0n, false],
]);
const DATE = /^[+-]?\d{4,6}-\d\d-\d\d( BC)?$/;
const MOMENT = /^([+-]?\d{4,6}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d(?::?\d\d)?)?( BC)?$/;
const SHOWN_MAX = 100;

/** @param name for what is said of a value that does not fit */
export function coercion(name: string, type: Field['type']): Coerce {
  const turn = COERCIONS[type];
  return (value) => {
    if (value === null) return null;
    const turned = turn(value);
    if (turned !== undefined) return turned;
    throw new SluiceError('RECORD_REJECTED', `${name}: ${shown(value)} is no ${type}`, { field: name });
  };
}

/** Undefined: it does not fit. */
const COERCIONS: Record<ScalarType | 'array', (value: Exclude<Value, null>) => Value | undefined> = {
  string: (value) => {
    if (typeof value === 'string') return value;
    if (value instanceof Uint8Array) return undefined;
    return Array.isArray(value) ? jsonOf(value) : String(value);
  },
  int32: (value) => {
    const whole = wholeOf(value);
    if (typeof whole === 'bigint') {
      const number = Number(whole);
      return number >= INT32_MIN && number <= INT32_MAX ? number : undefined;
    }
    return whole !== undefined && whole >= INT32_MIN && whole <= INT32_MAX ? whole : undefined;
  },
  int64: (value) => {
    const whole = wholeOf(value);
    if (whole === undefined) return undefined;
    const big = BigInt(whole);
    return BigInt.asIntN(INT64_BITS, big) === big ? big : undefined;
  },
  decimal: (value) => {
    if (typeof value === 'string') return NUMBER.test(value) || SPECIAL.has(value) ? value : undefined;
    return typeof value === 'number' || typeof value === 'bigint' ? String(value) : undefined;
  },
  float: (value) => {
    if (typeof value === 'number') return value;
    if (typeof value === 'bigint') return BigInt(Number(value)) === value ? Number(value) : undefined;
    if (typeof value !== 'string') return undefined;
    return SPECIAL.get(value) ?? (NUMBER.test(value) ? Number(value) : undefined);
  },
  boolean: (value) => (typeof value === 'boolean' ? value : TRUTHS.get(value)),
  timestamp: (value) => momentOf(value, 'Z'),
  datetime: (value) => momentOf(value, ''),
  date: (value) => {
    if (typeof value !== 'string') return undefined;
    if (DATE.test(value)) return value;
    const [, date, time] = MOMENT.exec(value) ?? [];
    return date !== undefined && /^[0:.]+$/.test(time as string) ? date : undefined;
  },
  time: (value) => (typeof value === 'string' ? value : undefined),
  json: (value) => {
    if (typeof value === 'string') return value;
    return value instanceof Uint8Array ? undefined : jsonOf(value);
  },
  bytes: (value) => {
    if (value instanceof Uint8Array) return value;
    return typeof value === 'string' ? new Uint8Array(Buffer.from(value)) : undefined;
  },
  // A text may be an array in the words of the system.
  array: (value) => (Array.isArray(value) || typeof value === 'string' ? value : undefined),
};

function wholeOf(value: Exclude<Value, null>): number | bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? value : undefined;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'string' && WHOLE.test(value) ? BigInt(value.replace('+', '')) : undefined;
}

/** A moment without a zone is taken to be in UTC, as the contract has it; one with another zone is turned. */
function momentOf(value: Value, ending: '' | 'Z'): string | undefined {
  if (typeof value !== 'string') return undefined;
  if (DATE.test(value)) return `${value}T00:00:00${ending}`;
  const [, date, time, zone = 'Z', era = ''] = MOMENT.exec(value) ?? [];
  if (date === undefined) return value === 'infinity' || value === '-infinity' ? value : undefined;
  if (zone === 'Z' || /^[+-]00(:?00)?$/.test(zone)) return `${date}T${time}${ending}${era}`;
  const minutes = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) as RegExpExecArray;
  const offsetMs = (Number(minutes[2]) * 60 + Number(minutes[3] ?? 0)) * 60_000 * (minutes[1] === '-' ? -1 : 1);
  const [clock, fraction] = (time as string).split('.') as [string, string | undefined];
  const at = Date.parse(`${date}T${clock}Z`);
  if (Number.isNaN(at) || era !== '') return undefined;
  const turned = new Date(at - offsetMs).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
  return `${turned}${fraction === undefined ? '' : `.${fraction}`}${ending}`;
}

const NO_STREAM = { name: '', fields: [], primaryKey: [], cursors: [], can: [] };

function jsonOf(value: Value): string {
  return JSON.stringify(toJson({ value }, NO_STREAM)['value']);
}

function shown(value: Value): string {
  const text =
    value instanceof Uint8Array ? `${value.length} bytes` : typeof value === 'string' ? `"${value}"` : jsonOf(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}
