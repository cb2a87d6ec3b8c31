/** Variables of jq: `as` with its patterns, `reduce` and `foreach`. */
import { indexOf } from './access.ts';
import { type Code, type Frames, several, single, Unsupported } from './code.ts';
import { charge, JqError } from './run.ts';
import type { Scope } from './scope.ts';
import type { Kind, Pattern } from './syntax.ts';
import { isFields, type Json, typeOf } from './values.ts';

/** Takes a value apart: calls back with the frames in which the variables are bound, once for every way there is. */
type Unpack = (value: Json, input: Json, frames: Frames, out: (frames: Frames) => void) => void;

interface Unpacked {
  readonly unpack: Unpack;
  readonly scope: Scope;
}

export function compileBind({ source, patterns, body }: Kind<'bind'>, scope: Scope): Code {
  const [pattern, ...others] = patterns;
  if (pattern === undefined || others.length > 0) throw new Unsupported('?// between patterns');
  const from = scope.compile(source);
  const { unpack, scope: inner } = compilePattern(pattern, scope);
  const inside = inner.compile(body);
  const { one: a } = from;
  const { one: b, paths } = inside;
  const walk: Code['paths'] =
    paths &&
    ((input, path, frames, out) => {
      from.many(input, frames, (value) => {
        unpack(value, input, frames, (bound) => paths(input, path, bound, out));
      });
    });
  if (a && b && pattern.kind === 'name') {
    return single((input, frames) => b(input, { value: a(input, frames), up: frames }), walk);
  }
  return several((input, frames, out) => {
    from.many(input, frames, (value) => {
      unpack(value, input, frames, (bound) => inside.many(input, bound, out));
    });
  }, walk);
}

function compilePattern(pattern: Pattern, scope: Scope): Unpacked {
  switch (pattern.kind) {
    case 'name':
      return {
        unpack: (value, _input, frames, out) => out({ value, up: frames }),
        scope: scope.with({ kind: 'variable', name: pattern.name }),
      };
    case 'list':
      return pattern.items.reduce<Unpacked>(
        (before, item, i) => {
          const next = compilePattern(item, before.scope);
          return { scope: next.scope, unpack: after(before.unpack, next.unpack, (value) => itemOf(value, i)) };
        },
        { unpack: (_value, _input, frames, out) => out(frames), scope },
      );
    case 'fields':
      return compileFields(pattern, scope);
  }
}

function compileFields({ fields }: Extract<Pattern, { kind: 'fields' }>, scope: Scope): Unpacked {
  let all: Unpacked = { unpack: (_value, _input, frames, out) => out(frames), scope };
  for (const { key, name, pattern } of fields) {
    const before = all;
    // In a key the variables to its left are known.
    const keys = before.scope.compile(key);
    const held = name === undefined ? before.scope : before.scope.with({ kind: 'variable', name });
    const next = pattern && compilePattern(pattern, held);
    all = {
      scope: next?.scope ?? held,
      unpack: (value, input, frames, out) => {
        before.unpack(value, input, frames, (bound) => {
          keys.many(input, bound, (found) => {
            const part = fieldIn(value, found);
            const kept = name === undefined ? bound : { value: part, up: bound };
            if (next) next.unpack(part, input, kept, out);
            else out(kept);
          });
        });
      },
    };
  }
  return all;
}

function after(first: Unpack, second: Unpack, part: (value: Json) => Json): Unpack {
  return (value, input, frames, out) => {
    first(value, input, frames, (bound) => second(part(value), input, bound, out));
  };
}

function itemOf(value: Json, place: number): Json {
  if (value !== null && !Array.isArray(value)) throw new JqError(`Cannot index ${typeOf(value)} with number`);
  return indexOf(value, place);
}

function fieldIn(value: Json, key: Json): Json {
  if (typeof key !== 'string')
    throw new JqError(`Cannot index ${isFields(value) ? 'object' : typeOf(value)} with ${typeOf(key)}`);
  return indexOf(value, key);
}

export function compileFold(ast: Kind<'reduce'> | Kind<'foreach'>, scope: Scope): Code {
  const source = scope.compile(ast.source);
  const { unpack, scope: inner } = compilePattern(ast.pattern, scope);
  const start = scope.compile(ast.start);
  const update = inner.compile(ast.update);
  const { one } = start;
  // Editions of jq do not agree on what follows when there are several.
  if (one === undefined) throw new Unsupported('a fold that starts from several values');
  const rounds = (input: Json, frames: Frames, round: (bound: Frames) => void) => {
    source.many(input, frames, (value) => {
      unpack(value, input, frames, (bound) => {
        charge(1);
        round(bound);
      });
    });
  };
  if (ast.kind === 'reduce') {
    const total = (first: Json, input: Json, frames: Frames): Json => {
      let state = first;
      rounds(input, frames, (bound) => {
        const before = state;
        state = null;
        update.many(before, bound, (next) => {
          state = next;
        });
      });
      return state;
    };
    return single((input, frames) => total(one(input, frames), input, frames));
  }
  const extract = ast.extract && inner.compile(ast.extract);
  return several((input, frames, out) => {
    let state = one(input, frames);
    rounds(input, frames, (bound) => {
      update.many(state, bound, (next) => {
        state = next;
        if (extract) extract.many(next, bound, out);
        else out(next);
      });
    });
  });
}
