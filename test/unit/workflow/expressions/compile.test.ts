/** Expressions of workflow documents: what they are given, what they answer, and what they are not let do. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, ManualClock } from '#kernel';
import { compileExpression, ExpressionError } from '#workflow';

const run = (text: string, input: unknown = null, variables: Record<string, unknown> = {}) =>
  compileExpression(text, 'jq').evaluate(input, variables);

describe('a jq expression', () => {
  test('answers with its value, null where there is none, and a list of several', () => {
    expect(run('.a', { a: 1 })).toBe(1);
    expect(run('empty')).toBeNull();
    expect(run('.[]', [1, 2])).toEqual([1, 2]);
  });

  test.each([
    ['{ ids: [ $input, .id ] }', { id: 2 }, { ids: [1, 2] }],
    ['"Hello \\(.user.first) \\(.user.last)!"', { user: { first: 'A', last: 'B' } }, 'Hello A B!'],
    ['.colors + ["red"]', {}, ['red']],
    ['.lines | map(.price * .count) | add', { lines: [{ price: 2, count: 3 }] }, 6],
    ['[.[] | select(.ok)] | length', [{ ok: true }, {}], 1],
    ['if .n > 3 then "many" elif .n > 0 then "some" else "none" end', { n: 2 }, 'some'],
    ['reduce .[] as $x (0; . + $x)', [1, 2, 3], 6],
    ['.a.b //= 1 | del(.c) | .d |= map(. + 1)', { c: 1, d: [1] }, { a: { b: 1 }, d: [2] }],
    ['.name | test("^[a-z]+$"; "i")', { name: 'Ada' }, true],
    ['. as {a: $x, b: [$y]} | [$x, $y]', { a: 1, b: [2] }, [1, 2]],
    ['to_entries | map("\\(.key)=\\(.value)") | join("&")', { a: 1, b: 'c' }, 'a=1&b=c'],
    ['@uri "q=\\(.)"', 'a b&c', 'q=a%20b%26c'],
    ['.price | tostring | split(".") | .[0] | tonumber', { price: 12.5 }, 12],
    ['[limit(3; range(0; 100; 10))]', null, [0, 10, 20]],
    ['def twice(f): f | f; twice(. * 2)', 3, 12],
    ['[.[] | try error("x") catch .]', [1], ['x']],
    ['"é→b" | [length, utf8bytelength, .[1:2], index("b")]', null, [3, 6, '→', 2]],
  ])('%s', (text, input, answer) => {
    expect(run(text, input, { input: 1 })).toEqual(answer);
  });

  test('leaves what it was given as it was', () => {
    const input = Object.freeze({ a: Object.freeze([1, 2]), b: Object.freeze({ c: 1 }) });
    expect(run('.a[0] = 9 | .b.c += 1 | .a |= reverse | del(.b)', input)).toEqual({ a: [2, 9] });
    expect(input).toEqual({ a: [1, 2], b: { c: 1 } });
  });

  test('names the variables that it needs, and not those it binds', () => {
    expect(compileExpression('$input.a as $x | [$x, $context.b, (def f($y): $y; f(1))]', 'jq').variables).toEqual([
      'input',
      'context',
    ]);
    expect(() => run('$nobody')).toThrow('$nobody is not defined');
  });

  test('does not take text in its input for a program', () => {
    const text = '${ error("run") } \\(1 + 1) $input';
    expect(run('.x', { x: text })).toBe(text);
    expect(run('"\\(.x)"', { x: text })).toBe(text);
  });

  test('takes fields of any name for nothing but fields', () => {
    expect(run('.__proto__', {})).toBeNull();
    expect(run('.constructor', {})).toBeNull();
    const made = run('{"__proto__": {"polluted": 1}} | .a = 1') as object;
    expect(Object.keys(made)).toEqual(['__proto__', 'a']);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test('has the time of the clock it is given', () => {
    const clock = new ManualClock(1_700_000_000_500);
    expect(compileExpression('now', 'jq', { clock }).evaluate(null, {})).toBe(1_700_000_000.5);
    expect(compileExpression('now | todate', 'jq', { clock }).evaluate(null, {})).toBe('2023-11-14T22:13:20Z');
  });

  test.each([
    '[range(1e9)]',
    'def f: f; f',
    'def f: 1 + f; f',
    'last(range(infinite))',
    'reduce range(100) as $i ("x"; . + .)',
    'reduce range(100) as $i ([1]; . + .)',
    '"x" * 1e10',
    '[recurse(. + 1)]',
    'until(false; . + 1)',
    '.[1e9] = 1',
  ])('ends where it would not: %s', (text) => {
    expect(() => run(text)).toThrow(ExpressionError);
  });

  test('cannot catch that it is ended', () => {
    expect(() => run('try [range(1e9)] catch 1')).toThrow('more steps than it may');
  });

  test.each([
    ['.a[', 'a program expected'],
    ['1 +', 'a program expected'],
    ['"abc', 'does not end'],
    ['if . then 1', 'end expected'],
    ['input', 'not available'],
    ['$ENV.PATH', 'not available'],
    ['env', 'not available'],
    ['import "a" as b; 1', 'expected'],
    [`${'['.repeat(5_000)}`, 'in each other'],
    [`${'-'.repeat(5_000)}1`, 'in each other'],
    ['1 == 2 == 3', 'expected'],
    ['a'.repeat(DEFAULT_LIMITS.workflowExpressionLengthMax + 1), 'characters'],
  ])('is refused with the reason: %.20s', (text, why) => {
    expect(() => compileExpression(text, 'jq')).toThrow(ExpressionError);
    expect(() => compileExpression(text, 'jq')).toThrow(why);
  });

  test('says what went wrong', () => {
    expect(() => run('.a.b', { a: 1 })).toThrow('Cannot index number with string "b"');
    expect(() => run('error({code: 7})')).toThrow('{"code":7} (not a string)');
  });
});

describe('a JSONata expression', () => {
  test('is refused where it does not parse, or would run text', () => {
    expect(() => compileExpression('a[', 'jsonata')).toThrow(ExpressionError);
    expect(() => compileExpression('$eval(a)', 'jsonata')).toThrow('$eval is not available');
    expect(() => compileExpression('($e := $eval; $e(a))', 'jsonata')).toThrow('$eval is not available');
  });
});
