/** Callers of three versions of an API, before one upstream that knows the newest only. */
import { describe, expect, test } from 'vitest';
import { startServer, waitFor } from '#kit';
import { startGateway } from './gateway-fixture.ts';
import { type Shop, shopApi, shopDocument, startShop } from './versions-fixture.ts';

const BODIES: Readonly<Record<string, object>> = {
  1: { id: 7, customer: 'Ada', total: 12.5 },
  2: { id: 7, customer: { name: 'Ada' }, total: 12.5 },
  3: { id: '7', customer: { name: 'Ada' }, amount: { value: 12.5, currency: 'EUR' } },
};
const PATHS: Readonly<Record<string, string>> = { 1: '/shop/orders/7', 2: '/shop/orders/7', 3: '/shop/purchases/7' };

const problemOf = async (answer: Response) => ({ status: answer.status, ...((await answer.json()) as object) });

describe('a caller', () => {
  test('of each version is served by each way to name it', async () => {
    const shop = await startShop();
    for (const version of ['1', '2', '3']) await tryWays(shop, version);
  });

  async function tryWays(shop: Shop, version: string): Promise<void> {
    const path = PATHS[version] as string;
    const ways: [string, string, Record<string, string>][] = [
      ['header', path, { 'api-version': version }],
      ['media type', path, { accept: `application/json; version=${version}; q=0.9, text/html` }],
      ['quoted media type', path, { accept: `application/json;version="${version}"` }],
      ['content type', path, { 'content-type': `application/json; version=${version}` }],
      ['query', `${path}?a=1&api-version=${version}&b=2`, {}],
      ['path', `/v${version}${path}`, {}],
    ];
    for (const [way, asked, headers] of ways) {
      const answer = await shop.get(asked, headers);
      expect([way, answer.status, await answer.json()]).toEqual([way, 200, BODIES[version]]);
      expect([way, answer.headers.get('api-version')]).toEqual([way, version]);
      const [request] = shop.seen;
      expect([way, request?.url]).toEqual([way, way === 'query' ? '/purchases/7?a=1&b=2' : '/purchases/7']);
      expect([way, request?.headers['api-version']]).toEqual([way, '3']);
      expect([way, request?.headers.accept ?? '']).not.toEqual([way, expect.stringContaining('version')]);
    }
  }

  test('is taken for one of its client’s pin, else of the default, else of the oldest version', async () => {
    const shop = await startShop(shopApi({ pins: { app: '2' } }), { auth: 'key' }, await startGateway());
    const keyOf = async (name: string, scopes: string[], headers: Record<string, string> = {}) => {
      const answer = await fetch(`${shop.server.url}/v1/clients/${name}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ scopes }),
      });
      return ((await answer.json()) as { key: string }).key;
    };
    const admin = { 'x-api-key': await keyOf('ops', ['admin']) };
    const app = { 'x-api-key': await keyOf('app', ['call:shop'], admin) };
    const other = { 'x-api-key': await keyOf('other', ['call:shop'], admin) };
    expect(await (await shop.get('/shop/orders/7', app)).json()).toEqual(BODIES['2']);
    expect(await (await shop.get('/v1/shop/orders/7', app)).json()).toEqual(BODIES['1']);
    expect(await (await shop.get('/shop/orders/7', other)).json()).toEqual(BODIES['1']);
    const put = { method: 'PUT', headers: { 'content-type': 'application/json', ...admin } };
    const body = JSON.stringify(shopApi({ default: '3', pins: { app: '2' } }));
    expect((await fetch(`${shop.server.url}/v1/apis/shop`, { ...put, body })).status).toBe(200);
    expect(await (await shop.get('/shop/purchases/7', other)).json()).toEqual(BODIES['3']);
  });

  test('that names two versions gets the one of the way that goes first', async () => {
    const shop = await startShop();
    const told = async (path: string, headers: Record<string, string>) =>
      (await shop.get(path, headers)).headers.get('api-version');
    const accept = 'application/json;version=2';
    expect(await told('/v2/shop/purchases/7?api-version=2', { 'api-version': '3', accept })).toBe('3');
    expect(await told('/v3/shop/orders/7?api-version=1', { accept })).toBe('2');
    expect(await told('/v3/shop/orders/7?api-version=1', {})).toBe('1');
  });

  test('of a version that is not there is told those that are', async () => {
    const shop = await startShop();
    for (const [path, headers] of [
      ['/shop/orders/7', { 'api-version': '9' }],
      ['/v9/shop/orders/7', {}],
      ['/shop/orders/7?api-version=%3Cscript%3E', {}],
      ['/shop/orders/7', { accept: 'application/json;version=__proto__' }],
    ] as [string, Record<string, string>][]) {
      const problem = await problemOf(await shop.get(path, headers));
      expect(problem).toMatchObject({ status: 400, code: 'API_VERSION_UNKNOWN' });
      expect(problem).toHaveProperty('versions', [
        { version: '1', state: 'supported' },
        { version: '2', state: 'supported' },
        { version: '3', state: 'current' },
      ]);
    }
    expect(shop.seen).toEqual([]);
  });
});

describe('a body', () => {
  test('of each version reaches the upstream as one of 3, and comes back', async () => {
    const shop = await startShop();
    for (const version of ['1', '2', '3']) await sendBody(shop, version);
  });

  async function sendBody(shop: Shop, version: string): Promise<void> {
    const post = (body: string, more: Record<string, string> = {}) =>
      fetch(`${shop.url}${version === '3' ? '/shop/purchases' : '/shop/orders'}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'api-version': version, ...more },
        body,
      });
    const answer = await post(JSON.stringify(BODIES[version]), { 'content-digest': 'sha-256=:x:' });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toEqual(BODIES[version]);
    expect(shop.seen[0]).toMatchObject({ method: 'POST', url: '/purchases', body: BODIES['3'] });
    expect(shop.seen[0]?.headers['content-digest']).toBe(version === '3' ? 'sha-256=:x:' : undefined);
  }

  test('keeps numbers that have more digits than JavaScript', async () => {
    const shop = await startShop();
    const body = '{"customer":"Ada","total":12345678901234567890,"big":[-9007199254740993,"9007199254740993"]}';
    const answer = await fetch(`${shop.url}/shop/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'api-version': '1' },
      body,
    });
    const text = await answer.text();
    for (const part of ['"total":12345678901234567890', '[-9007199254740993,"9007199254740993"]'])
      expect(text).toContain(part);
  });

  test('that is a list, and the query, are brought over too', async () => {
    const shop = await startShop();
    const answer = await shop.get('/shop/orders?limit=5&tag=a&tag=b', { 'api-version': '1' });
    expect(await answer.json()).toEqual({ items: [{ id: 7, customer: 'Ada', total: 12.5 }, { id: 8 }] });
    const asked = new URL(shop.seen[0]?.url ?? '', 'http://upstream');
    expect(asked.pathname).toBe('/purchases');
    expect([...asked.searchParams].map((pair) => pair.join('='))).toEqual(['size=5', 'tag=a', 'tag=b']);
  });

  test('that HEAD leaves out is not told to be as long as the newest version’s', async () => {
    const shop = await startShop();
    const lengthOf = async (version: string) => {
      const path = version === '3' ? '/shop/purchases/7' : '/shop/orders/7';
      const answer = await fetch(shop.url + path, { method: 'HEAD', headers: { 'api-version': version } });
      return [answer.status, answer.headers.get('content-length')];
    };
    expect(await lengthOf('3')).toEqual([200, String(JSON.stringify(BODIES['3']).length)]);
    expect(await lengthOf('1')).toEqual([200, null]);
  });

  test('that is no JSON, or an error, is left as it is; one that is broken is an error', async () => {
    const shop = await startShop();
    const get = (path: string) => shop.get(path, { 'api-version': '1' });
    expect(await (await get('/shop/orders/text')).text()).toBe('plain');
    const missing = await get('/shop/missing');
    expect([missing.status, await missing.json()]).toEqual([404, { customer: { name: 'not to be touched' } }]);
    expect(missing.headers.get('api-version')).toBe('1');
    expect(await problemOf(await get('/shop/orders/broken'))).toMatchObject({ status: 502, code: 'API_ANSWER_UNFIT' });
  });

  test('of a request that cannot be brought over is refused, and one that is too long', async () => {
    const shop = await startShop();
    const post = async (body: string, more: Record<string, string> = {}) =>
      problemOf(
        await fetch(`${shop.url}/shop/orders`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'api-version': '1', ...more },
          body,
        }),
      );
    const unfit = { status: 422, code: 'API_REQUEST_UNFIT' };
    expect(await post('{"customer":')).toMatchObject(unfit);
    expect(await post('{"total":1,"amount":"text"}')).toMatchObject(unfit);
    expect(await post(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)).toMatchObject(unfit);
    const bytes = await fetch(`${shop.url}/shop/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'api-version': '1' },
      body: Buffer.from([0x22, 0xff, 0x22]),
    });
    expect(await problemOf(bytes)).toMatchObject(unfit);
    expect(await post('{}', { 'content-encoding': 'gzip' })).toMatchObject({ code: 'MEDIA_TYPE_UNSUPPORTED' });
    const long = JSON.stringify({ customer: 'x'.repeat(2 * 1024 * 1024) });
    expect(await post(long)).toMatchObject({ status: 413, code: 'REQUEST_TOO_LARGE' });
    expect(shop.seen).toEqual([]);
    const newest = await fetch(`${shop.url}/shop/purchases`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'api-version': '3' },
      body: long,
    });
    expect([newest.status, await newest.text()]).toEqual([201, long]);
  });
});

