/** Policies of routes from outside: who is let in, what each refusal says, what limits count over all threads. */
import { createHmac, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { waitFor } from '#kit';
import { LOOPBACK } from './gateway-fixture.ts';
import { echo, inSeconds, issuer, post } from './gateway-policies-fixture.ts';
import { problemOf } from './http-fixture.ts';

describe('rate limits', () => {
  test('are exact over all threads, by what they told, and outlive a change of the route', async () => {
    const gateway = await echo();
    const limit = { name: 'hour', limit: 50, window_s: 3600, by: ['address'] };
    const route = { path: '/{rest...}', upstream: 'main', rate_limits: { limits: [limit] } };
    await gateway.put('route', 'all', route);
    // Connections of their own, so that the kernel spreads them over both threads.
    const call = async () => {
      const answer = await gateway.get('/x', { connection: 'close' });
      await answer.arrayBuffer();
      return answer;
    };
    const burst = await Promise.all(Array.from({ length: 40 }, call));
    expect(burst.every(({ status }) => status === 200)).toBe(true);
    await gateway.put('route', 'all', { ...route, description: 'the same limit' });
    const answers = await Promise.all(Array.from({ length: 60 }, call));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(50);
    const [one] = refused as [Response];
    expect(one.headers.get('ratelimit-policy')).toBe('"hour";q=50;w=3600');
    expect(one.headers.get('ratelimit')).toMatch(/^"hour";r=0;t=\d+$/);
    expect(one.headers.get('x-ratelimit-remaining')).toBe('0');
    expect(one.headers.get('retry-after')).toMatch(/^([1-9]|[1-6]\d|7[0-3])$/);
    expect(await problemOf(await gateway.get('/x'))).toMatchObject({ code: 'RATE_LIMITED', limit: 'hour' });
  });

  test('that are first count failed attempts, the others only who is let in', async () => {
    const gateway = await echo();
    const { sign, spec } = await issuer();
    const limits = [
      { name: 'tries', limit: 5, window_s: 3600, by: ['address'], first: true },
      { name: 'calls', limit: 2, window_s: 3600, by: [{ claim: 'sub' }] },
    ];
    await gateway.put('route', 'all', { path: '/{rest...}', upstream: 'main', jwt: spec(), rate_limits: { limits } });
    const token = await sign({ exp: inSeconds(300) });
    const call = async (authorization: string) => (await gateway.get('/x', { authorization })).status;
    expect(await call('Bearer no')).toBe(401);
    expect([await call(`Bearer ${token}`), await call(`Bearer ${token}`)]).toEqual([200, 200]);
    expect(await call(`Bearer ${token}`)).toBe(429);
    expect(await call('Bearer no')).toBe(401);
    const last = await gateway.get('/x', { authorization: 'Bearer no' });
    expect(await problemOf(last)).toMatchObject({ code: 'RATE_LIMITED', limit: 'tries' });
  });
});

test('a webhook is taken once, by its signature, over all threads', async () => {
  const gateway = await echo();
  const secret = Buffer.alloc(24, 5);
  const webhook = { secrets: [`whsec_${secret.toString('base64')}`] };
  const limit = { name: 'all', limit: 1_000, window_s: 60, by: ['route'] };
  await gateway.put('route', 'all', {
    path: '/{rest...}',
    upstream: 'main',
    webhook,
    rate_limits: { limits: [limit] },
  });
  const send = (body: string, id: string, at = inSeconds(0), signedBody = body) => {
    const signature = createHmac('sha256', secret).update(`${id}.${at}.${signedBody}`).digest('base64');
    const headers = { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': `v1,${signature}` };
    return post(`${gateway.url}/hook`, body, { ...headers, connection: 'close' });
  };
  const good = await send('{"a":1}', randomUUID());
  expect(good.headers.get('ratelimit')).toMatch(/^"all";r=999;/);
  expect(await good.json()).toMatchObject({ body: '{"a":1}' });
  const unsigned = await post(`${gateway.url}/hook`, '{}');
  expect(unsigned.headers.get('ratelimit')).toBeNull();
  expect(await problemOf(unsigned)).toMatchObject({ status: 401, code: 'SIGNATURE_MISSING' });
  expect(await problemOf(await send('{}', randomUUID(), inSeconds(0), '{"b":1}'))).toMatchObject({
    code: 'SIGNATURE_INVALID',
  });
  expect(await problemOf(await send('{}', randomUUID(), inSeconds(-3600)))).toMatchObject({
    code: 'SIGNATURE_EXPIRED',
  });
  const id = randomUUID();
  const twice = await Promise.all(Array.from({ length: 8 }, () => send('{}', id)));
  expect(twice.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409, 409, 409, 409]);
});

test('a signed request names its key to the upstream and to limits', async () => {
  const gateway = await echo();
  const secret = Buffer.alloc(32, 6);
  const signature = { keys: [{ id: 'till', secret: secret.toString('base64') }], components: ['@method', '@path'] };
  const limit = { name: 'till', limit: 2, window_s: 3600, by: ['client'] };
  await gateway.put('route', 'all', {
    path: '/{rest...}',
    upstream: 'main',
    signature,
    rate_limits: { limits: [limit] },
  });
  const call = (nonce: string, keyid = 'till') => {
    const params = `("@method" "@path");created=${inSeconds(0)};keyid="${keyid}";nonce="${nonce}"`;
    const base = `"@method": GET\n"@path": /x\n"@signature-params": ${params}`;
    const bytes = createHmac('sha256', secret).update(base).digest('base64');
    return gateway.get('/x', { 'signature-input': `sig=${params}`, signature: `sig=:${bytes}:` });
  };
  expect(await (await call('a')).json()).toMatchObject({ headers: { 'x-sluice-client': 'till' } });
  expect(await problemOf(await call('a'))).toMatchObject({ status: 409, code: 'SIGNATURE_REPLAYED' });
  expect(await problemOf(await call('b', 'nobody'))).toMatchObject({ code: 'SIGNATURE_INVALID' });
  expect([(await call('b')).status, (await call('c')).status]).toEqual([200, 429]);
});

describe('addresses, origins and sizes', () => {
  test('are each refused by a code of their own', async () => {
    const gateway = await echo();
    const base = { path: '/{rest...}', upstream: 'main' };
    await gateway.put('route', 'all', { ...base, networks: { deny: LOOPBACK } });
    expect(await problemOf(await gateway.get('/x'))).toMatchObject({ status: 403, code: 'ADDRESS_DENIED' });
    const sizes = { path_bytes_max: 100, header_bytes_max: 1_000, body_bytes_max: 64, json: { depth_max: 2 }, xml: {} };
    await gateway.put('route', 'all', { ...base, sizes });
    const json = { 'content-type': 'application/json' };
    const codeOf = async (answer: Response) => (answer.ok ? 200 : (await problemOf(answer))['code']);
    expect(await codeOf(await gateway.get(`/${'x'.repeat(100)}`))).toBe('PATH_TOO_LONG');
    expect(await codeOf(await gateway.get('/x', { 'x-long': 'x'.repeat(1_000) }))).toBe('HEADERS_TOO_LARGE');
    expect(await codeOf(await post(`${gateway.url}/x`, '{"a":[1]}', json))).toBe(200);
    expect(await codeOf(await post(`${gateway.url}/x`, '{"a":[[1]]}', json))).toBe('BODY_TOO_COMPLEX');
    expect(await codeOf(await post(`${gateway.url}/x`, '{"a":', json))).toBe('REQUEST_MALFORMED');
    expect(await codeOf(await post(`${gateway.url}/x`, `"${'x'.repeat(64)}"`, json))).toBe('REQUEST_TOO_LARGE');
    const xml = await post(`${gateway.url}/x`, '<!DOCTYPE a [<!ENTITY b "c">]><a/>', { 'content-type': 'text/xml' });
    expect(await codeOf(xml)).toBe('XML_ENTITY_REFUSED');
  });

  test('of pages are answered here, whatever the upstream says', async () => {
    const gateway = await echo();
    const cors = { origins: ['https://app.example'], credentials: true };
    const { spec, sign } = await issuer();
    await gateway.put('route', 'all', { path: '/{rest...}', upstream: 'main', cors, jwt: spec() });
    const preflight = await fetch(`${gateway.url}/x`, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'PUT' },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'https://app.example',
    ]);
    const authorization = `Bearer ${await sign({ exp: inSeconds(300) })}`;
    const answer = await gateway.get('/x', { origin: 'https://app.example', authorization });
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
    const other = await gateway.get('/x', { origin: 'https://evil.example', authorization });
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([200, null]);
    const refused = await gateway.get('/x', { origin: 'https://app.example' });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, 'https://app.example']);
  });
});

