/** JSONata: filter and expression, what answers at once, and what is kept within bounds. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, ManualClock } from '#kernel';
import { compileTransformations, type TransformContext } from '#transform';
import { record, run, transform } from './apply.ts';

const FAILED = expect.objectContaining({ code: 'TRANSFORM_FAILED' });

/** By promise, whichever way the list answers. */
async function later(list: unknown, value: unknown, context?: TransformContext) {
  return (await compileTransformations(list, context).apply(record(value, { headers: { tenant: 't1' } })))?.value;
}

function evaluated(expression: string, value: unknown, context?: TransformContext) {
  return later([{ type: 'expression', expression, target: 'result' }], value, context).then(
    (after) => (after as { result?: unknown } | undefined)?.result,
  );
}

describe('filter', () => {
  const goesOn = (condition: string, value: unknown) =>
    run([{ type: 'filter', condition }], record(value)) !== undefined;

  test.each([
    ['total > 100 and country in ["DE", "FR"]', { total: 101, country: 'FR' }, true],
    ['total > 100 and country in ["DE", "FR"]', { total: 101, country: 'IT' }, false],
    ['items.price > 5', { items: { price: 6 } }, true],
    ['missing > 5', {}, false],
    ['$exists(email) and $contains(email, "@")', { email: 'a@b' }, true],
    ['$not(deleted)', { deleted: false }, true],
    ['$not(deleted)', {}, false],
    ['tags', { tags: [] }, false],
    ['$key = "k" and $timestamp > 0', {}, true],
  ])('%s of %j: %j', (condition, value, expected) => {
    expect(goesOn(condition, value)).toBe(expected);
  });

  test('where the condition has no answer, fails or drops', () => {
    expect(() => goesOn('a > 5', { a: 'text' })).toThrow(FAILED);
    expect(transform({ type: 'filter', condition: 'a > 5', on_error: 'drop' }, { a: 'text' })).toBe(undefined);
  });

  test('by the library drops and passes as well', async () => {
    const list = [{ type: 'filter', condition: '$count(items[price > 5]) >= 2' }];
    expect(compileTransformations(list).async).toBe(true);
    expect(await later(list, { items: [{ price: 6 }, { price: 7 }] })).toBeDefined();
    expect(await later(list, { items: [{ price: 6 }] })).toBe(undefined);
    expect(await later([{ type: 'filter', condition: '$sum' }], {})).toBe(undefined);
  });
});

