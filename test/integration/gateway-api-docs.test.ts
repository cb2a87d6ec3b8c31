/** What the gateway publishes of an API, how versions end, and what may not be published. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { shopApi, shopDocument, startShop } from './versions-fixture.ts';

const HOUR_MS = 3_600_000;
const at = (ms: number) => new Date(ms).toISOString();
const problemOf = async (answer: Response) => ({ status: answer.status, ...((await answer.json()) as object) });

describe('a version that ends', () => {
  test('says so in every answer, with links to its successor and the guide', async () => {
    const [deprecated, sunset] = ['2026-01-01', '2999-12-31T23:59:59Z'];
    const shop = await startShop(shopApi({}, { deprecated, sunset, sunset_link: 'https://shop.example/end' }));
    for (const path of ['/v1/shop/orders/7', '/v1/shop/orders/broken']) {
      const { headers } = await shop.get(path);
      expect(headers.get('deprecation')).toBe('@1767225600');
      expect(headers.get('sunset')).toBe('Tue, 31 Dec 2999 23:59:59 GMT');
      expect(headers.get('link')).toBe(
        '</docs/shop/1/to/3>; rel="deprecation"; type="text/html", <https://shop.example/end>; rel="sunset"; ' +
          `type="text/html", </v3${path.slice(3)}>; rel="successor-version"`,
      );
    }
    // Not by fetch, which would escape it.
    const raw = request({ port: shop.port, host: '127.0.0.1', path: '/v1/shop/a>;"rel=x<' }).end();
    const [hostile] = (await once(raw, 'response')) as [IncomingMessage];
    hostile.resume();
    expect(hostile.headers['link']).toContain('</v3/shop/a%3E;%22rel=x%3C>; rel="successor-version"');
    const { headers } = await shop.get('/v2/shop/orders/7');
    expect([headers.get('deprecation'), headers.get('sunset'), headers.get('link')]).toEqual([null, null, null]);
    expect((await shop.get('/docs/shop/1/to/3')).status).toBe(200);
  });

  test('is answered with 410 after its sunset, and with 503 in a brownout before', async () => {
    const now = Date.now();
    const brownouts = [
      { from: at(now - 3 * HOUR_MS), until: at(now - 2 * HOUR_MS) },
      { from: at(now - HOUR_MS), until: at(now + HOUR_MS) },
    ];
    const ended = { deprecated: '2020-01-01', sunset: '2021-01-01' };
    const shop = await startShop(shopApi({}, ended, { deprecated: '2026-01-01', brownouts }));
    const gone = await shop.get('/v1/shop/orders/7');
    expect(gone.headers.get('sunset')).toBe('Fri, 01 Jan 2021 00:00:00 GMT');
    expect(await problemOf(gone)).toMatchObject({
      status: 410,
      code: 'API_VERSION_GONE',
      version: '1',
      successor: '3',
    });
    const paused = await shop.get('/v2/shop/orders/7');
    const waitS = Number(paused.headers.get('retry-after'));
    expect(waitS > 3_000 && waitS <= 3_600).toBe(true);
    expect(await problemOf(paused)).toMatchObject({
      status: 503,
      code: 'API_VERSION_PAUSED',
      version: '2',
      successor: '3',
    });
    expect((await shop.get('/v3/shop/purchases/7')).status).toBe(200);
    const unknown = await problemOf(await shop.get('/v9/shop/orders/7'));
    expect(unknown).toMatchObject({ versions: [{ version: '2' }, { version: '3' }] });
    expect(shop.seen).toHaveLength(1);
  });
});

describe('the OpenAPI document', () => {
  test('of each version is valid, tells its own fields and nothing of the upstream', async () => {
    const shop = await startShop();
    const fields: Record<string, string[]> = {};
    for (const version of ['1', '2', '3']) {
      const answer = await shop.get(`/docs/shop/${version}/openapi.json`);
      const document = (await answer.json()) as Shown;
      const validator = new Validator();
      expect(await validator.validate(structuredClone(document) as unknown as Record<string, unknown>)).toEqual({
        valid: true,
      });
      expect([validator.version, document.info.version]).toEqual(['3.1', version]);
      expect(document.servers).toEqual([{ url: `/v${version}/shop` }]);
      const { properties } = document.components.schemas.Order;
      fields[version] = [...Object.keys(document.paths), ...Object.keys(properties)].sort();
      expect(properties['customer']?.['type']).toBe(version === '1' ? 'string' : 'object');
    }
    expect(fields).toEqual({
      1: ['/orders', '/orders/{id}', 'coupon', 'customer', 'id', 'total'],
      2: ['/orders', '/orders/{id}', 'coupon', 'customer', 'id', 'total'],
      3: ['/purchases', '/purchases/{id}', 'amount', 'coupon', 'customer', 'id'],
    });
  });

  interface Shown {
    readonly info: { readonly version: string };
    readonly servers: unknown;
    readonly paths: object;
    readonly components: {
      readonly schemas: { readonly Order: { readonly properties: Record<string, Record<string, unknown>> } };
    };
  }
});

describe('the pages', () => {
  const HOSTILE = '</title><script>alert(1)</script><img src=x onerror="alert(\'2\')">&amp;';

  test('tell of versions, operations and changes, load nothing, and give way to a route', async () => {
    const shop = await startShop();
    const get = async (path: string) => {
      const answer = await shop.get(path);
      expect([path, answer.status]).toEqual([path, 200]);
      const policy = answer.headers.get('content-security-policy');
      expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'/);
      const text = await answer.text();
      expect(text).not.toMatch(/<script|src=|@import|url\(/i);
      return text;
    };
    expect(await get('/docs')).toContain('<a href="/docs/shop">Shop</a>');
    const newest = await get('/docs/shop');
    for (const part of [
      'Buys things.',
      '/purchases/{id}',
      'A customer is an object',
      'api-version: 3',
      'href="#schema-Order"',
    ]) {
      expect(newest).toContain(part);
    }
    expect(await get('/docs/shop/1')).toContain('/orders/{id}');
    const guide = await get('/docs/shop/1/to/3');
    for (const part of [
      'Read the name from customer.name.',
      '<code>limit</code> is sent as <code>size</code>',
      'GET /orders/{id}',
    ]) {
      expect(guide).toContain(part);
    }
    expect(await get('/docs/shop/2/to/3')).not.toContain('A customer is an object');
    for (const path of [
      '/docs/none',
      '/docs/shop/9',
      '/docs/shop/3/to/1',
      '/docs/shop/1/to',
      '/docs/shop/1/to/2/x',
      '/docs/constructor',
    ]) {
      expect([path, (await shop.get(path)).status]).toEqual([path, 404]);
    }
    const head = await fetch(`${shop.url}/docs/shop`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    await shop.put('route', 'mine', { path: '/docs/{rest...}', upstream: 'shop', rewrite: '/purchases/text' });
    expect(await (await shop.get('/docs/shop')).text()).toBe('plain');
  });

  test('of a hostile declaration show it as text', async () => {
    const document = shopDocument() as unknown as Record<string, Record<string, Record<string, object>>>;
    document['info'] = { title: HOSTILE, version: HOSTILE } as never;
    (document['paths'] as Record<string, object>)[`/${encodeURIComponent('<b>')}"'<script>`] = {
      get: {
        summary: HOSTILE,
        description: HOSTILE,
        parameters: [
          {
            name: HOSTILE,
            in: 'query',
            description: HOSTILE,
            schema: { type: 'string', enum: [HOSTILE], pattern: HOSTILE },
          },
        ],
        responses: {
          200: {
            description: HOSTILE,
            content: { [`text/<script>`]: { schema: { $ref: '#/components/schemas/Hostile' } } },
          },
        },
      },
    };
    (document['components']?.['schemas'] as Record<string, object>)['Hostile'] = {
      description: HOSTILE,
      const: HOSTILE,
      properties: { [HOSTILE]: {} },
    };
    const changes = [
      { summary: HOSTILE, details: HOSTILE, request: { up: [{ type: 'rename', field: 'a', target: '["<script>"]' }] } },
    ];
    const link = 'https://x.example/?a=1&b=2';
    const versions = [
      { version: '1', deprecated: '2020-01-01', deprecation_link: link, openapi: document },
      { version: '2', changes, openapi: document },
    ];
    const shop = await startShop(shopApi({ title: HOSTILE, description: HOSTILE, versions }));
    for (const path of ['/docs', '/docs/shop', '/docs/shop/1', '/docs/shop/1/to/2']) {
      const answer = await shop.get(path);
      expect([path, answer.status]).toEqual([path, 200]);
      const text = await answer.text();
      expect(text).toContain('&lt;script&gt;');
      expect(text).not.toMatch(/<script|<img|<b>|onerror="|href="(?!\/docs|#|https:\/\/x\.example)/i);
    }
  });

  test('of an API that is not to be shown are not there, nor is its document', async () => {
    const shop = await startShop(shopApi({ docs: 'none' }));
    for (const path of ['/docs', '/docs/shop', '/docs/shop/1/openapi.json'])
      expect((await shop.get(path)).status).toBe(404);
  });
});

test('the example of the README serves callers of both versions', async () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, example] = /<<'END'\n(kind: api\n[\s\S]*?)\nEND\n/.exec(readme) ?? [];
  const shop = await startShop();
  for (const document of parseAllDocuments(example ?? '')) {
    const { kind, name, spec } = document.toJS() as { kind: string; name: string; spec: object };
    expect(document.errors).toEqual([]);
    const moved = kind === 'route' ? { path: '/mine/{path...}', api: 'shop-2', auth: 'none' } : { base_path: '/mine' };
    await shop.put(kind, `${name}-2`, { ...spec, ...moved });
  }
  const init = { method: 'POST', headers: { 'content-type': 'application/json' } };
  for (const [version, body] of [
    ['v1', { customer: 'Ada' }],
    ['v2', { customer: { name: 'Ada' } }],
  ] as const) {
    const answer = await fetch(`${shop.url}/${version}/mine/orders`, { ...init, body: JSON.stringify(body) });
    expect([answer.status, await answer.json()]).toEqual([201, body]);
    expect(shop.seen[0]).toMatchObject({ url: '/orders', body: { customer: { name: 'Ada' } } });
  }
  const { headers } = await fetch(`${shop.url}/v1/mine/orders`, { ...init, body: '{}' });
  expect(headers.get('deprecation')).toBe('@1780272000');
  expect(await (await shop.get('/docs/shop-2/1/to/2')).text()).toContain('Read the name from customer.name.');
});

describe('publishing', () => {
  test('what breaks callers of a version is refused with the list, by a dry run too; a new version for it is not', async () => {
    const shop = await startShop();
    const changed = shopDocument();
    const { properties } = changed.components.schemas.Order as { properties: Record<string, unknown> };
    delete properties['coupon'];
    const [first, second, third] = shopApi().versions;
    const broken = { ...shopApi(), versions: [first, second, { ...third, openapi: changed }] };
    const url = `${shop.server.url}/v1/apis/shop`;
    const put = (api: object, query = '') =>
      fetch(url + query, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(api) });
    for (const query of ['', '?dry_run=true']) {
      const problem = await problemOf(await put(broken, query));
      expect(problem).toMatchObject({ status: 409, code: 'API_BREAKS_CALLERS' });
      const { breaks } = problem as unknown as { breaks: { version: string; rule: string; at: string }[] };
      expect(breaks).toContainEqual(
        expect.objectContaining({ version: '3', rule: 'parameter_removed', at: 'POST /purchases request .coupon' }),
      );
      expect(new Set(breaks.map(({ version }) => version))).toEqual(new Set(['1', '2', '3']));
    }
    const coupon = {
      components: { schemas: { Order: { properties: { coupon: { type: 'string', deprecated: true } } } } },
    };
    const fourth = { version: '4', changes: [{ summary: 'No coupons', openapi_down: coupon }], openapi: changed };
    const { openapi: _, ...older } = third as { openapi: unknown; version: string };
    const answer = await put({ ...shopApi(), versions: [first, second, older, fourth] });
    expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)]);
    const gone = await problemOf(await put({ ...shopApi(), versions: [{ ...first }, fourth] }));
    expect(gone).toMatchObject({
      code: 'API_BREAKS_CALLERS',
      detail: expect.stringContaining('2: is gone before its sunset'),
    });
    const meant = ['2: is gone before its sunset', '3: is gone before its sunset'];
    const { breaks } = (await problemOf(
      await put({ ...shopApi(), versions: [first, fourth], accepted_breaks: meant }),
    )) as unknown as {
      breaks: { text: string }[];
    };
    const all = [...meant, ...breaks.map(({ text }) => text)];
    expect((await put({ ...shopApi(), versions: [first, fourth], accepted_breaks: all })).status).toBe(200);
  });

  test('an API that a route serves is not deleted, and a route needs one that is there', async () => {
    const shop = await startShop();
    const removed = await fetch(`${shop.server.url}/v1/apis/shop`, { method: 'DELETE' });
    expect(await problemOf(removed)).toMatchObject({ code: 'RESOURCE_IN_USE', route: 'shop' });
    const lost = await shop.declare('route', 'lost', { path: '/x', upstream: 'shop', api: 'nowhere' });
    expect(await problemOf(lost)).toMatchObject({ code: 'RESOURCE_INVALID', field: 'api' });
  });
});
