/** Built-in functions of jq that are given programs. */
import { childrenOf, deletePaths, eachPart, getPath, indexOf, keysOf } from '../access.ts';
import { modify } from '../assignment.ts';
import { type Code, collect, type Frames, NOTHING, needPaths, type Path, several, single } from '../code.ts';
import { charge, JqError } from '../run.ts';
import { compare, equal, isFields, isTrue, type Json, lengthOf } from '../values.ts';
import { COLLECTIONS, keys, listOf, sum } from './collections.ts';
import { LOOPS } from './loops.ts';
import type { Natives } from './native.ts';

const fromEntries = COLLECTIONS['from_entries/0']?.([], []).one as (value: Json, frames: Frames) => Json;

export const PROGRAMS: Natives = {
  ...LOOPS,
  'empty/0': () => NOTHING,
  'error/0': () => several(raise, raise),
  'error/1': ([message]) =>
    several(
      (input, frames) => message?.many(input, frames, raise),
      (input, _path, frames) => message?.many(input, frames, raise),
    ),
  'map/1': ([of]) => {
    const { one, many } = of as Code;
    return single((input, frames) => {
      const made: Json[] = [];
      for (const item of childrenOf(input)) {
        charge(1);
        if (one) made.push(one(item, frames));
        else many(item, frames, (value) => void made.push(value));
      }
      return made;
    });
  },
  'select/1': ([test]) => select(test as Code),
  'map_values/1': ([change]) => modify(CHILDREN, change as Code),
  'with_entries/1': ([change]) =>
    single((input, frames) => {
      const made: Json[] = [];
      for (const key of keys(input, false)) {
        charge(1);
        change?.many({ key, value: indexOf(input, key) }, frames, (entry) => void made.push(entry));
      }
      return fromEntries(made, frames);
    }),
  'add/1': ([of]) => single((input, frames) => sum(collect(of as Code, input, frames))),
  'path/1': ([of]) => {
    const paths = needPaths(of as Code);
    return several((input, frames, out) => paths(input, [], frames, (_value, path) => out(path)));
  },
  'paths/0': () =>
    several((input, _frames, out) => everyPath(input, [], (_value, path) => path.length > 0 && out(path))),
  'paths/1': ([test]) =>
    several((input, frames, out) => {
      everyPath(input, [], (value, path) => {
        test?.many(value, frames, (holds) => isTrue(holds) && path.length > 0 && out(path));
      });
    }),
  'del/1': ([of]) => {
    const paths = needPaths(of as Code);
    return single((input, frames) => {
      const gone: Path[] = [];
      paths(input, [], frames, (_value, path) => void gone.push(path));
      return gone.length === 0 ? input : deletePaths(input, gone);
    });
  },
  'getpath/1': ([of]) => {
    const plain = of?.one;
    const walk: Code['paths'] = (input, path, frames, out) => {
      of?.many(input, frames, (keys) => out(reached(input, keys), [...path, ...(keys as Path)]));
    };
    if (plain) return single((input, frames) => getPath(input, plain(input, frames)), walk);
    return several((input, frames, out) => of?.many(input, frames, (keys) => out(getPath(input, keys))), walk);
  },
  'sort_by/1': ([by]) => keyed(by, 'sorted', (pairs) => pairs.map(({ item }) => item)),
  'group_by/1': ([by]) => keyed(by, 'grouped', (pairs) => groups(pairs)),
  'unique_by/1': ([by]) => keyed(by, 'grouped', (pairs) => groups(pairs).map(([first]) => first)),
  'min_by/1': ([by]) => single((input, frames) => extreme(input, by as Code, frames, -1)),
  'max_by/1': ([by]) => single((input, frames) => extreme(input, by as Code, frames, 1)),
  'tostream/0': () => several((input, _frames, out) => stream(input, [], out)),
};

const CHILDREN: Code = several(
  (input, _frames, out) => {
    for (const child of childrenOf(input)) out(child);
  },
  (input, path, _frames, out) => eachPart(input, path, out),
);

function raise(value: Json): never {
  throw new JqError(value);
}

/** `null` where a path leads nowhere, so that it can be assigned to. */
function reached(input: Json, path: Json): Json {
  try {
    return getPath(input, path);
  } catch (error) {
    if (!Array.isArray(path)) throw error;
    return null;
  }
}

function select(test: Code): Code {
  return several(
    (input, frames, out) => test.many(input, frames, (holds) => isTrue(holds) && out(input)),
    (input, path, frames, out) => test.many(input, frames, (holds) => isTrue(holds) && out(input, path)),
  );
}

function everyPath(value: Json, path: Path, out: (value: Json, path: Path) => void): void {
  charge(1 + (path.length >> 2));
  out(value, path);
  if (typeof value !== 'object' || value === null) return;
  eachPart(value, path, (part, place) => everyPath(part, place, out));
}

interface Pair {
  readonly item: Json;
  readonly key: readonly Json[];
}

function keyed(by: Code | undefined, what: string, finish: (pairs: Pair[]) => Json): Code {
  return single((input, frames) => {
    const list = listOf(input, what);
    const pairs = list.map((item) => ({ item, key: collect(by as Code, item, frames) }));
    charge(pairs.length);
    return finish(pairs.sort((a, b) => compare(a.key, b.key)));
  });
}

function groups(pairs: readonly Pair[]): Json[][] {
  const made: Json[][] = [];
  pairs.forEach(({ item, key }, i) => {
    if (i > 0 && equal(key, pairs[i - 1]?.key)) made.at(-1)?.push(item);
    else made.push([item]);
  });
  return made;
}

function extreme(input: Json, by: Code, frames: Frames, sign: number): Json {
  const list = listOf(input, 'iterated over');
  let found: Json = null;
  let best: Json;
  list.forEach((item, i) => {
    charge(1);
    const key = collect(by, item, frames);
    const difference = i === 0 ? sign : compare(key, best);
    if (sign < 0 ? difference < 0 : difference >= 0) [found, best] = [item, key];
  });
  return found;
}

/** A value as the events of reading it. */
function stream(value: Json, path: Path, out: (event: Json) => void): void {
  charge(1);
  if ((Array.isArray(value) || isFields(value)) && lengthOf(value) > 0) {
    eachPart(value, path, (part, place) => stream(part, place, out));
    out([[...path, keysOf(value).at(-1) as Json]]);
  } else out([path, value]);
}