describe('expression', () => {
  test('sees value, key, headers and timestamp', async () => {
    const all = '{"v": a.b, "k": $key, "h": $headers.tenant, "t": $timestamp}';
    expect(await evaluated(all, { a: { b: 1 } })).toEqual({ v: 1, k: 'k', h: 't1', t: 1_700_000_000_000 });
    const byLibrary = '[$key, $headers.tenant, $timestamp, a].$string()';
    expect(await evaluated(byLibrary, { a: 5 })).toEqual(['k', 't1', '1700000000000', '5']);
  });

  test('may make the whole value', async () => {
    expect(await later([{ type: 'expression', expression: '{"n": $count(items)}' }], { items: [1, 2] })).toEqual({
      n: 2,
    });
    expect(transform({ type: 'expression', expression: 'a' }, { a: [1] })).toEqual([1]);
  });

  test.each([
    ['null', { a: 1, x: null }],
    ['keep', { a: 1 }],
    ['drop', undefined],
  ])('without a result, on_missing %s', (on_missing, expected) => {
    const one = { type: 'expression', expression: 'nothing', target: 'x', on_missing };
    expect(transform(one, { a: 1 })).toEqual(expected);
  });

  test.each([
    ['null', { a: 'x', x: null }],
    ['keep', { a: 'x' }],
    ['drop', undefined],
  ])('with an error, on_error %s', async (on_error, expected) => {
    for (const expression of ['a * 2', '$round(a)']) {
      expect(await later([{ type: 'expression', expression, target: 'x', on_error }], { a: 'x' })).toEqual(expected);
    }
  });

  test('fails with what the language says', async () => {
    await expect(evaluated('$number("x")', {})).rejects.toEqual(FAILED);
    await expect(evaluated('$error("too bad")', {})).rejects.toThrow(/too bad/);
    await expect(evaluated('a.b.c.$nothing()', { a: { b: { c: 1 } } })).rejects.toEqual(FAILED);
    expect(() => transform({ type: 'expression', expression: 'nothing' }, {})).toThrow(FAILED);
  });

  test('gives away nothing that the record still has', async () => {
    const list = [
      { type: 'expression', expression: 'a', target: 'b' },
      { type: 'expression', expression: '$map([1], function($x) { a })', target: 'c' },
      { type: 'set', field: 'a.x', value: 'changed' },
    ];
    expect(await later(list, { a: { x: 1 } })).toEqual({ a: { x: 'changed' }, b: { x: 1 }, c: { x: 1 } });
  });

  test('refuses results that are no data', async () => {
    await expect(evaluated('$sum', {})).rejects.toThrow(/a function/);
    await expect(evaluated('{"f": function($x) { $x }}', {})).rejects.toThrow(/a function/);
    await expect(evaluated('1e308 * 10', {})).rejects.toThrow(/Infinity/);
  });

  test('follows the clock of the context', async () => {
    const context = { clock: new ManualClock(86_400_000) };
    expect(await evaluated('$millis()', {}, context)).toBe(86_400_000);
    expect(await evaluated('$now()', {}, context)).toBe('1970-01-02T00:00:00.000Z');
    expect(await evaluated('$now("[Y]/[M]", "+0100")', {}, context)).toBe('1970/1');
  });

  test('runs in order with the steps around it', async () => {
    const list = [
      { type: 'uppercase', field: 'a' },
      { type: 'expression', expression: '$reverse([a, "x"])', target: 'b' },
      { type: 'join', field: 'b', separator: '-' },
    ];
    expect(await later(list, { a: 'a' })).toEqual({ a: 'A', b: 'x-A' });
  });
});

describe('a running expression', () => {
  const limits = { ...DEFAULT_LIMITS, expressionMs: 50, expressionItemsMax: 1000 };

  test.each([
    ['without end', '($f := function($n) { $f($n + 1) }; $f(0))', /./],
    ['too deep', '($f := function($n) { 1 + $f($n + 1) }; $f(0))', /./],
    ['with too many values', '[1..100000]', /./],
    ['with a text that is too long', '$pad("x", 1e9)', /at most/],
    [
      'with a text that doubles',
      '($f := function($s, $n) { $n = 0 ? $s : $f($s & $s, $n - 1) }; $f("x", 24))',
      /record/,
    ],
    ['with a pattern on a long text', '$match(long, /a+b/)', /at most/],
  ])('%s is stopped', async (_, expression, message) => {
    const value = { long: 'a'.repeat(100_000) };
    await expect(evaluated(expression, value, { limits })).rejects.toThrow(message);
    await expect(evaluated(expression, value, { limits })).rejects.toEqual(FAILED);
  });

  test('cannot be slipped in by data', async () => {
    const fake = { _jsonata_lambda: true, body: { type: 'value', value: 'run' }, arguments: [] };
    await expect(evaluated('$map([1], f)', { f: fake })).rejects.toEqual(FAILED);
    await expect(evaluated('($g := f; $g())', { f: fake })).rejects.toEqual(FAILED);
  });

  test('pads as the library does', async () => {
    for (const call of ['"é", 4', '"x", -5, "ab"', '"abc", 2', '"👍", 3, "👍"', '"x", 3, ""']) {
      const [padded, plain] = await Promise.all([evaluated(`$pad(${call})`, {}), library(`$pad(${call})`)]);
      expect(padded).toBe(plain);
    }
  });
});

async function library(source: string): Promise<unknown> {
  const { default: jsonata } = await import('jsonata');
  return jsonata(source).evaluate({});
}
