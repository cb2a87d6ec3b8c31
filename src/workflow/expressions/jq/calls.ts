/** Functions of jq: those a program defines, and calls of them, of built-in ones and of those in the prelude. */
import { NATIVES } from './builtins/index.ts';
import { type Code, type Frames, several, Unsupported } from './code.ts';
import { PRELUDE } from './prelude.ts';
import { charge } from './run.ts';
import { type Binding, boundTo, type Found, framesUp, type Scope } from './scope.ts';
import type { Ast, Definition, Kind } from './syntax.ts';
import type { Json } from './values.ts';

/** What a parameter stands for: a program, and the frames of who passed it. */
interface Closure {
  readonly code: Code;
  readonly frames: Frames;
}

/** Compiles a definition and answers with the scope in which it is known. */
export function compileDefinition({ name, parameters, body }: Definition, scope: Scope): Scope {
  const holder: NonNullable<Binding['body']> = { values: parameters.map((parameter) => parameter.startsWith('$')) };
  const known = scope.with({ kind: 'function', name, arity: parameters.length, body: holder });
  let inner = known;
  for (const parameter of parameters) {
    inner = parameter.startsWith('$')
      ? inner.with({ kind: 'variable', name: parameter.slice(1) })
      : inner.with({ kind: 'parameter', name: parameter });
  }
  (holder as { code?: Code }).code = inner.compile(body);
  return known;
}

export function compileCall(ast: Kind<'call'>, scope: Scope): Code {
  const { name, arguments: given } = ast;
  const found = scope.find('function', name, given.length);
  if (found?.kind === 'parameter') return parameterCall(found, scope);
  if (found?.kind === 'function') return functionCall(found, given, scope);
  const value = given.length === 0 ? scope.find('variable', name, 0) : undefined;
  if (value !== undefined) return scope.compile({ kind: 'variable', name });
  const key = `${name}/${given.length}`;
  const native = Object.hasOwn(NATIVES, key) ? NATIVES[key] : undefined;
  if (native !== undefined)
    return native(
      given.map((one) => scope.compile(one)),
      given,
    );
  const prelude = preludeOf(key, scope);
  if (prelude === undefined) throw new Unsupported(`${key} is not defined`);
  return functionCall({ kind: 'function', name, body: prelude, level: 0 }, given, scope);
}

function parameterCall({ level }: Found, scope: Scope): Code {
  const up = scope.level - level;
  return several(
    (input, frames, out) => {
      charge(1);
      const { code, frames: theirs } = boundTo(frames, up) as Closure;
      code.many(input, theirs, out);
    },
    (input, path, frames, out) => {
      charge(1);
      const { code, frames: theirs } = boundTo(frames, up) as Closure;
      if (code.paths === undefined) throw new Unsupported('a path through a value that is made');
      code.paths(input, path, theirs, out);
    },
  );
}

function functionCall({ body, level }: Found, given: readonly Ast[], scope: Scope): Code {
  const holder = body as NonNullable<Binding['body']>;
  const codes = given.map((one) => scope.compile(one));
  const up = scope.level - level;
  // Values are loops, the first outermost; programs are passed as they are.
  const bind = (at: number, input: Json, frames: Frames, bound: Frames, out: (bound: Frames) => void): void => {
    const code = codes[at];
    if (code === undefined) out(bound);
    else if (holder.values[at]) {
      code.many(input, frames, (value) => bind(at + 1, input, frames, { value, up: bound }, out));
    } else {
      const value: Closure = { code, frames };
      bind(at + 1, input, frames, { value, up: bound }, out);
    }
  };
  return several(
    (input, frames, out) => {
      charge(1);
      bind(0, input, frames, framesUp(frames, up), (bound) => (holder.code as Code).many(input, bound, out));
    },
    (input, path, frames, out) => {
      charge(1);
      bind(0, input, frames, framesUp(frames, up), (bound) => {
        const { paths } = holder.code as Code;
        if (paths === undefined) throw new Unsupported('a path through a value that is made');
        paths(input, path, bound, out);
      });
    },
  );
}

const compiled = new Map<string, NonNullable<Binding['body']>>();

/** A function of the prelude, compiled when it is first called for. */
function preludeOf(key: string, caller: Scope): NonNullable<Binding['body']> | undefined {
  const ready = compiled.get(key);
  if (ready !== undefined) return ready;
  const definition = PRELUDE.get(key);
  if (definition === undefined) return undefined;
  const scope = compileDefinition(definition, caller.bare());
  const body = scope.find('function', definition.name, definition.parameters.length)?.body;
  if (body !== undefined) compiled.set(key, body);
  return body;
}
