/**
 * Our jq against the library's, on random programs and inputs: the same values in the same order, or an error on both
 * sides. Programs that ours leaves to the library are counted, and must stay few.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Unsupported } from '../../../../src/workflow/expressions/jq/code.ts';
import { programOf } from '../../../../src/workflow/expressions/jq/program.ts';
import { JqBudgetError, JqError } from '../../../../src/workflow/expressions/jq/run.ts';
import { JqLibrary, type Outcome, plain } from './jq-library.ts';
import { inputs, programs } from './jq-programs.ts';

const SEED = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000_000);
const RUNS = Number(process.env['SLUICE_JQ_PROGRAMS'] ?? 300);
const VARIABLES = { x: { a: 1, b: { c: 'd' } }, y: [3, null] };
const STEPS_MAX = 100_000;

function ours(text: string, input: unknown): Outcome | undefined {
  try {
    const evaluate = programOf(`[${text}]`).evaluate;
    if (evaluate === undefined) return undefined;
    return { values: plain(evaluate(input, VARIABLES, STEPS_MAX, 0)) as unknown[] };
  } catch (error) {
    if (error instanceof JqError) return { error: true };
    if (error instanceof Unsupported || error instanceof JqBudgetError) return undefined;
    throw error;
  }
}

test(`random programs give what the library gives (seed ${SEED})`, async () => {
  const library = new JqLibrary();
  let compared = 0;
  let left = 0;
  const property = fc.asyncProperty(programs, fc.array(inputs, { minLength: 3, maxLength: 5 }), async (text, given) => {
    const results = given.map((input) => ours(text, input));
    const theirs = results.every((result) => result === undefined)
      ? undefined
      : await library.run(text, given, VARIABLES);
    if (theirs === undefined) left += 1;
    else {
      compared += 1;
      const pairs = results.map((result, i) => [result ?? plain(theirs[i]), plain(theirs[i])] as const);
      expect(pairs.map(([own]) => own)).toEqual(pairs.map(([, other]) => other));
    }
  });
  await fc.assert(property, { seed: SEED, numRuns: RUNS });
  expect(left).toBeLessThan(compared);
}, 600_000);
