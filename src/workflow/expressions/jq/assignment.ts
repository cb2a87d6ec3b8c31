/** What changes values in jq: `=`, `|=` and their kin. The value is a copy; what it was made from stays as it was. */
import { deletePaths, getPath, updatePath } from './access.ts';
import { type Code, needPaths, type Path, several, single } from './code.ts';
import { OPERATIONS, type Operate } from './operators.ts';
import type { AssignOperator } from './syntax.ts';
import { isTrue, type Json } from './values.ts';

export function compileAssignment(operator: AssignOperator, target: Code, value: Code): Code {
  const paths = needPaths(target);
  if (operator === '|=') return modify(target, value);
  const operate = operator === '=' ? undefined : operationOf(operator.slice(0, -1));
  return several((input, frames, out) => {
    value.many(input, frames, (to) => {
      const places: Path[] = [];
      paths(input, [], frames, (_value, path) => {
        places.push(path);
      });
      let made = input;
      for (const path of places) made = updatePath(made, path, 0, (old) => (operate ? operate(old, to) : to));
      out(made);
    });
  });
}

function operationOf(operator: string): Operate {
  if (operator === '//') return (old, to) => (isTrue(old) ? old : to);
  return OPERATIONS[operator as keyof typeof OPERATIONS];
}

/** `|=`: the first value that the program gives for each place; where it gives none, the place is deleted. */
export function modify(target: Code, change: Code): Code {
  const paths = needPaths(target);
  return single((input, frames) => {
    const places: Path[] = [];
    paths(input, [], frames, (_value, path) => {
      places.push(path);
    });
    const gone: Path[] = [];
    let made: Json = input;
    for (const path of places) {
      const next = firstOf(change, getPath(made, path), frames);
      if (next === NONE) gone.push(path);
      else made = updatePath(made, path, 0, () => next);
    }
    return gone.length === 0 ? made : deletePaths(made, gone);
  });
}

const NONE = Symbol('none');

function firstOf(code: Code, input: Json, frames: Parameters<Code['many']>[1]): Json {
  if (code.one) return code.one(input, frames);
  const stop = {};
  let first: Json = NONE;
  try {
    code.many(input, frames, (value) => {
      first = value;
      throw stop;
    });
  } catch (thrown) {
    if (thrown !== stop) throw thrown;
  }
  return first;
}
