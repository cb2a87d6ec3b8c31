/**
 * Deep copies of data, for what comes from elsewhere than the record: literals of the declaration, rows of tables,
 * results of expressions. So that nothing is in two places of a value, or in two values, and a later step changes one
 * of them only. Refuses what is no data (functions, numbers without end) and what would not fit a record.
 */
import { isFunction } from './expressions/values.ts';

export class NotData extends Error {}

const DEPTH_MAX = 200;

/** @throws NotData */
export function plainCopy(value: unknown, bytesMax: number): unknown {
  return copyOf(value, { left: bytesMax }, 0);
}

function copyOf(value: unknown, room: { left: number }, depth: number): unknown {
  room.left -= typeof value === 'string' ? value.length : 1;
  if (room.left < 0) throw new NotData('larger than a record');
  switch (typeof value) {
    case 'number':
      if (!Number.isFinite(value)) throw new NotData(`a number that is ${value}`);
      return value;
    case 'object':
      break;
    case 'function':
    case 'symbol':
      throw new NotData('a function');
    default:
      return value;
  }
  if (value === null || value instanceof Date || value instanceof Uint8Array) return value;
  if (depth >= DEPTH_MAX) throw new NotData(`nested deeper than ${DEPTH_MAX}`);
  if (Array.isArray(value)) return Array.from(value, (element) => copyOf(element ?? null, room, depth + 1));
  return copyFields(value, room, depth);
}

function copyFields(value: object, room: { left: number }, depth: number): unknown {
  if (isFunction(value)) throw new NotData('a function');
  const copy: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    if (field === undefined) continue;
    room.left -= name.length;
    const copied = copyOf(field, room, depth + 1);
    if (name === '__proto__') Object.defineProperty(copy, name, { value: copied, ...ORDINARY });
    else copy[name] = copied;
  }
  return copy;
}

const ORDINARY = { enumerable: true, configurable: true, writable: true };
