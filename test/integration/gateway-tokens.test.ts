/** Bearer tokens at routes, from outside: which are taken, the code of each that is not, what is fetched and remembered. */
import { describe, expect, test } from 'vitest';
import { LOOPBACK, startUpstream } from './gateway-fixture.ts';
import { echo, inSeconds, issuer } from './gateway-policies-fixture.ts';
import { problemOf } from './http-fixture.ts';

describe('a route with tokens', () => {
  test('takes good ones, and refuses each bad one by its own code and no more', async () => {
    const gateway = await echo();
    const { sign, spec, fetched } = await issuer();
    await gateway.put('route', 'all', { path: '/{rest...}', upstream: 'main', jwt: spec({ scopes: ['read'] }) });
    const exp = inSeconds(300);
    const call = (token?: string) => gateway.get('/x', token === undefined ? {} : { authorization: `Bearer ${token}` });
    expect((await call(await sign({ exp }))).status).toBe(200);

    const cases: [string, string | undefined, number, string, RegExp][] = [
      ['none', undefined, 401, 'TOKEN_MISSING', /^Bearer realm="api"$/],
      ['no token', 'abc', 401, 'TOKEN_MALFORMED', /error="invalid_token"$/],
      ['expired', await sign({ exp: inSeconds(-3600) }), 401, 'TOKEN_EXPIRED', /error="invalid_token"$/],
      ['not yet', await sign({ exp, nbf: inSeconds(3600) }), 401, 'TOKEN_NOT_YET_VALID', /error="invalid_token"$/],
      ['other audience', await sign({ exp, aud: 'else' }), 401, 'TOKEN_AUDIENCE_REFUSED', /error="invalid_token"$/],
      ['unknown key', await sign({ exp }, { kid: 'two' }), 401, 'TOKEN_KEY_UNKNOWN', /error="invalid_token"$/],
      ['forged', await sign({ exp }, {}, true), 401, 'TOKEN_SIGNATURE_WRONG', /error="invalid_token"$/],
      ['other issuer', await sign({ exp, iss: 'x' }), 401, 'TOKEN_ISSUER_UNKNOWN', /error="invalid_token"$/],
      ['type', await sign({ exp }, { typ: 'dpop+jwt' }), 401, 'TOKEN_TYPE_REFUSED', /error="invalid_token"$/],
      ['no expiry', await sign(), 401, 'TOKEN_CLAIM_INVALID', /error="invalid_token"$/],
      ['scope', await sign({ exp, scope: 'write' }), 403, 'FORBIDDEN', /error="insufficient_scope"$/],
    ];
    for (const [what, token, status, code, challenge] of cases) {
      const answer = await call(token);
      const challenged = answer.headers.get('www-authenticate');
      const problem = await problemOf(answer);
      expect([what, problem['status'], problem['code']]).toEqual([what, status, code]);
      expect(challenged).toMatch(challenge);
      expect(Object.keys(problem).sort()).toEqual(['code', 'detail', 'retryable', 'status', 'title', 'type']);
      expect(JSON.stringify(problem)).not.toMatch(/issuer\.example|127\.0\.0\.1|kid|ann|jose/);
    }
    // One fetch a thread, and one more at most for the unknown key.
    expect(fetched()).toBeLessThanOrEqual(4);
  });

  test('keeps what it knows over changes of other routes', async () => {
    const gateway = await echo();
    const { sign, spec, fetched } = await issuer();
    await gateway.put('route', 'all', { path: '/{rest...}', upstream: 'main', jwt: spec() });
    const call = async (jti: string) => {
      const token = await sign({ exp: inSeconds(300), jti });
      return (await gateway.get('/x', { authorization: `Bearer ${token}`, connection: 'close' })).status;
    };
    for (let i = 0; i < 20; i++) expect(await call(`before ${i}`)).toBe(200);
    const before = fetched();
    for (let i = 0; i < 3; i++) {
      await gateway.put('route', `other-${i}`, { path: `/other/${i}`, upstream: 'main' });
      for (let j = 0; j < 5; j++) expect(await call(`after ${i} ${j}`)).toBe(200);
    }
    // A thread that had no request before may fetch now.
    expect(fetched()).toBeLessThanOrEqual(Math.max(before, 2));
  });

  test.each([
    ['a redirect', '/away', {}],
    ['an address that is not permitted', '/jwks', { networks: [] }],
  ])('fetches no keys by way of %s', async (_, path, more) => {
    const gateway = await echo();
    const { sign, spec, fetched } = await issuer();
    await gateway.put('route', 'all', { path: '/{rest...}', upstream: 'main', jwt: { ...spec({}, path), ...more } });
    const answer = await gateway.get('/x', { authorization: `Bearer ${await sign({ exp: inSeconds(60) })}` });
    expect(answer.headers.get('retry-after')).toBe('30');
    expect(await problemOf(answer)).toMatchObject({ status: 503, code: 'TOKEN_KEYS_UNAVAILABLE' });
    expect(fetched()).toBe(0);
  });
});

test('a route with introspection asks once, remembers, and tells a revoked token apart', async () => {
  const gateway = await echo();
  const asked: string[] = [];
  const { port } = await startUpstream((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      const token = new URLSearchParams(text).get('token') ?? '';
      asked.push(`${request.headers.authorization} ${token}`);
      if (token === 'broken') response.writeHead(500).end('secret of the server');
      else response.end(JSON.stringify({ active: token === 'good', scope: 'read' }));
    });
  });
  const introspection = {
    url: `http://127.0.0.1:${port}/introspect`,
    client_id: 'gw',
    client_secret: 'pw',
    networks: LOOPBACK,
  };
  await gateway.put('route', 'all', { path: '/{rest...}', upstream: 'main', introspection });
  const call = (token: string) => gateway.get('/x', { authorization: `Bearer ${token}` });
  for (let i = 0; i < 20; i++) expect((await call('good')).status).toBe(200);
  expect(asked.length).toBeLessThanOrEqual(2);
  expect(asked[0]).toBe(`Basic ${Buffer.from('gw:pw').toString('base64')} good`);
  expect(await problemOf(await call('bad'))).toMatchObject({ status: 401, code: 'TOKEN_INACTIVE' });
  const broken = await call('broken');
  expect(broken.headers.get('retry-after')).toBe('1');
  const problem = await problemOf(broken);
  expect(problem).toMatchObject({ status: 503, code: 'INTROSPECTION_FAILED' });
  expect(JSON.stringify(problem)).not.toContain('secret');
});
