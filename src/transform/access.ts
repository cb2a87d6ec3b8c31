/**
 * Compiles a path to closures that read and write what it names. Each segment is a closure of its own over
 * the one before, specialised, so that a path of any depth becomes straight property accesses.
 *
 * Inside a list that is gone through (`items[].sku`), the closures get the list and the index of the element at hand;
 * elsewhere these are not looked at.
 *
 * Reading what is not there gives `undefined`, never something inherited. Writing makes the objects that are missing
 * on the way, but no lists and no elements; it refuses to write into text and numbers. Where what a path starts from
 * is null (a deletion, a null in a list), or an element on the way is, nothing is written.
 */
import { EACH, hasEach, type Path, type Segment, splitAtEach } from './path.ts';
import type { Fields, TransformRecord } from './record.ts';
import { specialise } from './specialise.ts';

export type Getter = (record: TransformRecord, list: unknown[], index: number) => unknown;
/** True, or does not return. */
export type Setter = (record: TransformRecord, list: unknown[], index: number, value: unknown) => true;
/** Called where something cannot be written; throws. */
export type Blocked = (holder: unknown) => never;

/** Names that arrays, dates, bytes and plain objects answer to without having such a field. */
const INHERITED: ReadonlySet<string> = new Set(
  [[], new Date(0), new Map(), new Set(), Buffer.alloc(0), new Error()].flatMap((object) => {
    const names: string[] = Object.getOwnPropertyNames(object);
    for (let at = Object.getPrototypeOf(object); at !== null; at = Object.getPrototypeOf(at)) {
      names.push(...Object.getOwnPropertyNames(at));
    }
    return names;
  }),
);

const rootGetters: Record<Path['root'], () => Getter> = {
  value: () => (record) => record.value,
  key: () => (record) => record.key,
  headers: () => (record) => record.headers,
  timestamp: () => (record) => record.timestamp,
};

const elementGetter = (): Getter => (_record, list, index) => list[index];

const nameGetter =
  (parent: Getter, name: string): Getter =>
  (record, list, index) => {
    const holder = parent(record, list, index);
    return typeof holder === 'object' && holder !== null ? (holder as Fields)[name] : undefined;
  };

const ownNameGetter =
  (parent: Getter, name: string): Getter =>
  (record, list, index) => {
    const holder = parent(record, list, index);
    if (typeof holder !== 'object' || holder === null) return undefined;
    if (Array.isArray(holder) || ArrayBuffer.isView(holder)) return undefined;
    return Object.hasOwn(holder, name) ? (holder as Fields)[name] : undefined;
  };

const indexGetter =
  (parent: Getter, position: number): Getter =>
  (record, list, index) => {
    const holder = parent(record, list, index);
    return Array.isArray(holder) ? holder.at(position) : undefined;
  };

/** Reads what the path names. */
export function getterOf(path: Path): Getter {
  return getterThrough(rootOf(path), innerSegments(path));
}

export function rootOf(path: Path): Getter {
  return specialise(hasEach(path) ? elementGetter : rootGetters[path.root])();
}

export function innerSegments(path: Path): readonly Segment[] {
  return hasEach(path) ? splitAtEach(path).inside : path.segments;
}

/** Reads the lists that a path goes through, the outermost first, each from an element of the one before. */
export function listGettersOf(path: Path): Getter[] {
  const getters: Getter[] = [];
  let names: Segment[] = [];
  for (const segment of splitAtEach(path).outside) {
    if (segment !== EACH) {
      names.push(segment);
      continue;
    }
    const root = specialise(getters.length === 0 ? rootGetters.value : elementGetter)();
    getters.push(getterThrough(root, names));
    names = [];
  }
  return getters;
}

/** Reads along segments, none of which is "each", from what `start` reads. */
export function getterThrough(start: Getter, segments: readonly Segment[]): Getter {
  return segments.reduce<Getter>((parent, segment) => {
    if (typeof segment === 'number') return specialise(indexGetter)(parent, segment);
    const name = segment as string;
    return specialise(isInherited(name) ? ownNameGetter : nameGetter)(parent, name);
  }, start);
}

/** An array answers to its indexes too. */
function isInherited(name: string): boolean {
  return INHERITED.has(name) || /^\d+$/.test(name);
}

