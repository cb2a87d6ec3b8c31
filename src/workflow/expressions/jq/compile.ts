/**
 * Compiles the syntax tree of jq to closures. What it does not know, and what it knows to differ between editions of jq,
 * throws `Unsupported`, and the whole program is left to the library. Called by `program.ts`; `calls.ts` has functions,
 * `binding.ts` variables, `assignment.ts` what changes values.
 */
import { childrenOf, eachPart, indexOf, slice } from './access.ts';
import { compileAssignment } from './assignment.ts';
import { compileBind, compileFold } from './binding.ts';
import { compileCall, compileDefinition } from './calls.ts';
import { type Code, collect, type Frames, type Many, type One, several, single, Unsupported } from './code.ts';
import { formatOf } from './formats.ts';
import { compileBinary } from './operators.ts';
import { charge, JqError, variableOf } from './run.ts';
import { boundTo, type Scope } from './scope.ts';
import type { Ast, Kind } from './syntax.ts';
import { type Fields, isTrue, type Json, negative, put, toText, typeOf } from './values.ts';

export function compile(ast: Ast, scope: Scope): Code {
  switch (ast.kind) {
    case 'identity':
      return IDENTITY;
    case 'literal': {
      const { value } = ast;
      return single(() => value);
    }
    case 'location': {
      const { line } = ast;
      return single(() => ({ file: '<top-level>', line }));
    }
    case 'string':
      return compileText(ast, scope);
    case 'format': {
      const format = formatOf(ast.name);
      return single((input) => format(input));
    }
    case 'index':
      return compileIndex(ast, scope);
    case 'slice':
      return compileSlice(ast, scope);
    case 'each':
      return pipe(compile(ast.of, scope), EACH);
    case 'pipe':
      return pipe(compile(ast.first, scope), compile(ast.second, scope));
    case 'comma':
      return comma(compile(ast.first, scope), compile(ast.second, scope));
    case 'binary':
      return compileBinary(ast.operator, compile(ast.left, scope), compile(ast.right, scope));
    case 'negate':
      return pipe(compile(ast.of, scope), single(negative));
    case 'array':
      return compileArray(ast, scope);
    case 'object':
      return compileObject(ast, scope);
    case 'if':
      return compileIf(ast, scope);
    case 'try':
      return compileTry(ast, scope);
    default:
      return compileBound(ast, scope);
  }
}

type Bound = Kind<'assign' | 'bind' | 'reduce' | 'foreach' | 'define' | 'call' | 'variable' | 'label' | 'break'>;

/** Programs with names in them. */
function compileBound(ast: Bound, scope: Scope): Code {
  switch (ast.kind) {
    case 'assign':
      return compileAssignment(ast.operator, compile(ast.target, scope), compile(ast.value, scope));
    case 'bind':
      return compileBind(ast, scope);
    case 'reduce':
    case 'foreach':
      return compileFold(ast, scope);
    case 'define':
      return compile(ast.body, compileDefinition(ast.definition, scope));
    case 'call':
      return compileCall(ast, scope);
    case 'variable':
      return compileVariable(ast.name, scope);
    case 'label': {
      const body = compile(ast.body, scope.with({ kind: 'label', name: ast.name }));
      return several(labelled(body.many));
    }
    case 'break': {
      const found = scope.find('label', ast.name, 0);
      if (found === undefined) throw new Unsupported(`$*label-${ast.name} is not defined`);
      const up = scope.level - found.level;
      return several((_input, frames) => {
        throw boundTo(frames, up);
      });
    }
  }
}

const IDENTITY: Code = single(
  (input) => input,
  (input, path, _frames, out) => out(input, path),
);

const EACH: Code = several(
  (input, _frames, out) => {
    for (const child of childrenOf(input)) {
      charge(1);
      out(child);
    }
  },
  (input, path, _frames, out) => {
    eachPart(input, path, out);
  },
);

