/** Expressions that the libraries run, on the built thread that is asked for them. */
import { describe, expect, test } from 'vitest';
import { compileExpression, ExpressionError } from '#workflow';

const jq = (text: string, input: unknown, variables: Record<string, unknown> = {}) =>
  compileExpression(text, 'jq').evaluate(input, variables);
const jsonata = (text: string, input: unknown, variables: Record<string, unknown> = {}) =>
  compileExpression(text, 'jsonata').evaluate(input, variables);

describe('what our jq leaves out', () => {
  test('is done by the library, with input and variables', () => {
    expect(jq('.at | strptime("%d.%m.%Y") | mktime', { at: '25.11.2026' })).toBe(1_795_564_800);
    expect(jq('.[] as [$a] ?// $a | $a + $x', [[1], 2], { x: 10 })).toEqual([11, 12]);
    expect(jq('[match("";"g").offset]', 'ab')).toEqual([0, 1, 2]);
  });

  test('is found out while it runs, too', () => {
    expect(jq('from_entries', [{ name: 'a', Value: 1 }])).toEqual({ a: 1 });
  });

  test('is refused with the message of the library', () => {
    expect(() => jq('strptime("%Y")', 'x')).toThrow(ExpressionError);
    expect(() => jq('nobody(1)', 'x')).toThrow('nobody/1 is not defined');
    expect(() => jq('$y | strptime("%Y")', 'x')).toThrow('$y is not defined');
  });

  test('does not outlive its time, and the next one works', () => {
    expect(() => jq('def f: (splits("") | f); [limit(1; repeat(empty))]', 'x')).toThrow(ExpressionError);
    expect(jq('[limit(2; repeat(1))]', null)).toEqual([1, 1]);
  });
});

describe('JSONata', () => {
  test('sees its input and variables', () => {
    expect(jsonata('$sum(lines.(price * count)) + $extra', { lines: [{ price: 2, count: 3 }] }, { extra: 1 })).toBe(7);
    expect(jsonata('nothing', {})).toBeNull();
    expect(
      jsonata('a[b > 1].c', {
        a: [
          { b: 1, c: 1 },
          { b: 2, c: 2 },
          { b: 3, c: 3 },
        ],
      }),
    ).toEqual([2, 3]);
  });

  test('is ended when it goes round, and the next one works', () => {
    expect(() => jsonata('($f := function($n) { $f($n + 1) }; $f(1))', {})).toThrow(ExpressionError);
    expect(() => jsonata('[1..10000000]', {})).toThrow(ExpressionError);
    expect(jsonata('1 + 1', {})).toBe(2);
  });
});
