/** Built-in functions of jq over arrays and objects as values. */
import { childrenOf, deletePaths, getPath, indexOf, setPath } from '../access.ts';
import { Unsupported } from '../code.ts';
import { charge, JqError } from '../run.ts';
import {
  add,
  codePointCount,
  compare,
  equal,
  type Fields,
  fieldOf,
  isFields,
  isTrue,
  type Json,
  lengthOf,
  put,
  shown,
  sortedKeys,
  toText,
  typeOf,
} from '../values.ts';
import { natives } from './native.ts';

export const COLLECTIONS = natives({
  'length/0': lengthOf,
  'utf8bytelength/0': (value) => {
    if (typeof value !== 'string') throw new JqError(`${shown(value)} only strings have UTF-8 byte length`);
    return Buffer.byteLength(value);
  },
  'not/0': (value) => !isTrue(value),
  'type/0': typeOf,
  'keys/0': (value) => keys(value, true),
  'keys_unsorted/0': (value) => keys(value, false),
  'has/1': has,
  'in/1': (key, value) => has(value, key),
  'contains/1': (value, part) => {
    if (typeOf(value) !== typeOf(part)) {
      throw new JqError(`${shown(value)} and ${shown(part)} cannot have their containment checked`);
    }
    return contains(value, part);
  },
  'inside/1': (part, value) => {
    if (typeOf(value) !== typeOf(part)) {
      throw new JqError(`${shown(value)} and ${shown(part)} cannot have their containment checked`);
    }
    return contains(value, part);
  },
  'add/0': (value) => sum(childrenOf(value)),
  'reverse/0': (value) => {
    if (typeof value === 'string') throw new Unsupported('text, which not every edition of jq turns round');
    if (value === null) return [];
    if (!Array.isArray(value)) {
      if (isFields(value) && Object.keys(value).length > 0) throw new JqError('Cannot index object with number');
      if (isFields(value) || value === 0) return [];
      throw new JqError(`${shown(value)} has no length`);
    }
    return value.toReversed();
  },
  'sort/0': (value) => sorted(listOf(value, 'sorted')),
  'unique/0': (value) => uniqueOf(sorted(listOf(value, 'sorted'))),
  'min/0': (value) => extreme(value, -1),
  'max/0': (value) => extreme(value, 1),
  'flatten/0': (value) => flattened(value, Number.POSITIVE_INFINITY),
  'flatten/1': (value, depth) => {
    if (typeof depth !== 'number') throw new JqError('flatten depth must not be negative');
    if (depth < 0) throw new JqError('flatten depth must not be negative');
    return flattened(value, depth);
  },
  'to_entries/0': (value) => keys(value, false).map((key) => ({ key, value: indexOf(value, key) })),
  'from_entries/0': fromEntries,
  'getpath/1': getPath,
  'setpath/2': (value, path, to) => {
    if (!Array.isArray(path)) throw new JqError('Path must be specified as an array');
    return setPath(value, path, to);
  },
  'delpaths/1': deletePaths,
  'transpose/0': transpose,
  'tojson/0': (value) => toText([value]).slice(1, -1),
  'toarray/0': (value) => (Array.isArray(value) ? value : [value]),
  'indices/1': indices,
  'index/1': (value, part) => (indices(value, part) as Json[] | null)?.[0] ?? null,
  'rindex/1': (value, part) => (indices(value, part) as Json[] | null)?.at(-1) ?? null,
});

export function keys(value: Json, ordered: boolean): Json[] {
  if (Array.isArray(value)) return value.map((_item, i) => i);
  if (!isFields(value)) throw new JqError(`${shown(value)} has no keys`);
  return ordered ? sortedKeys(value) : Object.keys(value);
}

function has(value: Json, key: Json): boolean {
  if (value === null) return false;
  if (isFields(value) && typeof key === 'string') return Object.hasOwn(value, key);
  if (Array.isArray(value) && typeof key === 'number') return key >= 0 && key < value.length;
  throw new JqError(
    `Cannot check whether ${typeOf(value)} has a ${typeof key === 'string' ? 'string' : typeOf(key)} key`,
  );
}

function contains(value: Json, part: Json): boolean {
  charge(1);
  if (typeof value === 'string' && typeof part === 'string') return value.includes(part);
  if (Array.isArray(value) && Array.isArray(part)) {
    return part.every((sought) => value.some((item) => contains(item, sought)));
  }
  if (isFields(value) && isFields(part)) {
    return Object.keys(part).every((key) => Object.hasOwn(value, key) && contains(value[key], part[key]));
  }
  return equal(value, part);
}

export function sum(values: readonly Json[]): Json {
  let total: Json = null;
  // Text by text would be a copy a time.
  if (values.length > 2 && values.every((value) => typeof value === 'string')) {
    charge(values.length);
    return values.join('');
  }
  for (const value of values) {
    charge(1);
    total = add(total, value);
  }
  return total;
}

export function listOf(value: Json, what: string): Json[] {
  if (!Array.isArray(value)) throw new JqError(`${shown(value)} cannot be ${what}, as it is not an array`);
  return value;
}

function sorted(list: readonly Json[]): Json[] {
  charge(list.length);
  return list.toSorted(compare);
}

function uniqueOf(list: readonly Json[]): Json[] {
  return list.filter((item, i) => i === 0 || !equal(item, list[i - 1]));
}

function extreme(value: Json, sign: number): Json {
  const list = listOf(value, 'iterated over');
  let found: Json = list[0] ?? null;
  for (const item of list.slice(1)) {
    charge(1);
    const difference = compare(item, found);
    // Of equal ones the first is the least and the last the greatest.
    if (sign < 0 ? difference < 0 : difference >= 0) found = item;
  }
  return found;
}

function flattened(value: Json, depth: number): Json[] {
  const made: Json[] = [];
  for (const item of childrenOf(value)) {
    charge(1);
    if (Array.isArray(item) && depth > 0) made.push(...flattened(item, depth - 1));
    else made.push(item);
  }
  return made;
}

function fromEntries(value: Json): Fields {
  const made: Fields = {};
  for (const entry of childrenOf(value)) {
    charge(1);
    // What editions of jq do not agree on: other keys than text, and other names than these.
    if (!isFields(entry) || typeof entry['key'] !== 'string' || (!Object.hasOwn(entry, 'value') && hasOther(entry))) {
      throw new Unsupported('an unusual entry');
    }
    put(made, entry['key'], fieldOf(entry, 'value'));
  }
  return made;
}

function hasOther(entry: Fields): boolean {
  return ['v', 'V', 'Value'].some((name) => Object.hasOwn(entry, name));
}

function transpose(value: Json): Json[] {
  if (isFields(value)) throw new Unsupported('an object to transpose');
  const rows = listOf(value, 'transposed');
  const width = rows.reduce<number>((most, row) => Math.max(most, lengthOf(row)), 0);
  charge(width * rows.length);
  return Array.from({ length: width }, (_, i) => rows.map((row) => indexOf(row, i)));
}

function indices(value: Json, part: Json): Json {
  if (typeof value === 'string' && typeof part === 'string') return textIndices(value, part);
  if (Array.isArray(value)) return indexOf(value, Array.isArray(part) ? part : [part]);
  return indexOf(value, part);
}

/** Where it begins, also within another occurrence, counted in characters. */
function textIndices(text: string, part: string): Json {
  if (part === '') return [];
  const places: number[] = [];
  let counted = 0;
  let characters = 0;
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + 1)) {
    charge(1 + ((at - counted) >> 3));
    characters += codePointCount(text.slice(counted, at));
    counted = at;
    places.push(characters);
  }
  return places;
}
