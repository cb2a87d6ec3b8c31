/** Fields moved about: paths, default_value, set, rename, drop, keep; deletions; what belongs to JavaScript. */
import { describe, expect, test } from 'vitest';
import { ManualClock } from '#kernel';
import { compileTransformations } from '#transform';
import { record, run, transform } from './apply.ts';

const FAILED = expect.objectContaining({ code: 'TRANSFORM_FAILED' });

/** What a path names, found by marking it. */
function marked(field: string, value: unknown, other = {}) {
  return run([{ type: 'set', field, value: '!' }], record(value, other));
}

describe('a path', () => {
  test.each([
    ['a', {}, { a: '!' }],
    ['a.b.c', { a: { x: 1 } }, { a: { x: 1, b: { c: '!' } } }],
    ['a.b', { a: null }, { a: { b: '!' } }],
    ['$value.a', {}, { a: '!' }],
    ['["a.b"]["c d"]', {}, { 'a.b': { 'c d': '!' } }],
    ['["$key"]', {}, { $key: '!' }],
    ['["say \\"\\\\"]', {}, { 'say "\\': '!' }],
    ['ключ.名', {}, { ключ: { 名: '!' } }],
    ['a[0]', { a: [1, 2] }, { a: ['!', 2] }],
    ['a[-1].b', { a: [{}, { b: 1 }] }, { a: [{}, { b: '!' }] }],
    ['a[1][0]', { a: [[1], [2]] }, { a: [[1], ['!']] }],
    ['[0].a', [{ a: 1 }], [{ a: '!' }]],
    ['a[]', { a: [1, null, 'x'] }, { a: ['!', '!', '!'] }],
    ['a[].b', { a: [{}, { b: 1 }, null] }, { a: [{ b: '!' }, { b: '!' }, null] }],
    ['a[].b[].c', { a: [{ b: [{}, {}] }, { b: [] }, {}] }, { a: [{ b: [{ c: '!' }, { c: '!' }] }, { b: [] }, {}] }],
    ['[].a', [{}, {}], [{ a: '!' }, { a: '!' }]],
    ['a[].b', { a: 'no list' }, { a: 'no list' }],
    ['$value', { a: 1 }, '!'],
  ])('%s', (field, before, after) => {
    expect(marked(field, before)?.value).toEqual(after);
  });

  test('names key, headers and timestamp', () => {
    expect(marked('$key', {})?.key).toBe('!');
    expect(marked('$headers.trace-id', {})?.headers).toEqual({ 'trace-id': '!' });
    expect(marked('$headers["a.b"]', {}, { headers: { x: 'y' } })?.headers).toEqual({ x: 'y', 'a.b': '!' });
    expect(run([{ type: 'set', field: '$timestamp', value: 5.5 }], record({}))?.timestamp).toBe(5);
  });

  test('leads nowhere into text, numbers, and past the end of lists', () => {
    for (const [field, value] of [
      ['a.b', { a: 'text' }],
      ['a.b', { a: 5 }],
      ['a.b', { a: [] }],
      ['a[2]', { a: [1] }],
      ['a[0].b', {}],
      ['a', 'text'],
    ] as const) {
      expect(() => marked(field, value)).toThrow(FAILED);
    }
    expect(() => run([{ type: 'set', field: '$timestamp', value: 'soon' }], record({}))).toThrow(FAILED);
    expect(() => run([{ type: 'set', field: '$key', value: {} }], record({}))).toThrow(FAILED);
  });

  test('reads nothing that is inherited', () => {
    for (const name of ['constructor', 'toString', 'length', 'at', 'hasOwnProperty', '0', 'getTime', 'buffer']) {
      for (const holder of [{}, [1, 2], 'text', new Date(0), Buffer.alloc(3)]) {
        const copy = { type: 'concatenate', fields: [`a["${name}"]`], target: 'copy' };
        expect(transform(copy, { a: holder })).toEqual({ a: holder });
      }
      const copy = { type: 'concatenate', fields: [`a.${name}`], target: 'copy' };
      expect(transform(copy, { a: { [name]: 'own' } })).toMatchObject({ copy: 'own' });
    }
  });
});

describe('default_value', () => {
  test.each([
    ['missing', { a: null }, { a: null }],
    ['missing', {}, { a: 0 }],
    ['null', { a: null }, { a: 0 }],
    ['null', { a: '' }, { a: '' }],
    ['empty', { a: '' }, { a: 0 }],
    ['empty', { a: false }, { a: false }],
  ])('when %s: %j becomes %j', (when, before, after) => {
    expect(transform({ type: 'default_value', field: 'a', value: 0, when }, before)).toEqual(after);
  });

  test('gives each record a value of its own', () => {
    const list = [
      { type: 'default_value', field: 'a', value: { tags: ['x'] } },
      { type: 'uppercase', field: 'a.tags[]' },
    ];
    const { apply } = compileTransformations(list);
    for (let i = 0; i < 2; i++) expect(apply(record({}))).toMatchObject({ value: { a: { tags: ['X'] } } });
    expect(list[0]).toMatchObject({ value: { tags: ['x'] } });
  });
});

test('set writes the time of processing', () => {
  const context = { clock: new ManualClock(86_400_000) };
  expect(transform({ type: 'set', field: 'at', now: 'yyyy-MM-dd' }, {}, context)).toEqual({ at: '1970-01-02' });
  expect(transform({ type: 'set', field: 'at', now: 'epoch_ms' }, {}, context)).toEqual({ at: 86_400_000 });
});

