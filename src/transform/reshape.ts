/**
 * Taking fields away, giving them other names, keeping some: all by a copy of the object that holds them. A copy stays
 * in V8's fast form, where `delete` would turn the object into a hash table, which is also slower to encode.
 * Other fields keep their order. Called by `builders/structure.ts`.
 */
import { type Blocked, type Getter, getterThrough, innerSegments, rootOf, type Setter, setterOf } from './access.ts';
import { EACH, type Path, type Segment } from './path.ts';
import { type Fields, isFields, type TransformRecord } from './record.ts';
import { specialise } from './specialise.ts';
import { NO_LIST, type Step } from './step.ts';

/** Own fields named `__proto__`, which JSON may have, are set by definition: an assignment would mean another thing. */
function copyOddly(from: Fields, to: Fields, name: string): void {
  Object.defineProperty(to, name, { ...Object.getOwnPropertyDescriptor(from, name) });
}

const nameRemover =
  (parent: Getter, replaceParent: Setter, name: string, oddly: typeof copyOddly): Step =>
  (record, list, index) => {
    const holder = parent(record, list, index) as Fields;
    if (typeof holder !== 'object' || holder === null || Array.isArray(holder) || !Object.hasOwn(holder, name)) {
      return true;
    }
    const kept: Fields = {};
    for (const field in holder) {
      if (field === name) continue;
      if (field === '__proto__') oddly(holder, kept, field);
      else kept[field] = holder[field];
    }
    return replaceParent(record, list, index, kept);
  };

const nameRenamer =
  (parent: Getter, replaceParent: Setter, from: string, to: string, oddly: typeof copyOddly): Step =>
  (record, list, index) => {
    const holder = parent(record, list, index) as Fields;
    if (typeof holder !== 'object' || holder === null || Array.isArray(holder) || !Object.hasOwn(holder, from)) {
      return true;
    }
    const renamed: Fields = {};
    for (const field in holder) {
      if (field === to) continue;
      if (field === from) renamed[to] = holder[field];
      else if (field === '__proto__') oddly(holder, renamed, field);
      else renamed[field] = holder[field];
    }
    return replaceParent(record, list, index, renamed);
  };

const indexRemover =
  (parent: Getter, position: number): Step =>
  (record, list, index) => {
    const holder = parent(record, list, index);
    if (!Array.isArray(holder)) return true;
    const place = position < 0 ? holder.length + position : position;
    if (place >= 0 && place < holder.length) holder.splice(place, 1);
    return true;
  };

const removeKey: Step = (record) => {
  record.key = null;
  return true;
};

/** Removes what the path names: a field, a header, an element of a list, or the key. */
export function removerOf(path: Path, blocked: Blocked): Step {
  const segments = innerSegments(path);
  const last = segments.at(-1);
  if (path.root === 'key') return removeKey;
  if (path.root === 'headers') {
    const set = setterOf(path, blocked);
    return (record, list, index) => set(record, list, index, undefined);
  }
  const parent = getterThrough(rootOf(path), segments.slice(0, -1));
  if (typeof last === 'number') return specialise(indexRemover)(parent, last);
  return specialise(nameRemover)(parent, setterOf(parentOf(path), blocked), last as string, copyOddly);
}

/** Moves what one path names to where the other one says; within one object, the field stays in its position. */
export function moverOf(from: Path, to: Path, read: Getter, write: Setter, blocked: Blocked): Step {
  const [source, destination] = [from.segments.at(-1), to.segments.at(-1)];
  if (areSiblings(from, to) && source === destination) return () => true;
  if (areSiblings(from, to) && from.root === 'value' && typeof source === 'string' && typeof destination === 'string') {
    const parent = getterThrough(rootOf(from), innerSegments(from).slice(0, -1));
    return specialise(nameRenamer)(parent, setterOf(parentOf(from), blocked), source, destination, copyOddly);
  }
  const remove = removerOf(from, blocked);
  return (record, list, index) => {
    const value = read(record, list, index);
    if (value === undefined || (value === null && from.root !== 'value')) return true;
    return remove(record, list, index) && write(record, list, index, value);
  };
}

function parentOf(path: Path): Path {
  return { ...path, segments: path.segments.slice(0, -1) };
}

function areSiblings(a: Path, b: Path): boolean {
  const same = (segment: Segment, i: number) => i === a.segments.length - 1 || segment === b.segments[i];
  return a.root === b.root && a.segments.length === b.segments.length && a.segments.every(same);
}

/** What is kept of a value; undefined where nothing of it is. */
type Pick = (value: unknown) => unknown;
/** Adds what is kept of one field, and of those after it. */
type PickField = (from: Fields, to: Fields) => void;

const whole: Pick = (value) => value;

const fieldPicker =
  (get: Getter, noList: unknown[], name: string, pick: Pick, next: PickField): PickField =>
  (from, to) => {
    const value = get(from as unknown as TransformRecord, noList, 0);
    const kept = value === undefined ? undefined : pick(value);
    if (kept !== undefined) to[name] = kept;
    next(from, to);
  };

const self = (): Getter => (record) => record;

/** Keeps of a value what these paths name, given as the segments that follow it. */
export function pickerOf(paths: readonly (readonly Segment[])[]): Pick {
  if (paths.some((segments) => segments.length === 0)) return whole;
  const inside = (name: Segment) =>
    pickerOf(paths.filter(([first]) => first === name).map((segments) => segments.slice(1)));
  const elements = paths.some(([first]) => first === EACH) ? inside(EACH) : undefined;
  const names = [...new Set(paths.map(([first]) => first))].filter((name) => typeof name === 'string');
  const fields = names.reduceRight<PickField>(
    (next, name) => {
      const get = getterThrough(specialise(self)(), [name]);
      return specialise(fieldPicker)(get, NO_LIST, name, inside(name), next);
    },
    () => undefined,
  );
  return (value) => {
    if (Array.isArray(value)) return elements && value.map(elements).filter((kept) => kept !== undefined);
    if (names.length === 0 || !isFields(value)) return undefined;
    const kept: Fields = {};
    fields(value, kept);
    return kept;
  };
}