function pipe(first: Code, second: Code): Code {
  const { paths: ahead } = first;
  const { paths: behind } = second;
  const paths: Code['paths'] =
    ahead &&
    behind &&
    ((input, path, frames, out) => {
      ahead(input, path, frames, (value, place) => behind(value, place, frames, out));
    });
  const { one: a, many: firstMany } = first;
  const { one: b, many: secondMany } = second;
  if (a && b) return single((input, frames) => b(a(input, frames), frames), paths);
  if (a) return several((input, frames, out) => secondMany(a(input, frames), frames, out), paths);
  return several((input, frames, out) => {
    firstMany(input, frames, (value) => secondMany(value, frames, out));
  }, paths);
}

function comma(first: Code, second: Code): Code {
  const { paths: a } = first;
  const { paths: b } = second;
  return several(
    (input, frames, out) => {
      charge(1);
      first.many(input, frames, out);
      second.many(input, frames, out);
    },
    a &&
      b &&
      ((input, path, frames, out) => {
        a(input, path, frames, out);
        b(input, path, frames, out);
      }),
  );
}

function compileIndex({ of, key }: Kind<'index'>, scope: Scope): Code {
  if (key.kind === 'literal') {
    const { value: name } = key;
    const step = single(
      (input) => indexOf(input, name),
      (input, path, _frames, out) => out(indexOf(input, name), [...path, name]),
    );
    return of.kind === 'identity' ? step : pipe(compile(of, scope), step);
  }
  const source = compile(of, scope);
  const keys = compile(key, scope);
  const { one: from, paths } = source;
  const { one: by } = keys;
  const walk: Code['paths'] =
    paths &&
    ((input, path, frames, out) => {
      paths(input, path, frames, (value, place) => {
        keys.many(input, frames, (name) => out(indexOf(value, name), [...place, name]));
      });
    });
  if (from && by) return single((input, frames) => indexOf(from(input, frames), by(input, frames)), walk);
  return several((input, frames, out) => {
    source.many(input, frames, (value) => keys.many(input, frames, (name) => out(indexOf(value, name))));
  }, walk);
}

function compileSlice({ of, from, to }: Kind<'slice'>, scope: Scope): Code {
  const source = compile(of, scope);
  const nothing = single(() => null);
  const starts = from ? compile(from, scope) : nothing;
  const ends = to ? compile(to, scope) : nothing;
  const { paths } = source;
  const each = (input: Json, frames: Frames, out: (start: Json, end: Json) => void) => {
    starts.many(input, frames, (start) => ends.many(input, frames, (end) => out(start, end)));
  };
  return several(
    (input, frames, out) => {
      source.many(input, frames, (value) => each(input, frames, (start, end) => out(slice(value, start, end))));
    },
    paths &&
      ((input, path, frames, out) => {
        paths(input, path, frames, (value, place) => {
          each(input, frames, (start, end) => out(slice(value, start, end), [...place, { start, end }]));
        });
      }),
  );
}

function compileText({ format, parts }: Kind<'string'>, scope: Scope): Code {
  const write = format === 'text' ? toText : formatOf(format);
  const pieces = parts.map((part) => (typeof part === 'string' ? part : compile(part, scope)));
  const ones = pieces.map((piece) => (typeof piece === 'string' ? piece : piece.one));
  if (ones.every((one) => one !== undefined)) {
    return single((input, frames) => {
      let text = '';
      for (const one of ones as (string | One)[]) text += typeof one === 'string' ? one : write(one(input, frames));
      charge(text.length >> 5);
      return text;
    });
  }
  // The last program in a text is the outermost loop.
  const from = (at: number, input: Json, frames: Frames, tail: string, out: (value: Json) => void): void => {
    const piece = pieces[at];
    if (piece === undefined) out(tail);
    else if (typeof piece === 'string') from(at - 1, input, frames, piece + tail, out);
    else piece.many(input, frames, (value) => from(at - 1, input, frames, write(value) + tail, out));
  };
  return several((input, frames, out) => from(pieces.length - 1, input, frames, '', out));
}