const rootSetters: Record<'value' | 'key' | 'timestamp', (blocked: Blocked) => Setter> = {
  value: () => (record, _list, _index, value) => {
    record.value = value;
    return true;
  },
  key: (blocked) => (record, _list, _index, value) => {
    if (typeof value === 'string' || value === null) record.key = value;
    else if (value === undefined) record.key = null;
    else if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
      record.key = String(value);
    else blocked(value);
    return true;
  },
  timestamp: (blocked) => (record, _list, _index, value) => {
    const ms = value instanceof Date ? value.getTime() : value;
    if (typeof ms !== 'number' || !Number.isFinite(ms)) return blocked(value);
    record.timestamp = Math.trunc(ms);
    return true;
  },
};

const headerSetter =
  (name: string, blocked: Blocked): Setter =>
  (record, _list, _index, value) => {
    if (typeof value === 'string') record.headers[name] = value;
    else if (value === null || value === undefined) delete record.headers[name];
    else if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
      record.headers[name] = String(value);
    else blocked(value);
    return true;
  };

const elementSetter = (): Setter => (_record, list, index, value) => {
  list[index] = value;
  return true;
};

const nameSetter =
  (parent: Getter, name: string, blocked: Blocked): Setter =>
  (record, list, index, value) => {
    const holder = parent(record, list, index);
    if (typeof holder === 'object' && holder !== null && !Array.isArray(holder)) (holder as Fields)[name] = value;
    else if (holder !== null && holder !== undefined) blocked(holder);
    return true;
  };

const indexSetter =
  (parent: Getter, position: number, blocked: Blocked): Setter =>
  (record, list, index, value) => {
    const holder = parent(record, list, index);
    if (!Array.isArray(holder)) return blocked(holder);
    const place = position < 0 ? holder.length + position : position;
    if (place < 0 || place >= holder.length) return blocked(holder);
    holder[place] = value;
    return true;
  };

/** Reads an element that is about to be written into. */
const standingGetter =
  (parent: Getter, position: number, blocked: Blocked): Getter =>
  (record, list, index) => {
    const holder = parent(record, list, index);
    const element = Array.isArray(holder) ? holder.at(position) : undefined;
    return element === undefined ? blocked(holder) : element;
  };

/** Reads a field that is about to be written into; makes it where it is missing. */
const makingGetter =
  (parent: Getter, read: Getter, name: string): Getter =>
  (record, list, index) => {
    const child = read(record, list, index);
    if (child !== undefined && child !== null) return child;
    const holder = parent(record, list, index);
    if (typeof holder !== 'object' || holder === null || Array.isArray(holder)) return holder;
    const made = {};
    (holder as Fields)[name] = made;
    return made;
  };

/** An object is made where a field is to be written into it, a list never. */
function makeOrRead(parent: Getter, name: string, next: Segment): Getter {
  const read = getterThrough(parent, [name]);
  return typeof next === 'number' ? read : specialise(makingGetter)(parent, read, name);
}

/** Writes what the path names. */
export function setterOf(path: Path, blocked: Blocked): Setter {
  const segments = innerSegments(path);
  const last = segments.at(-1);
  if (path.root === 'headers') return specialise(headerSetter)(last as string, blocked);
  if (last === undefined) {
    return hasEach(path) ? specialise(elementSetter)() : specialise(rootSetters[path.root])(blocked);
  }
  const root = rootOf(path);
  let parent = root;
  for (const [at, segment] of segments.slice(0, -1).entries()) {
    if (typeof segment === 'number') parent = specialise(standingGetter)(parent, segment, blocked);
    else parent = makeOrRead(parent, segment as string, segments[at + 1] as Segment);
  }
  if (typeof last === 'number') return unlessNull(root, specialise(indexSetter)(parent, last, blocked));
  const setter = specialise(nameSetter)(parent, last as string, blocked);
  return segments.some((segment) => typeof segment === 'number') ? unlessNull(root, setter) : setter;
}

/** Does nothing where the path starts from nothing; `nameSetter` alone sees that by itself. */
function unlessNull(root: Getter, set: Setter): Setter {
  return (record, list, index, value) =>
    (root(record, list, index) ?? null) === null || set(record, list, index, value);
}
