/** What is compiled to closures means what the JSONata library says: same results and same errors, on any data. */
import fc from 'fast-check';
import jsonata from 'jsonata';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, systemClock } from '#kernel';
import { withSeed } from '#kit';
import { compileExpression } from '../../../src/transform/expressions/expression.ts';
import { record } from './apply.ts';

const NAMES = ['a', 'b', 'c', 'length', 'constructor'];
const HEADERS = { a: 'header', b: '5' };

const leaf = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, 1, 2, -1.5, 0.1, '', 'a', 'x', '5', ' a  b '),
  fc.constantFrom<unknown>([], {}, 1e308, -1e308, 1 / 3),
);
const data = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('any'), { minLength: 1, maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('any'), { maxKeys: 4 }),
  ),
})).any;

const path = fc
  .array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 })
  .chain((names) => fc.constantFrom('', '$.', '$$.', '$headers.').map((root) => root + names.join('.')));
const atom = fc.oneof(
  { weight: 3, arbitrary: path },
  fc.constantFrom(
    '$',
    '$$',
    '$key',
    '$timestamp',
    '$headers',
    'null',
    'true',
    'false',
    '""',
    '"a"',
    '"["',
    '0',
    '2',
    '1e308',
  ),
);
const binary = fc.constantFrom('+', '-', '*', '/', '%', '=', '!=', '<', '<=', '>', '>=', 'and', 'or', 'in', '&');
const unaryFunction = fc.constantFrom('not', 'boolean', 'exists', 'string', 'uppercase', 'lowercase', 'length', 'trim');

const source = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    atom,
    fc.tuple(tie('any'), binary, tie('any')).map(([a, operator, b]) => `(${a} ${operator} ${b})`),
    fc.tuple(tie('any'), tie('any'), tie('any')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    fc.tuple(tie('any'), tie('any')).map(([a, b]) => `(${a} ? ${b})`),
    fc.tuple(tie('any'), tie('any')).map(([a, b]) => `(${a} ?? ${b})`),
    tie('any').map((a) => `-(${a})`),
    fc.array(tie('any'), { maxLength: 3 }).map((all) => `[${all.join(', ')}]`),
    fc
      .uniqueArray(fc.tuple(fc.constantFrom('x', 'y', 'z'), tie('any')), { maxLength: 3, selector: ([name]) => name })
      .map((all) => `{${all.map(([name, field]) => `"${name}": ${field}`).join(', ')}}`),
    fc.tuple(unaryFunction, tie('any')).map(([name, a]) => `$${name}(${a})`),
    fc.tuple(tie('any'), tie('any')).map(([a, b]) => `$contains(${a}, ${b})`),
  ),
})).any;

interface Outcome {
  readonly result?: unknown;
  readonly code?: string;
}

/** What of a result reaches a record: data, without marks that the library leaves on lists. */
function plain(value: unknown): unknown {
  if (value === undefined) return undefined;
  return JSON.parse(
    JSON.stringify({ value }, (_, inner) => (Number.isFinite(inner) || typeof inner !== 'number' ? inner : `${inner}`)),
  ).value;
}

async function byLibrary(text: string, value: unknown): Promise<Outcome> {
  const { key, headers, timestamp } = record(value, { headers: HEADERS });
  try {
    return { result: plain(await jsonata(text).evaluate(value, { key, headers, timestamp })) };
  } catch (error) {
    return { code: String((error as { code?: unknown }).code) };
  }
}

function byClosure(text: string, value: unknown): Outcome {
  const expression = compileExpression(text, systemClock, DEFAULT_LIMITS);
  if (expression.async) throw new Error(`${text} is not compiled to a closure`);
  try {
    return { result: plain(expression.evaluate(record(value, { headers: HEADERS }))) };
  } catch (error) {
    return { code: String((error as { code?: unknown }).code) };
  }
}

describe('a compiled expression', () => {
  test('gives what the library gives, value or error', async () => {
    await fc.assert(
      fc.asyncProperty(source, data, async (text, value) => {
        // The library writes into an empty list that is the whole value of an object in an object.
        fc.pre(!(Array.isArray(value) && value.length === 0));
        const copy = structuredClone(value);
        const [ours, theirs] = [byClosure(text, value), await byLibrary(text, copy)];
        // Of several elements that fail, the library reports the one that is through first.
        const anyOfThem = ours.code !== undefined && theirs.code !== undefined && /[[{]/.test(text);
        if (!anyOfThem) expect(ours).toEqual(theirs);
      }),
      withSeed({ numRuns: 1500 }),
    );
  });

  test('goes through lists as the library does', async () => {
    await fc.assert(
      fc.asyncProperty(path, data, async (text, value) => {
        expect(byClosure(text, value)).toEqual(await byLibrary(text, value));
      }),
      withSeed({ numRuns: 1500 }),
    );
  });

  test.each([
    'a[0]',
    'a.*',
    '**.a',
    '$sum(a)',
    'a.(b)',
    'a[b > 1]',
    '($x := a; $x)',
    'a^(b)',
    '$uppercase()',
    'a.$string()',
  ])('%s is left to the library', (text) => {
    expect(compileExpression(text, systemClock, DEFAULT_LIMITS).async).toBe(true);
  });

  test('knows whether it looks at the value', () => {
    const usesValue = (text: string) => compileExpression(text, systemClock, DEFAULT_LIMITS).usesValue;
    expect(['$key = "a"', '$headers.x & $timestamp', '1 + 1'].map(usesValue)).toEqual([false, false, false]);
    expect(['a', '$', '$$.a', '$key = a', '{"x": 1}'].map(usesValue)).toEqual([true, true, true, true, true]);
  });
});