describe('rename', () => {
  test.each([
    ['b', 'x', { a: 1, b: 2, c: 3 }, '{"a":1,"x":2,"c":3}'],
    ['b', 'a', { a: 1, b: 2, c: 3 }, '{"a":2,"c":3}'],
    ['b', 'b', { a: 1, b: 2 }, '{"a":1,"b":2}'],
    ['nothing', 'a', { a: 1 }, '{"a":1}'],
    ['a', 'x', { a: null }, '{"x":null}'],
    ['a', 'a.b', { a: 1 }, '{"a":{"b":1}}'],
    ['a.b', 'a', { a: { b: 1, c: 2 } }, '{"a":1}'],
    ['a.b', 'c.d', { a: { b: 1 } }, '{"a":{},"c":{"d":1}}'],
    ['a[0]', 'first', { a: [1, 2] }, '{"a":[2],"first":1}'],
    ['all[].a', 'all[].b', { all: [{ a: 1 }, {}, 5] }, '{"all":[{"b":1},{},5]}'],
    ['payload', '$value', { payload: [1] }, '[1]'],
  ])('%s to %s', (field, target, before, after) => {
    expect(JSON.stringify(transform({ type: 'rename', field, target }, before))).toBe(after);
  });

  test('between value, key and headers', () => {
    const list = [
      { type: 'rename', field: 'id', target: '$key' },
      { type: 'rename', field: '$headers.tenant', target: 'tenant' },
    ];
    expect(run(list, record({ id: 7 }, { headers: { tenant: 't1', x: 'y' } }))).toMatchObject({
      key: '7',
      value: { tenant: 't1' },
      headers: { x: 'y' },
    });
  });
});

describe('drop and keep', () => {
  const value = () => ({ a: 1, b: { c: 2, d: [{ e: 3, f: 4 }, { f: 5 }, 6] }, g: [1, 2, 3] });

  test.each([
    [['a'], { b: value().b, g: [1, 2, 3] }],
    [['b.d[].f', 'g[1]'], { a: 1, b: { c: 2, d: [{ e: 3 }, {}, 6] }, g: [1, 3] }],
    [['b', 'g', 'none', 'a.x'], { a: 1 }],
  ])('drop %j', (fields, after) => {
    expect(transform({ type: 'drop', fields }, value())).toEqual(after);
  });

  test('drop the key and headers', () => {
    const dropped = run(
      [{ type: 'drop', fields: ['$key', '$headers.x'] }],
      record({}, { headers: { x: '1', y: '2' } }),
    );
    expect(dropped).toMatchObject({ key: null, headers: { y: '2' } });
  });

  test.each([
    [['g', 'a'], '{"g":[1,2,3],"a":1}'],
    [['b.c', 'a.x', 'none'], '{"b":{"c":2}}'],
    [['b.d[].e'], '{"b":{"d":[{"e":3},{}]}}'],
    [['b', 'b.c'], JSON.stringify({ b: value().b })],
  ])('keep %j', (fields, after) => {
    expect(JSON.stringify(transform({ type: 'keep', fields }, value()))).toBe(after);
  });

  test.each(['text', 5, ['a']])('keep lets nothing pass of %j, which has none of the fields', (whole) => {
    expect(() => transform({ type: 'keep', fields: ['a'] }, whole)).toThrow(FAILED);
  });
});

describe('a deletion', () => {
  test('passes by what works on the value, and by nothing else', () => {
    const list = [
      { type: 'uppercase', field: '$key' },
      { type: 'set', field: 'a', value: 1 },
      { type: 'filter', condition: 'a > 5' },
      { type: 'keep', fields: ['a'] },
      { type: 'set', field: '$headers.seen', value: true },
      { type: 'drop', fields: ['a', '$headers.old'] },
    ];
    const deletion = record(null, { headers: { old: 'x' } });
    expect(run(list, deletion)).toEqual({ ...record(null), key: 'K', headers: { seen: 'true' } });
  });

  test('is one from the step on that makes it one', () => {
    const list = [
      { type: 'set', field: '$value', value: null },
      { type: 'set', field: 'a', value: 1 },
      { type: 'filter', condition: '$key = "other"' },
    ];
    expect(run(list.slice(0, 2), record({}))?.value).toBe(null);
    expect(run(list, record({}))).toBe(undefined);
  });
});

describe('the prototype of objects', () => {
  test('is out of reach of paths', () => {
    for (const field of [
      '__proto__.polluted',
      'a.__proto__',
      '["__proto__"]',
      '$headers.__proto__',
      'a[].__proto__.x',
    ]) {
      expect(() => marked(field, {})).toThrow(expect.objectContaining({ code: 'TRANSFORM_INVALID' }));
    }
    expect(() => marked('constructor.prototype.polluted', { a: 1 })).not.toThrow();
    expect(({} as Record<string, unknown>)['polluted']).toBe(undefined);
  });

  test('is not changed by a field of that name in the data', () => {
    const odd = () => JSON.parse('{"__proto__":{"polluted":true},"a":{"x":1},"b":2}');
    for (const one of [
      { type: 'drop', fields: ['b'] },
      { type: 'rename', field: 'b', target: 'c' },
      { type: 'expression', expression: '{"copy": $}' },
      { type: 'expression', expression: '$' },
    ]) {
      const after = transform(one, odd()) as Record<string, unknown>;
      expect(after['polluted']).toBe(undefined);
      expect(JSON.stringify(after)).toContain('"__proto__":{"polluted":true}');
    }
    expect(({} as Record<string, unknown>)['polluted']).toBe(undefined);
  });
});
