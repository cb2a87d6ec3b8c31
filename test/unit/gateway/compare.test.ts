/** Answers compared by rules, and what of captured requests is left out. */
import { describe, expect, test } from 'vitest';
import { Redaction } from '../../../src/gateway/capture/captured-request.ts';
import { type CompareRules, Comparison } from '../../../src/gateway/capture/compare.ts';
import { captureSchema } from '../../../src/gateway/capture/schema.ts';

const JSON_HEADERS = { 'content-type': 'application/json' };

function answer(body: unknown, headers: Record<string, string> = JSON_HEADERS, status = 200) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers: new Map(Object.entries(headers)), body: Buffer.from(text) };
}

function places(before: unknown, after: unknown, rules: Partial<CompareRules> = {}): string[] {
  const comparison = new Comparison({ ignore: [], unordered: [], tolerance: 0, ignoreHeaders: [], ...rules });
  return comparison.differences(answer(before), answer(after)).map(({ where }) => where);
}

describe('two answers', () => {
  test('say the same when only spelling and order of members differ', () => {
    expect(places('{"a":1,"b":[1,2]}', '{ "b": [1, 2.0], "a": 1 }')).toEqual([]);
    expect(places({ a: 1 }, { a: 1, b: 2 })).toEqual(['body /b']);
    expect(places({ 'a/b': { '~': 1 } }, { 'a/b': { '~': 2 } })).toEqual(['body /a~1b/~0']);
    expect(places([1, 2], [2, 1])).toEqual(['body /0', 'body /1']);
    expect(places({ a: null }, {})).toEqual(['body /a']);
    expect(places(1, '"1"')).toEqual(['body']);
    expect(places('{"__proto__":1}', '{"__proto__":2}')).toEqual(['body /__proto__']);
  });

  test('are not compared where the rules say so', () => {
    expect(places({ a: { b: 1, c: 2 }, d: 3 }, { a: { b: 9 }, d: 3 }, { ignore: ['/a'] })).toEqual([]);
    expect(places([{ id: 1, n: 1 }], [{ id: 2, n: 3 }], { ignore: ['/*/id'] })).toEqual(['body /0/n']);
    expect(places({ a: 1 }, 'no json', { ignore: [''] })).toEqual([]);
    expect(places({ a: 1.001, b: 1 }, { a: 1.002, b: 2 }, { tolerance: 0.01 })).toEqual(['body /b']);
  });

  test('may have lists in any order, each item once', () => {
    const rules = { unordered: ['/items'] };
    const items = (...list: unknown[]) => ({ items: list });
    expect(places(items({ a: 1 }, { a: 2 }), items({ a: 2 }, { a: 1 }), rules)).toEqual([]);
    expect(places(items(1, 1, 2), items(1, 2, 2), rules)).toEqual(['body /items/1', 'body /items/-']);
    expect(places([3, 1], [1, 3], { unordered: ['/'] })).toEqual([]);
    expect(places(items([1, 2]), items([2, 1]), rules)).toEqual(['body /items/0', 'body /items/-']);
    const many = Array.from({ length: 3_000 }, (_, i) => ({ i, even: i % 2 === 0 }));
    expect(places(items(...many), items(...[...many].reverse()), rules)).toEqual([]);
  });

  test('differ in status and headers, but not in those that tell of a moment', () => {
    const comparison = new Comparison({ ignore: [], unordered: [], tolerance: 0, ignoreHeaders: ['X-Build'] });
    const before = answer('x', {
      'content-type': 'text/plain',
      date: 'then',
      'x-build': '1',
      'x-secret': '[redacted]',
    });
    const after = answer(
      'y',
      { 'content-type': 'text/html', date: 'now', 'x-build': '2', 'x-secret': 's', 'x-new': 'n' },
      201,
    );
    expect(comparison.differences(before, after)).toEqual([
      { where: 'status', before: 200, after: 201 },
      { where: 'header content-type', before: 'text/plain', after: 'text/html' },
      { where: 'header x-new', before: undefined, after: 'n' },
      { where: 'body', before: 'x', after: 'y' },
    ]);
    const unknown = { status: 200, headers: undefined, body: undefined };
    expect(comparison.differences(unknown, answer('y'))).toEqual([]);
  });

  test('of any size have a bounded number of differences', () => {
    const list = Array.from({ length: 10_000 }, (_, i) => i);
    expect(
      places(
        list,
        list.map((n) => n + 1),
      ),
    ).toHaveLength(20);
  });
});

describe('a capture', () => {
  const redaction = (spec: object = {}) => new Redaction(captureSchema.parse(spec));

  test('leaves out what carries credentials, and what it is told', () => {
    const headers = [
      'Authorization',
      'Bearer x',
      'cookie',
      'a=b',
      'x-mine',
      Buffer.from('caf\xe9', 'latin1'),
      'x-trace',
      '1',
    ];
    expect(redaction({ redact: ['x-trace'] }).headers(headers)).toEqual([
      ...['authorization', '[redacted]', 'cookie', '[redacted]', 'x-mine', 'caf\xe9', 'x-trace', '[redacted]'],
    ]);
    expect(redaction({ credentials: true }).headers(['authorization', 'Bearer x'])).toEqual([
      'authorization',
      'Bearer x',
    ]);
    expect(redaction().query('a=1&access%5Ftoken=t&b=2&%zz=3')).toBe('a=1&access%5Ftoken=%5Bredacted%5D&b=2&%zz=3');
    expect(redaction().target('/x?key=1')).toBe('/x?key=%5Bredacted%5D');
  });

  test('leaves out members of bodies at any depth, and a whole body where it cannot look', () => {
    const some = redaction({ redact_fields: ['card'] });
    expect(some.body(Buffer.from('{"a":[{"card":{"n":1}}],"b":1}'), 'application/json')).toEqual({
      body: '{"a":[{"card":"[redacted]"}],"b":1}',
    });
    for (const [bytes, type] of [
      ['card=1', 'text/plain'],
      ['{"card":', 'application/json'],
      ['\xff', 'application/json'],
    ] as const) {
      expect(some.body(Buffer.from(bytes, 'latin1'), type)).toEqual({ body_omitted: true });
    }
    expect(redaction().body(Buffer.from([0xff, 0]), undefined)).toEqual({ body_base64: '/wA=' });
    expect(redaction().body(Buffer.from('é'), undefined)).toEqual({ body: 'é' });
  });
});