function compileArray({ of }: Kind<'array'>, scope: Scope): Code {
  if (of === undefined) return single(() => []);
  const items = compile(of, scope);
  return single((input, frames) => collect(items, input, frames));
}

function compileObject({ members }: Kind<'object'>, scope: Scope): Code {
  const pairs = members.map(({ key, value }) => [compile(key, scope), compile(value, scope)] as const);
  const ones = pairs.map(([key, value]) => [key.one, value.one] as const);
  if (ones.every(([key, value]) => key && value)) {
    return single((input, frames) => {
      const made: Fields = {};
      for (const [key, value] of ones as (readonly [One, One])[]) {
        put(made, nameOf(key(input, frames)), value(input, frames));
      }
      return made;
    });
  }
  const from = (at: number, made: Fields, input: Json, frames: Frames, out: (value: Json) => void): void => {
    const pair = pairs[at];
    if (pair === undefined) {
      out(made);
      return;
    }
    pair[0].many(input, frames, (key) => {
      const name = nameOf(key);
      pair[1].many(input, frames, (value) => {
        charge(1);
        const next = { ...made };
        put(next, name, value);
        from(at + 1, next, input, frames, out);
      });
    });
  };
  return several((input, frames, out) => from(0, {}, input, frames, out));
}

function nameOf(key: Json): string {
  if (typeof key === 'string') return key;
  throw new JqError(`Object keys must be strings, not ${typeOf(key)}`);
}

function compileIf({ condition, then, otherwise }: Kind<'if'>, scope: Scope): Code {
  const test = compile(condition, scope);
  const yes = compile(then, scope);
  const no = otherwise ? compile(otherwise, scope) : IDENTITY;
  const { one: a, many: tests } = test;
  const { one: b, paths: yesPaths } = yes;
  const { one: c, paths: noPaths } = no;
  const walk: Code['paths'] =
    yesPaths &&
    noPaths &&
    ((input, path, frames, out) => {
      tests(input, frames, (holds) => (isTrue(holds) ? yesPaths : noPaths)(input, path, frames, out));
    });
  if (a && b && c) {
    return single((input, frames) => (isTrue(a(input, frames)) ? b(input, frames) : c(input, frames)), walk);
  }
  return several((input, frames, out) => {
    tests(input, frames, (holds) => (isTrue(holds) ? yes : no).many(input, frames, out));
  }, walk);
}

/** Catches what the body throws, and not what is thrown by what the body's values are given to. */
function compileTry({ body, handler }: Kind<'try'>, scope: Scope): Code {
  const tried = compile(body, scope);
  const caught = handler && compile(handler, scope);
  const { paths } = tried;
  return several(
    (input, frames, out) => {
      let outside = false;
      try {
        tried.many(input, frames, (value) => {
          outside = true;
          out(value);
          outside = false;
        });
      } catch (error) {
        if (outside || !(error instanceof JqError)) throw error;
        caught?.many(error.value, frames, out);
      }
    },
    paths && handler === undefined
      ? (input, path, frames, out) => {
          let outside = false;
          try {
            paths(input, path, frames, (value, place) => {
              outside = true;
              out(value, place);
              outside = false;
            });
          } catch (error) {
            if (outside || !(error instanceof JqError)) throw error;
          }
        }
      : undefined,
  );
}

/** The body in a frame with a mark that nothing else has, which a `break` throws. */
function labelled(body: Many): Many {
  return (input, frames, out) => {
    const mark = {};
    try {
      body(input, { value: mark, up: frames }, out);
    } catch (thrown) {
      if (thrown !== mark) throw thrown;
    }
  };
}

function compileVariable(name: string, scope: Scope): Code {
  const found = scope.find('variable', name, 0);
  if (found === undefined) {
    scope.noteFree(name);
    return single(() => variableOf(name));
  }
  const up = scope.level - found.level;
  if (up === 0) return single((_input, frames) => frames?.value as Json);
  return single((_input, frames) => boundTo(frames, up));
}
