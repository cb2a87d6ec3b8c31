/** Built-in functions of jq that go round: ranges, recursion, and those that stop before the end. */
import { childrenOf, eachPart } from '../access.ts';
import { type Code, type Frames, type Many, type Path, type Paths, several, single, Unsupported } from '../code.ts';
import { charge, JqError } from '../run.ts';
import { compare, isTrue, type Json } from '../values.ts';
import type { Natives } from './native.ts';

export const LOOPS: Natives = {
  'range/1': ([to]) =>
    several((input, frames, out) => to?.many(input, frames, (end) => count(0, numberOf(end), 1, out))),
  'range/2': ([from, to]) =>
    several((input, frames, out) => {
      from?.many(input, frames, (start) => {
        to?.many(input, frames, (end) => count(numberOf(start), numberOf(end), 1, out));
      });
    }),
  'range/3': ([from, to, by]) =>
    several((input, frames, out) => {
      from?.many(input, frames, (start) => {
        to?.many(input, frames, (end) => {
          by?.many(input, frames, (step) => count(numberOf(start), numberOf(end), numberOf(step), out));
        });
      });
    }),
  'recurse/0': () => several(everything, everyPath),
  'recurse/1': ([step]) => recursion(step as Code, undefined),
  'recurse/2': ([step, test]) => recursion(step as Code, test as Code),
  'first/1': ([of]) => taken(of as Code, () => 1),
  'limit/2': ([most, of]) => {
    const { many } = most as Code;
    return several(
      (input, frames, out) => many(input, frames, (n) => taken(of as Code, () => countOf(n)).many(input, frames, out)),
      of?.paths &&
        ((input, path, frames, out) => {
          many(input, frames, (n) => taken(of, () => countOf(n)).paths?.(input, path, frames, out));
        }),
    );
  },
  'last/1': ([of]) =>
    several((input, frames, out) => {
      let found: { value: Json } | undefined;
      of?.many(input, frames, (value) => {
        found = { value };
      });
      // Nothing, or null: editions of jq do not agree.
      if (found === undefined) throw new Unsupported('the last of nothing');
      out(found.value);
    }),
  'isempty/1': ([of]) => single((input, frames) => !some(of as Code, input, frames, () => true)),
  'until/2': ([test, next]) => several((input, frames, out) => until(test as Code, next as Code, input, frames, out)),
  'while/2': ([test, next]) =>
    several((input, frames, out) => meanwhile(test as Code, next as Code, input, frames, out)),
  'any/0': () => single((input) => childrenOf(input).some(isTrue)),
  'all/0': () => single((input) => childrenOf(input).every(isTrue)),
  'any/1': ([test]) =>
    single((input, frames) => childrenOf(input).some((item) => some(test as Code, item, frames, isTrue))),
  'all/1': ([test]) =>
    single((input, frames) => !childrenOf(input).some((item) => some(test as Code, item, frames, isFalse))),
  'any/2': ([of, test]) =>
    single((input, frames) => some(of as Code, input, frames, (item) => some(test as Code, item, frames, isTrue))),
  'all/2': ([of, test]) =>
    single((input, frames) => !some(of as Code, input, frames, (item) => some(test as Code, item, frames, isFalse))),
};

const isFalse = (value: Json) => !isTrue(value);

function numberOf(value: Json): number {
  if (typeof value !== 'number') throw new JqError('Range bounds must be numeric');
  return value;
}

function countOf(value: Json): number {
  if (typeof value !== 'number') return compare(value, 0) > 0 ? Number.POSITIVE_INFINITY : 0;
  if (value < 0) throw new JqError("limit doesn't support negative count");
  return value;
}

function count(from: number, to: number, by: number, out: (value: Json) => void): void {
  if (by > 0) {
    for (let value = from; value < to; value += by) {
      charge(1);
      out(value);
    }
  } else if (by < 0) {
    for (let value = from; value > to; value += by) {
      charge(1);
      out(value);
    }
  } else if (from < to) {
    for (;;) {
      charge(1);
      out(from);
    }
  }
}

