/** What a request keeps on its way to the newest version of an API and back, and how it names its own. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, ManualClock } from '#kernel';
import { withSeed } from '#kit';
import { applyAll } from '../../../src/gateway/api/changes.ts';
import { compileApi } from '../../../src/gateway/api/compiled-api.ts';
import { Naming } from '../../../src/gateway/api/naming.ts';
import { parseJson, writeJson } from '../../../src/gateway/api/numbers.ts';
import { compileOperation, compileTemplate } from '../../../src/gateway/api/templates.ts';
import { versionPolicies } from '../../../src/gateway/api/version-policy.ts';
import { type ApiSpec, type ApiTarget, apiKind } from '../../../src/gateway/kinds/api-kind.ts';
import { ROUTE_DEFAULTS } from '../../../src/gateway/kinds/route-kind.ts';
import type { GatewayRequest, Policy } from '../../../src/gateway/policy.ts';

const kind = apiKind({} as ApiTarget);
const clock = new ManualClock(0);

function compile(api: object) {
  return compileApi('shop', kind.schema.parse({ title: 'Shop', ...api }) as unknown as ApiSpec, clock, DEFAULT_LIMITS);
}

/** A change that undoes itself, with what it is done to besides left alone. */
const CHANGES = [
  {
    summary: 'a rename into an object, a JSONata list, another name in each element',
    request: {
      up: [
        { type: 'rename', field: 'customer', target: 'buyer.name' },
        { type: 'rename', field: 'lines[].sku', target: 'lines[].article' },
        { type: 'expression', expression: '$join(tags, " ")', target: 'labels', on_missing: 'keep' },
        { type: 'drop', fields: ['tags'] },
      ],
    },
    response: {
      down: [
        { type: 'expression', expression: '$exists(labels) ? $split(labels, " ")', target: 'tags', on_missing: 'keep' },
        { type: 'drop', fields: ['labels'] },
        { type: 'rename', field: 'lines[].article', target: 'lines[].sku' },
        { type: 'rename', field: 'buyer.name', target: 'customer' },
        { type: 'drop', fields: ['buyer'] },
      ],
    },
  },
  {
    summary: 'another type',
    request: { up: [{ type: 'cast', field: 'id', to: 'string' }] },
    response: { down: [{ type: 'cast', field: 'id', to: 'integer' }] },
  },
];

test('a body that goes up and comes down is the same one, whatever else is in it', async () => {
  const [oldest] = compile({
    versions: [{ version: '1' }, ...CHANGES.map((change, i) => ({ version: String(i + 2), changes: [change] }))],
  }).versions;
  const changes = oldest?.changes ?? [];
  const text = fc.string({ minLength: 1, unit: 'grapheme' });
  const word = fc.stringMatching(/^[a-z]{1,8}$/);
  const order = fc.record(
    {
      id: fc.maxSafeInteger(),
      customer: text,
      lines: fc.array(fc.record({ sku: text, count: fc.integer() }, { requiredKeys: [] }), { maxLength: 4 }),
      tags: fc.array(word, { minLength: 1, maxLength: 4 }),
      other: fc.jsonValue(),
      big: fc.bigInt({ min: 2n ** 60n, max: 2n ** 90n }),
    },
    { requiredKeys: ['id'] },
  );
  await fc.assert(
    fc.asyncProperty(order, async (body) => {
      const sent = parseJson(writeJson(body));
      const up = await applyAll(
        changes.flatMap((change) => change.up ?? []),
        structuredClone(sent),
        0,
      );
      expect(up).toMatchObject({ id: String(body.id) });
      expect(up).not.toHaveProperty('customer');
      const stored = parseJson(writeJson(up));
      const down = await applyAll(
        [...changes].reverse().flatMap((change) => change.down ?? []),
        stored,
        0,
      );
      expect(down).toEqual(sent);
    }),
    withSeed(),
  );
});

test('numbers of any length go through JSON as they are', () => {
  for (const text of [
    '12345678901234567890',
    '{"a":[-98765432109876543210,1],"b":"12345678901234567890","c\\"12345678901234567890":2}',
    '9007199254740992',
    '0.1',
  ]) {
    expect(writeJson(parseJson(text))).toBe(text);
  }
  for (const text of ['{12345678901234567890:1}', '012345678901234567890', '12345678901234567890x', '"\\']) {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  }
});

