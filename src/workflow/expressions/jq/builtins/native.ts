/** How built-in functions of jq are written in TypeScript. */
import { type Code, type Frames, type One, several, single } from '../code.ts';
import type { Ast } from '../syntax.ts';
import type { Json } from '../values.ts';

/** Makes the code of a call from that of its arguments; `asts` for what must be known when it is compiled. */
export type Native = (args: readonly Code[], asts: readonly Ast[]) => Code;
export type Natives = Readonly<Record<string, Native>>;

/** A function of values: with several values for an argument, the last argument is the outermost loop. */
function onValues(run: (input: Json, ...args: Json[]) => Json): Native {
  return (args) => {
    const ones = args.map(({ one }) => one);
    const [a, b] = ones as One[];
    if (args.length === 0) return single((input) => run(input));
    if (args.length === 1 && a) return single((input, frames) => run(input, a(input, frames)));
    if (args.length === 2 && a && b) {
      return single((input, frames) => {
        const second = b(input, frames);
        return run(input, a(input, frames), second);
      });
    }
    const from = (at: number, input: Json, frames: Frames, tail: Json[], out: (value: Json) => void): void => {
      const arg = args[at];
      if (arg === undefined) out(run(input, ...tail));
      else arg.many(input, frames, (value) => from(at - 1, input, frames, [value, ...tail], out));
    };
    return several((input, frames, out) => from(args.length - 1, input, frames, [], out));
  };
}

export function natives(rows: Readonly<Record<string, (input: Json, ...args: Json[]) => Json>>): Natives {
  return Object.fromEntries(Object.entries(rows).map(([key, run]) => [key, onValues(run)]));
}
