/** The operators of jq over programs. With several values on both sides the right one is the outer loop, as in jq. */
import { type Code, type One, several, single } from './code.ts';
import type { BinaryOperator } from './syntax.ts';
import { add, compare, divide, equal, isTrue, type Json, multiply, remainder, subtract } from './values.ts';

export type Operate = (a: Json, b: Json) => Json;

export const OPERATIONS: Readonly<Record<Exclude<BinaryOperator, 'and' | 'or' | '//'>, Operate>> = {
  '+': add,
  '-': subtract,
  '*': multiply,
  '/': divide,
  '%': remainder,
  '==': equal,
  '!=': (a, b) => !equal(a, b),
  '<': (a, b) => compare(a, b) < 0,
  '<=': (a, b) => compare(a, b) <= 0,
  '>': (a, b) => compare(a, b) > 0,
  '>=': (a, b) => compare(a, b) >= 0,
};

export function compileBinary(operator: BinaryOperator, left: Code, right: Code): Code {
  if (operator === '//') return alternative(left, right);
  if (operator === 'and' || operator === 'or') return logical(operator === 'or', left, right);
  const operate = OPERATIONS[operator];
  const { one: a } = left;
  const { one: b } = right;
  if (a && b) return single(direct(operator, operate, a, b));
  return several((input, frames, out) => {
    right.many(input, frames, (y) => left.many(input, frames, (x) => out(operate(x, y))));
  });
}

/** The right one is asked first here too: which of two errors there is depends on it. */
function direct(operator: BinaryOperator, operate: Operate, a: One, b: One): One {
  if (operator === '==') {
    return (input, frames) => {
      const y = b(input, frames);
      const x = a(input, frames);
      return x === y || equal(x, y);
    };
  }
  return (input, frames) => {
    const y = b(input, frames);
    return operate(a(input, frames), y);
  };
}

function logical(or: boolean, left: Code, right: Code): Code {
  const { one: a } = left;
  const { one: b } = right;
  if (a && b) return single((input, frames) => (isTrue(a(input, frames)) === or ? or : isTrue(b(input, frames))));
  return several((input, frames, out) => {
    left.many(input, frames, (x) => {
      if (isTrue(x) === or) out(or);
      else right.many(input, frames, (y) => out(isTrue(y)));
    });
  });
}

/** The true values of the left one; where there are none, the right one. An error of the left one is an error. */
function alternative(left: Code, right: Code): Code {
  const { one: a, paths: leftPaths } = left;
  const { one: b, paths: rightPaths } = right;
  const walk: Code['paths'] =
    leftPaths &&
    rightPaths &&
    ((input, path, frames, out) => {
      let found = false;
      leftPaths(input, path, frames, (value, place) => {
        if (!isTrue(value)) return;
        found = true;
        out(value, place);
      });
      if (!found) rightPaths(input, path, frames, out);
    });
  if (a && b) {
    return single((input, frames) => {
      const value = a(input, frames);
      return isTrue(value) ? value : b(input, frames);
    }, walk);
  }
  return several((input, frames, out) => {
    let found = false;
    left.many(input, frames, (value) => {
      if (!isTrue(value)) return;
      found = true;
      out(value);
    });
    if (!found) right.many(input, frames, out);
  }, walk);
}