describe('screening', () => {
  const attack = `/x?id=${encodeURIComponent("1' UNION SELECT password FROM users--")}`;

  test('tells, or blocks, in the head and in the body', async () => {
    const gateway = await echo();
    const base = { path: '/{rest...}', upstream: 'main' };
    await gateway.put('route', 'all', { ...base, screening: { mode: 'log' } });
    expect((await gateway.get(attack)).status).toBe(200);
    const passed = /^sluice_gateway_findings_total\{(?=[^}]*route="all")(?=[^}]*outcome="passed")[^}]*\} (\d+)/m;
    await waitFor(async () => (await gateway.metric(passed)) === 1, { what: 'the find to be counted' });
    await gateway.put('route', 'all', { ...base, screening: { mode: 'block', body_bytes_max: 1_000 } });
    const refused = await problemOf(await gateway.get(attack));
    expect(refused).toMatchObject({ status: 403, code: 'REQUEST_SUSPICIOUS' });
    expect(JSON.stringify(refused)).not.toMatch(/union|sql|score/i);
    expect((await gateway.get('/x?q=hello')).status).toBe(200);
    const json = { 'content-type': 'application/json' };
    const bad = JSON.stringify({ name: '<img src=x onerror=alert(1)>' });
    expect(await problemOf(await post(`${gateway.url}/x`, bad, json))).toMatchObject({ code: 'REQUEST_SUSPICIOUS' });
    expect((await post(`${gateway.url}/x`, '{"name":"Ann"}', json)).status).toBe(200);
    const long = JSON.stringify({ pad: 'x'.repeat(1_000), name: bad });
    expect(await problemOf(await post(`${gateway.url}/x`, long, json))).toMatchObject({ code: 'REQUEST_TOO_LARGE' });
  });
});

test.each<[string, object, string]>([
  ['rate_limits', { rate_limits: { limits: [{ name: 'a', limit: 1, window_s: 1, first: true }] } }, 'counted first'],
  ['cors', { cors: { origins: ['*'], credentials: true } }, 'credentials'],
  ['networks', { networks: { deny: ['10.0.0.0/99'] } }, '10.0.0.0/99'],
  ['webhook', { webhook: { secrets: ['short'] } }, 'base64'],
  ['jwt', { jwt: { issuers: [{ issuer: 'a', audiences: ['b'], algorithms: ['ES256'] }] } }, 'needs jwks_url or keys'],
  ['sizes', { sizes: { body_bytes_max: 100_000_000, json: {} } }, 'not collected'],
])('a declaration of %s that contradicts itself is refused and changes nothing', async (field, spec, why) => {
  const gateway = await echo();
  const answer = await gateway.declare('route', 'all', { path: '/{rest...}', upstream: 'main', ...spec });
  const problem = await problemOf(answer);
  expect(problem).toMatchObject({ status: 400, code: 'RESOURCE_INVALID', field });
  expect(problem['detail']).toContain(why);
  expect((await gateway.get('/x')).status).toBe(200);
});