test('who still calls which version, and with which deprecated field, is in the log', async () => {
  const shop = await startShop(shopApi(), {}, await startGateway());
  await fetch(`${shop.url}/v1/shop/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...BODIES['1'], coupon: 'X' }),
  });
  await shop.get('/v3/shop/purchases/7');
  const notes: unknown[] = [];
  let next = 0;
  await waitFor(
    async () => {
      const place = `/v1/topics/sys.gateway.requests/partitions/0/records?offset=${next}`;
      const answer = await fetch(shop.server.url + place);
      if (!answer.ok) return false;
      const page = (await answer.json()) as { records: { value: { notes?: object } }[]; next: number };
      // A page ends with its batch, of which each listener thread makes its own.
      notes.push(...page.records.map(({ value }) => value.notes));
      next = page.next;
      return notes.length >= 2;
    },
    { what: 'two records' },
  );
  expect(notes).toContainEqual({ api: 'shop', version: '1', deprecated_fields: 'body:coupon' });
  expect(notes).toContainEqual({ api: 'shop', version: '3' });
});

test('what was declared is served after a restart', async () => {
  const shop = await startShop(shopApi(), {}, await startGateway());
  await shop.server.stop();
  await startServer({ dataDir: shop.server.dataDir, args: ['--gateway-port', String(shop.port)] });
  expect(await (await shop.get('/v1/shop/orders/7')).json()).toEqual(BODIES['1']);
  expect((await shop.get('/docs/shop')).status).toBe(200);
});

describe('requests held to the documents of an API', () => {
  const held = { validate: { responses: 'block' } };

  test('must fit that of the version they are written for, and so must their answers', async () => {
    const shop = await startShop(shopApi(), held);
    for (const version of ['1', '2', '3']) {
      const answer = await shop.get(PATHS[version] as string, { 'api-version': version });
      expect([version, answer.status, await answer.json()]).toEqual([version, 200, BODIES[version]]);
    }
    const post = (path: string, body: object) =>
      fetch(`${shop.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await post('/v1/shop/orders', { id: 7, customer: 'Ada', total: 1 })).status).toBe(201);
    const wrong = await problemOf(await post('/v1/shop/orders', { id: 7, customer: { name: 'Ada' }, total: 1 }));
    expect(wrong).toMatchObject({ status: 400, code: 'REQUEST_MISMATCH' });
    expect(wrong).toHaveProperty('errors', [{ in: 'body', pointer: '/customer', message: 'must be string' }]);
    expect(await problemOf(await shop.get('/v1/shop/orders?limit=many'))).toMatchObject({ code: 'REQUEST_MISMATCH' });
    expect(await problemOf(await shop.get('/v3/shop/orders'))).toMatchObject({ code: 'OPERATION_UNKNOWN' });
    expect(await problemOf(await shop.get('/v9/shop/orders'))).toMatchObject({ code: 'API_VERSION_UNKNOWN' });
  });

  test('need a document that can be held to, also when the API changes later', async () => {
    const bare = { title: 'Shop', base_path: '/shop', versions: [{ version: '1' }] };
    const shop = await startShop(bare);
    const route = { path: '/shop/{path...}', upstream: 'shop', rewrite: '/{path}' };
    for (const spec of [
      { ...route, ...held },
      { ...route, ...held, api: 'shop' },
    ]) {
      const refused = await problemOf(await shop.declare('route', 'shop', spec));
      expect(refused).toMatchObject({ status: 400, code: 'RESOURCE_INVALID' });
    }
    await shop.put('api', 'shop', shopApi());
    await shop.put('route', 'shop', { ...route, ...held, api: 'shop' });
    const document = shopDocument();
    const slow = { type: 'string', pattern: '^(a+)+$' };
    const schemas = { Order: { ...document.components.schemas.Order, properties: { id: slow } } };
    const fourth = { version: '4', openapi: { ...document, components: { schemas } } };
    const { versions } = shopApi();
    const changed = await problemOf(
      await shop.declare('api', 'shop', { ...shopApi(), versions: [...versions, fourth] }),
    );
    expect(changed).toMatchObject({ status: 400, code: 'RESOURCE_INVALID' });
    expect(changed).toHaveProperty('detail', expect.stringContaining('version 4 of api shop'));
  });
});
