/** Getting at parts of values, one key or whole paths, and putting others in their place: copies, never in place. */
import { type Path, Unsupported } from './code.ts';
import { charge, JqError } from './run.ts';
import { compare, equal, type Fields, fieldOf, isFields, type Json, put, shown, typeOf } from './values.ts';

/** An array may be made longer by one assignment up to here. */
const LENGTH_MAX = 1_000_000;

export function indexOf(value: Json, key: Json): Json {
  if (typeof key === 'string') {
    if (isFields(value)) return fieldOf(value, key);
    if (value === null || value === undefined) return null;
    throw new JqError(`Cannot index ${typeOf(value)} with string "${key}"`);
  }
  if (typeof key === 'number') {
    if (Array.isArray(value)) return value[placeOf(key, value.length)] ?? null;
    if (value === null || value === undefined) return null;
  } else if (isFields(key) && (Array.isArray(value) || value === null || typeof value === 'string')) {
    return slice(value, fieldOf(key, 'start'), fieldOf(key, 'end'));
  } else if (Array.isArray(key) && Array.isArray(value)) return placesOf(value, key);
  throw new JqError(
    typeof key === 'object' && key !== null && Array.isArray(value)
      ? `Cannot update field at array index of array`
      : `Cannot index ${typeOf(value)} with ${typeOf(key)}`,
  );
}

function placeOf(key: number, length: number): number {
  if (Number.isNaN(key)) return -1;
  const place = Math.floor(key);
  return place < 0 ? place + length : place;
}

/** Where `part` begins in a list. */
function placesOf(list: readonly Json[], part: readonly Json[]): Json {
  if (part.length === 0) throw new Unsupported('places of nothing');
  charge(list.length * part.length);
  const places: number[] = [];
  for (let at = 0; at + part.length <= list.length; at++) {
    if (part.every((item, i) => equal(item, list[at + i]))) places.push(at);
  }
  return places;
}

export function slice(value: Json, from: Json, to: Json): Json {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'string' && !Array.isArray(value)) {
    throw new JqError(`Cannot index ${typeOf(value)} with object`);
  }
  const parts = typeof value === 'string' ? Array.from(value) : value;
  const [start, end] = bounds(parts.length, from, to);
  charge((end - start) >> 3);
  return typeof value === 'string' ? parts.slice(start, end).join('') : parts.slice(start, end);
}

function bounds(length: number, from: Json, to: Json): [start: number, end: number] {
  const given = [from ?? 0, to ?? length];
  if (given.some((bound) => typeof bound !== 'number')) {
    throw new JqError('Start and end indices of an array slice must be numbers');
  }
  const [start, end] = given.map((bound, side) => {
    const number = Number.isNaN(bound) ? side * length : (bound as number);
    return Math.min(length, Math.max(0, number < 0 ? number + length : number));
  }) as [number, number];
  const first = Math.floor(start);
  return [first, Math.max(first, Math.ceil(end))];
}

/** What stands in a value, in order. */
export function childrenOf(value: Json): readonly Json[] {
  if (Array.isArray(value)) return value;
  if (isFields(value)) return Object.values(value);
  throw new JqError(`Cannot iterate over ${shown(value)}`);
}

/** The parts of a value with their paths. */
export function eachPart(value: Json, path: Path, out: (part: Json, path: Path) => void): void {
  const children = childrenOf(value);
  const keys = keysOf(value);
  for (let i = 0; i < children.length; i++) {
    charge(1 + (path.length >> 2));
    out(children[i], [...path, keys[i] as string | number]);
  }
}

export function keysOf(value: Json): readonly (string | number)[] {
  return Array.isArray(value) ? value.map((_item, i) => i) : isFields(value) ? Object.keys(value) : [];
}

export function getPath(value: Json, path: Json): Json {
  if (!Array.isArray(path)) throw new JqError('Path must be specified as an array');
  let found = value;
  for (const key of path) {
    if (found === null || found === undefined) return null;
    found = indexOf(found, key);
  }
  return found;
}

export function setPath(value: Json, path: Path, to: Json): Json {
  return updatePath(value, path, 0, () => to);
}