test('templates take whole segments, and the rest where they say so', () => {
  const cases: [string, string, readonly string[] | undefined][] = [
    ['/orders/{id}', '/orders/7', ['7']],
    ['/orders/{id}', '/orders/', undefined],
    ['/orders/{id}', '/orders/7/items', undefined],
    ['/orders/{id}/{rest...}', '/orders/7/a/b', ['7', 'a/b']],
    ['/orders/{rest...}', '/orders', undefined],
    ['/', '/', []],
  ];
  for (const [template, path, params] of cases)
    expect([template, path, compileTemplate(template)(path)]).toEqual([template, path, params]);
  expect(compileOperation('* /a')('PUT', '/a')).toBe(true);
  expect(compileOperation('GET /a')('PUT', '/a')).toBe(false);
});

test('what named the version is taken away, the rest stays as it was written', () => {
  const naming = new Naming(compile({ named_by: { query: 'v' }, versions: [{ version: '1' }] }).spec);
  for (const [given, bare] of [
    ['application/json; version=2; q=0.5, text/*;VERSION="3"', 'application/json; q=0.5, text/*'],
    ['application/json;conversion=2;versions=1', 'application/json;conversion=2;versions=1'],
  ] as const) {
    expect(naming.bareMediaType(given)).toBe(bare);
  }
  expect(naming.bareQuery('a=%20b&v=1&c&%76=2&vv=3')).toBe('a=%20b&c&vv=3');
  expect(naming.bareQuery('a=%20b&&c')).toBe('a=%20b&&c');
});

describe('deprecated parts of a request', () => {
  const body = {
    type: 'object',
    properties: {
      old: { type: 'string', deprecated: true },
      lines: { type: 'array', items: { $ref: '#/components/schemas/Line' } },
    },
  };
  const schemas = {
    Line: { type: 'object', properties: { sku: { deprecated: true }, self: { $ref: '#/components/schemas/Line' } } },
  };
  const parameters = [
    { name: 'page', in: 'query', deprecated: true, schema: {} },
    { name: 'X-Old', in: 'header', deprecated: true, schema: {} },
  ];
  const post = { parameters, requestBody: { content: { 'application/json': { schema: body } } }, responses: {} };
  const openapi = {
    openapi: '3.1.0',
    info: { title: 't', version: '1' },
    paths: { '/orders/{id}': { post } },
    components: { schemas },
  };
  const api = compile({ versions: [{ version: '1', openapi }] });

  async function notesOf(parts: { path?: string; query?: string; headers?: Record<string, string>; body?: unknown }) {
    const headers: Record<string, string> = { 'content-type': 'application/json', ...parts.headers };
    const request = {
      method: 'POST',
      path: parts.path ?? '/orders/7',
      query: parts.query ?? '',
      params: [],
      header: (name: string) => headers[name],
      client: undefined,
      body: Buffer.from(JSON.stringify(parts.body ?? {})),
      spent: new Set(),
      upstreamHeaders: [],
      answerHeaders: [],
      notes: new Map(),
    } as unknown as GatewayRequest;
    const policies: Policy[] = versionPolicies(api, { name: 'r', spec: ROUTE_DEFAULTS }, clock, DEFAULT_LIMITS);
    for (const policy of policies) expect(await policy.check?.(request)).toBeUndefined();
    for (const { body: step } of policies) {
      if (step?.wants?.(request) === true) expect(await step.check(request)).toBeUndefined();
    }
    return Object.fromEntries(request.notes);
  }

  test('are noted with the version', async () => {
    const known = { api: 'shop', version: '1' };
    expect(await notesOf({ query: 'size=1', body: { lines: [{ count: 1 }] } })).toEqual(known);
    const used = { query: 'page=1', headers: { 'x-old': 'a' }, body: { old: null, lines: [{}, { sku: 1 }] } };
    const deprecated_fields = 'header:x-old query:page body:old body:lines[].sku';
    expect(await notesOf(used)).toEqual({ ...known, deprecated_fields });
    expect(await notesOf({ ...used, path: '/elsewhere' })).toEqual(known);
    expect(await notesOf({ body: { lines: [{ self: { self: { sku: 1 } } }] } })).toEqual({
      ...known,
      deprecated_fields: 'body:lines[].self.self.sku',
    });
  });

  test('of what is no JSON are not looked for', async () => {
    expect(await notesOf({ headers: { 'content-type': 'text/plain' }, body: { old: 1 } })).toEqual({
      api: 'shop',
      version: '1',
    });
  });
});
