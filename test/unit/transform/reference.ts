/**
 * Transformations as plainly as can be: looked up and interpreted for each record, one property at a time. What the
 * engine compiles is held against it. It knows a part of the transformations, on the value only.
 */

export interface Declared {
  readonly type: string;
  readonly [setting: string]: unknown;
}

class Refused extends Error {}
const DROPPED = Symbol('dropped');

type Keys = (string | number)[];

/** All places that a path names in this value. */
function places(value: unknown, path: string): Keys[] {
  let found: Keys[] = [[]];
  for (const [, name, index] of path.matchAll(/([^.[\]]+)(?![^[]*\])|\[(-?\d*)\]/g)) {
    found = found.flatMap((keys) => {
      const holder = get(value, keys);
      if (name !== undefined) return [[...keys, name]];
      if (index !== '')
        return [[...keys, Number(index) < 0 && Array.isArray(holder) ? holder.length + Number(index) : Number(index)]];
      return Array.isArray(holder) ? holder.map((_, i) => [...keys, i]) : [];
    });
  }
  return found;
}

function get(value: unknown, keys: Keys): unknown {
  let at = value;
  for (const key of keys) {
    const fits = Array.isArray(at)
      ? typeof key === 'number'
      : typeof at === 'object' && at !== null && typeof key === 'string';
    at = fits && Object.hasOwn(at as object, key) ? (at as Record<string | number, unknown>)[key] : undefined;
  }
  return at;
}

function put(value: unknown, keys: Keys, what: unknown): void {
  let at = value as Record<string | number, unknown>;
  for (const [i, key] of keys.entries()) {
    if (at === null) return;
    const list = Array.isArray(at);
    if (list ? typeof key !== 'number' || !(key in at) : typeof key === 'number' || typeof at !== 'object')
      throw new Refused();
    if (i === keys.length - 1) at[key] = what;
    else {
      if ((at[key] === undefined || at[key] === null) && typeof key === 'string') {
        if (typeof keys[i + 1] === 'number') throw new Refused();
        at[key] = {};
      }
      at = at[key] as Record<string | number, unknown>;
    }
  }
}

function remove(value: unknown, keys: Keys): void {
  const holder = get(value, keys.slice(0, -1)) as Record<string | number, unknown> | undefined;
  const last = keys.at(-1) as string | number;
  if (Array.isArray(holder)) {
    if (typeof last === 'number' && last in holder) holder.splice(last, 1);
  } else if (typeof holder === 'object' && holder !== null && typeof last === 'string') delete holder[last];
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new Refused();
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw new Refused();
  return value;
}

function number(value: unknown): number {
  if (typeof value !== 'number') throw new Refused();
  return value;
}

const CONVERSIONS: Record<string, (value: unknown, one: Declared) => unknown> = {
  uppercase: (value) => string(value).toUpperCase(),
  lowercase: (value) => string(value).toLowerCase(),
  trim: (value) => string(value).trim(),
  split: (value, one) => string(value).split(one['separator'] as string),
  replace: (value, one) =>
    string(value)
      .split(one['text'] as string)
      .join(one['with'] as string),
  mask: (value) => {
    const characters = Array.from(text(value));
    const shown = characters.length <= 4 ? [] : characters.slice(-4);
    return '*'.repeat(characters.length - shown.length) + shown.join('');
  },
  join: (value) => {
    if (!Array.isArray(value)) throw new Refused();
    return value
      .filter((one) => one !== null)
      .map(text)
      .join('-');
  },
  math: (value, one) => {
    const [a, by] = [number(value), one['by'] as number];
    return one['operation'] === 'add' ? a + by : a * by;
  },
  cast: (value) => {
    if (typeof value === 'number') return value;
    if (typeof value === 'boolean') return Number(value);
    if (!/^[-+]?\d+$/.test(string(value).trim())) throw new Refused();
    return Number(value);
  },
};

function convert(value: unknown, one: Declared): typeof DROPPED | undefined {
  const from = places(value, one['field'] as string);
  const to = places(value, (one['target'] ?? one['field']) as string);
  for (const [i, keys] of from.entries()) {
    const before = get(value, keys);
    if (before === undefined || before === null) continue;
    let after: unknown;
    try {
      after = (CONVERSIONS[one.type] as (value: unknown, one: Declared) => unknown)(before, one);
    } catch (error) {
      if (!(error instanceof Refused) || one['on_error'] === 'fail') throw error;
      if (one['on_error'] === 'drop') return DROPPED;
      if (one['on_error'] === 'keep') continue;
      after = null;
    }
    put(value, to[i] as Keys, after);
  }
  return undefined;
}

const STEPS: Record<string, (value: unknown, one: Declared) => void> = {
  set: (value, one) => {
    for (const keys of places(value, one['field'] as string)) put(value, keys, structuredClone(one['value']));
  },
  default_value: (value, one) => {
    for (const keys of places(value, one['field'] as string)) {
      if ((get(value, keys) ?? null) === null) put(value, keys, structuredClone(one['value']));
    }
  },
  rename: (value, one) => {
    for (const [i, keys] of places(value, one['field'] as string).entries()) {
      const moved = get(value, keys);
      if (moved === undefined || one['field'] === one['target']) continue;
      const to = places(value, one['target'] as string)[i] as Keys;
      remove(value, keys);
      put(value, to, moved);
    }
  },
  drop: (value, one) => {
    for (const field of one['fields'] as string[]) for (const keys of places(value, field)) remove(value, keys);
  },
  concatenate: (value, one) => {
    const fields = (one['fields'] as string[]).map((field) => ({
      each: field.includes('[]'),
      all: places(value, field),
    }));
    for (const [i, to] of places(value, one['target'] as string).entries()) {
      const values = fields.map(({ each, all }) => get(value, (each ? all[i] : all[0]) as Keys));
      const present = values.filter((part) => part !== undefined && part !== null);
      if (present.length > 0) put(value, to, present.map(text).join(one['separator'] as string));
    }
  },
};

/** The value afterwards, or what became of the record. */
export function interpret(
  list: readonly Declared[],
  value: unknown,
): { value?: unknown; dropped?: true; failed?: number } {
  const copy = structuredClone(value);
  for (const [index, one] of list.entries()) {
    try {
      if (one.type in CONVERSIONS) {
        if (convert(copy, one) === DROPPED) return { dropped: true };
      } else (STEPS[one.type] as (value: unknown, one: Declared) => void)(copy, one);
    } catch (error) {
      if (error instanceof Refused) return { failed: index };
      throw error;
    }
  }
  return { value: copy };
}
