/** Places in JSON by dotted path, and `{name}` in paths of requests. Used by all files of this folder. */
import { SluiceError } from '#kernel';
import { plainText } from './exact-json.ts';

/** The value at a path such as `data.items`; `''` is the value itself, `*` each of a list; undefined where there is none. */
export function at(value: unknown, path: string): unknown {
  if (path === '') return value;
  const [name = '', ...rest] = path.split('.');
  if (typeof value !== 'object' || value === null) return undefined;
  if (name === '*') {
    const all = Array.isArray(value) ? value : Object.values(value);
    return all.flatMap((item) => at(item, rest.join('.')) ?? []);
  }
  if (!Object.hasOwn(value, name)) return undefined;
  return at((value as Record<string, unknown>)[name], rest.join('.'));
}

/** A copy with another value at a path; objects are made on the way. */
export function withAt(value: unknown, path: string, inner: unknown): unknown {
  if (path === '') return inner;
  const [name = '', ...rest] = path.split('.');
  const object = typeof value === 'object' && value !== null ? value : {};
  const below = (object as Record<string, unknown>)[name];
  const changed = withAt(below, rest.join('.'), inner);
  if (Array.isArray(object)) return object.map((item, i) => (String(i) === name ? changed : (item as unknown)));
  return { ...object, [name]: changed };
}

/** Those of these members that are there; by another name where one is given. */
export function pick(
  record: Readonly<Record<string, unknown>>,
  names: readonly string[] | Readonly<Record<string, string>>,
): Record<string, unknown> {
  const pairs = Array.isArray(names)
    ? names.map((name: string): [string, string] => [name, name])
    : Object.entries(names as Readonly<Record<string, string>>);
  const there = pairs.filter(([name]) => record[name] !== undefined);
  return Object.fromEntries(there.map(([name, as]) => [as, record[name]]));
}

/** Nested objects as forms have them: `metadata[key]`; null is empty. */
export function formOf(record: Readonly<Record<string, unknown>>, prefix = ''): Record<string, string> {
  const form: Record<string, string> = {};
  for (const [name, value] of Object.entries(record)) {
    if (value === undefined) continue;
    const full = prefix === '' ? name : `${prefix}[${name}]`;
    if (typeof value === 'object' && value !== null) Object.assign(form, formOf({ ...value }, full));
    else form[full] = value === null ? '' : plainText(value);
  }
  return form;
}

/** @throws RECORD_REJECTED where a value is missing, or would lead to another path */
export function fillPath(path: string, values: Readonly<Record<string, unknown>>): string {
  return path.replace(/\{([^{}]+)\}/g, (_, name: string) => {
    const value = at(values, name);
    const text = value === undefined || value === null || typeof value === 'object' ? '' : plainText(value);
    if (text === '' || text === '.' || text === '..') {
      throw new SluiceError('RECORD_REJECTED', `${name}: has no value that can be part of a path`, { field: name });
    }
    return encodeURIComponent(text);
  });
}