/** The value with what is at the path replaced by what `change` makes of it. */
export function updatePath(value: Json, path: Path, at: number, change: (old: Json) => Json): Json {
  if (at === path.length) return change(value);
  charge(1);
  const key = path[at];
  if (typeof key === 'string' && (value === null || isFields(value))) {
    const old = value === null ? null : fieldOf(value, key);
    const made: Fields = value === null ? {} : { ...value };
    charge(Object.keys(made).length >> 3);
    put(made, key, updatePath(old, path, at + 1, change));
    return made;
  }
  if (typeof key === 'number' && (value === null || Array.isArray(value))) {
    return updatePlace(value ?? [], key, (old) => updatePath(old, path, at + 1, change));
  }
  if (isFields(key) && (value === null || Array.isArray(value))) {
    const list = value ?? [];
    const [start, end] = bounds(list.length, fieldOf(key, 'start'), fieldOf(key, 'end'));
    const replaced = updatePath(value === null ? null : list.slice(start, end), path, at + 1, change);
    if (!Array.isArray(replaced)) throw new JqError('A slice of an array can only be assigned another array');
    return [...list.slice(0, start), ...replaced, ...list.slice(end)];
  }
  throw new JqError(
    Array.isArray(value) && typeof key === 'object'
      ? 'Cannot update field at array index of array'
      : `Cannot index ${typeOf(value)} with ${typeof key === 'string' ? `string "${key}"` : typeOf(key)}`,
  );
}

function updatePlace(list: readonly Json[], key: number, change: (old: Json) => Json): Json[] {
  const place = Number.isNaN(key) ? -1 : placeOf(key, list.length);
  if (place < 0) throw new JqError('Out of bounds negative array index');
  if (place > list.length + LENGTH_MAX) throw new JqError('Array index too large');
  charge((list.length + place) >> 3);
  const made = list.slice();
  while (made.length < place) made.push(null);
  made[place] = change(list[place] ?? null);
  return made;
}

/** The value without what is at the paths, the last first, so that earlier ones still mean what they meant. */
export function deletePaths(value: Json, paths: Json): Json {
  if (!Array.isArray(paths)) throw new JqError('Paths must be specified as an array');
  const places = paths.flatMap((path) => {
    if (!Array.isArray(path)) throw new JqError('Path must be specified as an array');
    return settled(value, path);
  });
  const ordered = places.sort(compare);
  let left = value;
  for (let i = ordered.length - 1; i >= 0; i--) {
    const path = ordered[i] as Path;
    if (!equal(path, ordered[i + 1])) left = deletePath(left, path, 0);
  }
  return left;
}

/** The path with places from the end counted from the start; one for each place of a slice at its end. */
function settled(value: Json, path: Path): Path[] {
  let found = value;
  const made: Json[] = [];
  for (const [i, key] of path.entries()) {
    if (Array.isArray(found) && isFields(key) && i === path.length - 1) {
      const [start, end] = bounds(found.length, fieldOf(key, 'start'), fieldOf(key, 'end'));
      charge(end - start);
      return Array.from({ length: end - start }, (_, at) => [...made, start + at]);
    }
    const negative = Array.isArray(found) && typeof key === 'number' && key < 0;
    made.push(negative ? placeOf(key as number, (found as Json[]).length) : key);
    if (i < path.length - 1) found = found === null || found === undefined ? null : indexOf(found, key);
    // Before the first one there is nothing to delete.
    if (negative && (made.at(-1) as number) < 0) return [];
  }
  return [made];
}

function deletePath(value: Json, path: Path, at: number): Json {
  if (at === path.length || value === null || value === undefined) return null;
  charge(1);
  const key = path[at];
  const last = at === path.length - 1;
  if (!last) {
    const inner = indexOf(value, key);
    if (inner === null) return value;
    return updatePath(value, [key], 0, () => deletePath(inner, path, at + 1));
  }
  if (typeof key === 'string' && isFields(value)) {
    const made = { ...value };
    delete made[key];
    return made;
  }
  if (typeof key === 'number' && Array.isArray(value)) {
    const place = placeOf(key, value.length);
    return place < 0 || place >= value.length ? value : value.toSpliced(place, 1);
  }
  if (isFields(key) && Array.isArray(value)) {
    const [start, end] = bounds(value.length, fieldOf(key, 'start'), fieldOf(key, 'end'));
    return value.toSpliced(start, end - start);
  }
  const what = isFields(value) ? `object field with ${typeOf(key)}` : `field at ${typeOf(value)} index`;
  throw new JqError(
    isFields(value) ? `Cannot delete field at object index of ${typeOf(key)}` : `Cannot delete ${what}`,
  );
}