function everything(value: Json, frames: Frames, out: (value: Json) => void): void {
  charge(1);
  out(value);
  if (typeof value !== 'object' || value === null) return;
  for (const child of childrenOf(value)) everything(child, frames, out);
}

function everyPath(value: Json, path: Path, frames: Frames, out: (value: Json, path: Path) => void): void {
  charge(1 + (path.length >> 2));
  out(value, path);
  if (typeof value !== 'object' || value === null) return;
  eachPart(value, path, (part, place) => everyPath(part, place, frames, out));
}

function recursion(step: Code, test: Code | undefined): Code {
  const { one, many, paths } = step;
  const next: Many = test
    ? (input, frames, out) =>
        many(input, frames, (value) => test.many(value, frames, (holds) => isTrue(holds) && out(value)))
    : many;
  const walk: Many = (input, frames, out) => {
    charge(1);
    out(input);
    next(input, frames, (value) => walk(value, frames, out));
  };
  const straight: Many = (input, frames, out) => {
    for (let value = input; ; ) {
      charge(1);
      out(value);
      value = (one as NonNullable<Code['one']>)(value, frames);
    }
  };
  const walkPaths: Paths | undefined =
    paths &&
    ((input, path, frames, out) => {
      charge(1);
      out(input, path);
      paths(input, path, frames, (value, place) => {
        if (!test) walkPaths?.(value, place, frames, out);
        else test.many(value, frames, (holds) => isTrue(holds) && walkPaths?.(value, place, frames, out));
      });
    });
  return several(one && !test ? straight : walk, walkPaths);
}

/** The first of what it gives; it is stopped by a mark that nobody else has. */
function taken(of: Code, most: () => number): Code {
  const { paths } = of;
  const bounded = (run: (more: () => boolean) => void): void => {
    const left = most();
    if (!(left > 0)) return;
    const stop = {};
    let seen = 0;
    try {
      run(() => {
        seen += 1;
        if (seen >= left) throw stop;
        return true;
      });
    } catch (thrown) {
      if (thrown !== stop) throw thrown;
    }
  };
  return several(
    (input, frames, out) => {
      bounded((more) => {
        of.many(input, frames, (value) => {
          out(value);
          more();
        });
      });
    },
    paths &&
      ((input, path, frames, out) => {
        bounded((more) => {
          paths(input, path, frames, (value, place) => {
            out(value, place);
            more();
          });
        });
      }),
  );
}

function some(of: Code, input: Json, frames: Frames, test: (value: Json) => boolean): boolean {
  const stop = {};
  try {
    of.many(input, frames, (value) => {
      if (test(value)) throw stop;
    });
  } catch (thrown) {
    if (thrown !== stop) throw thrown;
    return true;
  }
  return false;
}

function until(test: Code, next: Code, input: Json, frames: Frames, out: (value: Json) => void): void {
  if (test.one && next.one) {
    let value = input;
    while (!isTrue(test.one(value, frames))) {
      charge(1);
      value = next.one(value, frames);
    }
    out(value);
    return;
  }
  charge(1);
  test.many(input, frames, (holds) => {
    if (isTrue(holds)) out(input);
    else next.many(input, frames, (value) => until(test, next, value, frames, out));
  });
}

function meanwhile(test: Code, next: Code, input: Json, frames: Frames, out: (value: Json) => void): void {
  if (test.one && next.one) {
    for (let value = input; isTrue(test.one(value, frames)); value = next.one(value, frames)) {
      charge(1);
      out(value);
    }
    return;
  }
  charge(1);
  test.many(input, frames, (holds) => {
    if (!isTrue(holds)) return;
    out(input);
    next.many(input, frames, (value) => meanwhile(test, next, value, frames, out));
  });
}
