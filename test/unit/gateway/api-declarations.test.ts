/** What may be declared as an API, and the documents that follow from it. */
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, ManualClock } from '#kernel';
import { ApiCatalogue } from '../../../src/gateway/api/api-catalogue.ts';
import { documentsOf, mergePatch, shownDocument } from '../../../src/gateway/api/documents.ts';
import { type ApiSpec, type ApiTarget, apiKind } from '../../../src/gateway/kinds/api-kind.ts';

const kind = apiKind({} as ApiTarget);
const specOf = (api: object) => kind.schema.parse(api) as unknown as ApiSpec;
const DOCUMENT = { openapi: '3.1.0', info: { title: 't', version: '0' }, paths: {} };

function check(api: object, before?: object, now = 0): void {
  const catalogue = new ApiCatalogue(new ManualClock(now), DEFAULT_LIMITS);
  catalogue.check('shop', specOf(api), before && specOf(before));
}

describe('an API is refused', () => {
  const api = (...versions: object[]) => ({ title: 'Shop', versions });
  const change = (more: object) => ({ changes: [{ summary: 's', ...more }] });
  test.each<[string, object, RegExp]>([
    ['without a version', api(), /versions|>=1/],
    ['with versions out of order', api({ version: '2' }, { version: '1' }), /newer than the one before/],
    ['with numbers in the order of text', api({ version: '10' }, { version: '9' }), /newer than the one before/],
    ['with dates and numbers', api({ version: '1' }, { version: '2026-01-01' }), /all numbers or all dates/],
    ['with changes of its first version', api({ version: '1', ...change({}) }), /nothing before it/],
    ['with a pin to no version', { ...api({ version: '1' }), pins: { app: '9' } }, /9 is not a version/],
    ['with a default that is none', { ...api({ version: '1' }), default: '9' }, /is not a version/],
    [
      'with a sunset before its deprecation',
      api({ version: '1', deprecated: '2026-02-01', sunset: '2026-01-01' }),
      /not come before deprecated/,
    ],
    [
      'with a brownout that ends before it begins',
      api({ version: '1', brownouts: [{ from: '2026-02-01', until: '2026-01-01' }] }),
      /begin before it ends/,
    ],
    ['with a link that is a script', api({ version: '1', deprecation_link: 'javascript:alert(1)' }), /must be a URL/],
    ['with a link that ends its field', api({ version: '1', sunset_link: '/x>; rel="a"' }), /must be a URL/],
    [
      'with a transformation that is none',
      api({ version: '1' }, { version: '2', ...change({ request: { up: [{ type: 'x' }] } }) }),
      /versions/,
    ],
    [
      'with a path that moves to a parameter it has not',
      api({ version: '1' }, { version: '2', ...change({ path: { from: '/a/{id}', to: '/b/{no}' } }) }),
      /no parameter no/,
    ],
    ['with a document that is not valid', api({ version: '1', openapi: { openapi: '3.1.0' } }), /not valid/],
    ['with one of OpenAPI 3.0', api({ version: '1', openapi: { ...DOCUMENT, openapi: '3.0.3' } }), /must be 3\.1/],
    [
      'with a reference to elsewhere',
      api({ version: '1', openapi: { ...DOCUMENT, components: { schemas: { A: { $ref: 'https://x.example/a' } } } } }),
      /is not in it/,
    ],
    [
      'with a patch that makes a document invalid',
      api({ version: '1' }, { version: '2', ...change({ openapi_down: { info: null } }), openapi: DOCUMENT }),
      /version 1, as it follows/,
    ],
    [
      'when it is larger than it may be',
      api({ version: '1', openapi: { ...DOCUMENT, 'x-a': 'x'.repeat(300_000) } }),
      /at most/,
    ],
    ['when it is deeper than it may be', api({ version: '1', openapi: nested(300) }), /deep/],
  ])('%s', (_what, declared, why) => {
    expect(() => check(declared)).toThrow(why);
  });

  function nested(depth: number): object {
    return depth === 0 ? {} : { a: nested(depth - 1) };
  }
});

describe('publishing', () => {
  const versions = (...names: string[]) => ({
    title: 'Shop',
    versions: names.map((version) => ({ version, openapi: DOCUMENT })),
  });

  test('may drop a version that has ended, and none before', () => {
    const [first, second] = versions('1', '2').versions;
    const before = { title: 'Shop', versions: [{ ...first, sunset: '2020-01-01' }, second] };
    const sunset = Date.parse('2020-01-01');
    expect(() => check(versions('2'), before, sunset)).not.toThrow();
    expect(() => check(versions('2'), before, sunset - 1)).toThrow(
      expect.objectContaining({ code: 'API_BREAKS_CALLERS' }),
    );
  });

  test('may not take a document back, and may give a first one', () => {
    const without = { title: 'Shop', versions: [{ version: '1' }] };
    expect(() => check(versions('1'), without)).not.toThrow();
    expect(() => check(without, versions('1'))).toThrow(/no OpenAPI document any more/);
  });
});

describe('documents', () => {
  test('of older versions follow from the newest by the patches of the changes, the last one first', () => {
    const api = specOf({
      title: 'Shop',
      versions: [
        { version: '2026-01-01' },
        { version: '2026-02-01', changes: [{ summary: 's', openapi_down: { 'x-a': 'oldest' } }] },
        {
          version: '2026-03-01',
          changes: [
            { summary: 'first', openapi_down: { 'x-a': 'older', 'x-b': null } },
            { summary: 'second', openapi_down: { 'x-a': 'undone first', 'x-c': { d: null } } },
          ],
          openapi: { ...DOCUMENT, 'x-a': 'new', 'x-b': 1, 'x-c': { d: 1, e: 2 } },
        },
      ],
    });
    const documents = documentsOf(api);
    expect(documents.get('2026-02-01')).toEqual({ ...DOCUMENT, 'x-a': 'older', 'x-c': { e: 2 } });
    expect(documents.get('2026-01-01')).toEqual({ ...DOCUMENT, 'x-a': 'oldest', 'x-c': { e: 2 } });
  });

  test('are patched as RFC 7396 says', () => {
    const cases: [unknown, unknown, unknown][] = [
      [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
      [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
      [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
      [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
      [['a', 'b'], ['c'], ['c']],
      [{ e: null }, { a: 1 }, { e: null, a: 1 }],
      [[1, 2], { a: 'b', c: null }, { a: 'b' }],
      [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    ];
    for (const [target, patch, result] of cases) expect(mergePatch(target, patch)).toEqual(result);
  });

  test('are shown without the servers of the upstream, wherever they stand', () => {
    const servers = [{ url: 'https://internal.example' }];
    const operation = { responses: {} };
    const paths = { '/a': { servers, summary: 's', get: { ...operation, servers } } };
    const shown = shownDocument({ ...DOCUMENT, servers, paths }, '2', '/shop');
    expect(shown).toEqual({
      ...DOCUMENT,
      info: { title: 't', version: '2' },
      servers: [{ url: '/shop' }],
      paths: { '/a': { summary: 's', get: operation } },
    });
  });
});
