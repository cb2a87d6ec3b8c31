/** Types of fields out of some records, for systems that do not say. Used by connectors of any API. */
import type { ScalarType } from '../contract.ts';
import type { Fields, JsonObject } from './declaration.ts';
import { isMarked } from './exact-json.ts';

const SAMPLES = 100;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/;

/** A field that is two things in different records is text or JSON. */
export function fieldsIn(records: readonly unknown[]): Fields {
  const types = new Map<string, ScalarType | undefined>();
  for (const record of records.slice(0, SAMPLES)) {
    if (typeof record !== 'object' || record === null) continue;
    for (const [name, value] of Object.entries(record as JsonObject)) {
      types.set(name, both(types.get(name), typeOf(value)));
    }
  }
  const known = [...types].filter((pair): pair is [string, ScalarType] => pair[1] !== undefined);
  return Object.fromEntries(known);
}

function typeOf(value: unknown): ScalarType | undefined {
  if (value === null || value === undefined) return undefined;
  if (isMarked(value)) return 'decimal';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'object') return 'json';
  return INSTANT.test(String(value)) ? 'timestamp' : 'string';
}

function both(a: ScalarType | undefined, b: ScalarType | undefined): ScalarType | undefined {
  if (a === undefined || b === undefined || a === b) return a ?? b;
  const numbers = ['int64', 'float', 'decimal'];
  if (numbers.includes(a) && numbers.includes(b)) return a === 'decimal' || b === 'decimal' ? 'decimal' : 'float';
  return a === 'json' || b === 'json' ? 'json' : 'string';
}
