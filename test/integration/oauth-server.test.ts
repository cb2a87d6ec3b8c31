/** The authorization server as a process, asked by a client library that knows nothing of it but its address. */
import { createServer } from 'node:http';
import { createRemoteJWKSet, jwtVerify, SignJWT } from 'jose';
import * as openid from 'openid-client';
import { expect, test } from 'vitest';
import { type Authorization, authorizationServer, basic, codeOf, discover, errorOf, signer } from './oauth-fixture.ts';

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

test('a client finds the server, gets a token with its secret in both ways, and uses it', async () => {
  const server = await authorizationServer();
  const secret = await server.client('till', ['produce:orders*', 'call:shop'], { token_lifetime_s: 120 });
  await server.call('PUT', '/v1/topics/orders', server.admin, {});
  for (const authentication of [openid.ClientSecretBasic(secret), openid.ClientSecretPost(secret)]) {
    const config = await discover(server, 'till', authentication);
    const granted = await openid.clientCredentialsGrant(config, { scope: 'produce:orders' });
    expect(granted).toMatchObject({ token_type: 'bearer', expires_in: 120, scope: 'produce:orders' });
    const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri as string));
    const { payload } = await jwtVerify(granted.access_token, keys, {
      typ: 'at+jwt',
      issuer: server.url,
      audience: server.url,
      algorithms: ['ES256'],
      requiredClaims: ['jti', 'exp', 'iat'],
    });
    expect(payload).toMatchObject({ sub: 'till', client_id: 'till', scope: 'produce:orders' });
    const produced = server.call('POST', '/v1/topics/orders/records', granted.access_token, {
      records: [{ value: 1 }],
    });
    expect((await produced).status).toBe(200);
    expect(await codeOf(server.call('GET', '/metrics', granted.access_token))).toBe('FORBIDDEN');
  }
});

test('a client signs its assertion instead; each is taken once, also after a restart', async () => {
  const first = await authorizationServer({ args: ['--issuer', 'https://sluice.example', '--gateway-threads', '1'] });
  const { privateKey, jwk } = await signer();
  await first.client('robot', ['observe'], { jwks: { keys: [jwk] } });
  const assertion = (change: Record<string, unknown> = {}, key = privateKey, header: object = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: 'robot',
      sub: 'robot',
      aud: 'https://sluice.example',
      jti: `j${Math.random()}`,
      exp: now + 60,
    };
    return new SignJWT({ ...claims, ...change }).setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header }).sign(key);
  };
  const ask = (server: Authorization, client_assertion: string, more: object = {}) =>
    server.post('/oauth2/token', {
      grant_type: 'client_credentials',
      client_assertion_type: JWT_BEARER,
      client_assertion,
      ...more,
    });
  const good = await assertion();
  expect((await ask(first, good)).status).toBe(200);
  expect(await errorOf(ask(first, good))).toBe('401 invalid_client challenged');
  const endpoint = 'https://sluice.example/oauth2/token';
  expect((await ask(first, await assertion({ aud: endpoint }), { client_id: 'robot' })).status).toBe(200);
  const twice = await assertion();
  const together = await Promise.all(Array.from({ length: 8 }, () => ask(first, twice)));
  expect(together.filter(({ status }) => status === 200)).toHaveLength(1);

  const now = Math.floor(Date.now() / 1000);
  const other = await signer();
  const bad = [
    await assertion({ aud: 'https://elsewhere.example' }),
    await assertion({ exp: now - 60 }),
    await assertion({ exp: now + 3600 }),
    await assertion({ exp: undefined }),
    await assertion({ jti: undefined }),
    await assertion({ iat: now + 600 }),
    await assertion({ iss: 'ops' }),
    await assertion({ sub: 'nobody', iss: 'nobody' }),
    await assertion({}, other.privateKey),
    await assertion({}, privateKey, { kid: 'k2' }),
    'a.b.c',
  ];
  for (const one of bad) expect(await errorOf(ask(first, one))).toBe('401 invalid_client challenged');
  expect(await errorOf(ask(first, await assertion(), { client_id: 'ops' }))).toBe('401 invalid_client challenged');
  expect(await errorOf(ask(first, await assertion(), { client_secret: 'x' }))).toBe('400 invalid_request');

  await first.kill();
  const { dataDir, admin } = first;
  const second = await authorizationServer({ dataDir, args: ['--issuer', 'https://sluice.example'] }, admin);
  expect(await errorOf(ask(second, good))).toBe('401 invalid_client challenged');
  expect((await ask(second, await assertion())).status).toBe(200);
});

test('the library signs assertions that are taken', async () => {
  const server = await authorizationServer();
  const { privateKey, jwk } = await signer();
  await server.client('robot', ['observe'], { jwks: { keys: [jwk] } });
  const config = await discover(server, 'robot', openid.PrivateKeyJwt({ key: privateKey, kid: 'k1' }));
  const { access_token } = await openid.clientCredentialsGrant(config);
  expect((await server.call('GET', '/metrics', access_token)).status).toBe(200);
  expect((await openid.tokenIntrospection(config, access_token)).active).toBe(true);
  await openid.tokenRevocation(config, access_token);
  expect((await openid.tokenIntrospection(config, access_token)).active).toBe(false);
});

test('keys of a client are fetched from where it says, and again for a new one', async () => {
  const server = await authorizationServer();
  const { privateKey, jwk } = await signer();
  let served: object = { keys: [jwk] };
  const site = createServer((_, answer) => answer.end(JSON.stringify(served)));
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = site.address() as { port: number };
    await server.client('robot', ['observe'], { jwks_uri: `http://127.0.0.1:${port}/jwks` });
    const config = await discover(server, 'robot', openid.PrivateKeyJwt({ key: privateKey, kid: 'k1' }));
    expect((await openid.clientCredentialsGrant(config)).access_token).toMatch(/^eyJ/);
    served = { keys: 'x'.repeat(2 * 1024 * 1024) };
    await server.client('other', ['observe'], { jwks_uri: `http://127.0.0.1:${port}/large` });
    const large = await discover(server, 'other', openid.PrivateKeyJwt({ key: privateKey, kid: 'k1' }));
    await expect(openid.clientCredentialsGrant(large)).rejects.toThrow();
  } finally {
    site.close();
  }
});

test('what is wrong with a request is said in the words of RFC 6749', async () => {
  const server = await authorizationServer();
  const secret = await server.client('till', ['produce:orders', 'consume:a-*'], { audience: ['https://one.example'] });
  const token = (
    fields: Record<string, string> | [string, string][],
    headers: Record<string, string> = basic('till', secret),
  ) => server.post('/oauth2/token', fields, headers);
  const grant = { grant_type: 'client_credentials' };
  expect(await errorOf(token({}))).toBe('400 invalid_request');
  expect(await errorOf(token({ grant_type: 'password' }))).toBe('400 unsupported_grant_type');
  expect(await errorOf(token([...Object.entries(grant), ...Object.entries(grant)]))).toBe('400 invalid_request');
  for (const scope of [
    'produce:other',
    'admin',
    'produce:*',
    'consume:a',
    'consume:sys.a-b',
    'nonsense',
    'a"b',
    'produce:orders  call:x',
  ]) {
    expect(`${scope}: ${await errorOf(token({ ...grant, scope }))}`).toBe(`${scope}: 400 invalid_scope`);
  }
  expect(await errorOf(token({ ...grant, resource: 'https://two.example' }))).toBe('400 invalid_target');
  expect(await errorOf(token({ ...grant, client_id: 'till', client_secret: secret }))).toBe('400 invalid_request');
  const wrong = [{}, basic('till', 'x'), basic('ops', secret), basic('nobody', secret), { authorization: 'Bearer x' }];
  for (const headers of [...wrong, { authorization: 'Basic %' }, basic('till', '%E0%A4')]) {
    expect(await errorOf(token(grant, headers))).toBe('401 invalid_client challenged');
  }
  const inQuery = server.post(`/oauth2/token?client_id=till&client_secret=${secret}`, grant);
  expect(await errorOf(inQuery)).toBe('400 invalid_request');
  const asJson = fetch(`${server.url}/oauth2/token`, {
    method: 'POST',
    body: '{}',
    headers: { 'content-type': 'application/json', ...basic('till', secret) },
  });
  expect(await errorOf(asJson)).toBe('400 invalid_request');
  expect((await token({ ...grant, filler: 'x'.repeat(70_000) })).status).toBe(413);
  expect((await fetch(`${server.url}/oauth2/token`)).status).toBe(405);
  await server.call('PUT', '/v1/clients/till', server.admin, { scopes: ['produce:orders'] });
  expect(await errorOf(token(grant))).toBe('400 unauthorized_client');
});

test('a client asks about its own tokens, and about those of others only with the scope for it', async () => {
  const server = await authorizationServer();
  const [till, api, stranger] = [
    await server.client('till', ['observe']),
    await server.client('api', ['introspect']),
    await server.client('stranger', ['observe']),
  ];
  const { access_token: token = '' } = await server.json(
    server.post('/oauth2/token', { grant_type: 'client_credentials' }, basic('till', till)),
  );
  const ask = (id: string, secret: string) =>
    server.json(server.post('/oauth2/introspect', { token }, basic(id, secret)));
  expect(await ask('api', api)).toMatchObject({ active: true, client_id: 'till', scope: 'observe' });
  expect(await ask('till', till)).toMatchObject({ active: true });
  expect(await ask('stranger', stranger)).toEqual({ active: false });
  expect(await errorOf(server.post('/oauth2/introspect', { token }))).toBe('401 invalid_client challenged');
});

test('whoever fails too often waits, and nobody else does', async () => {
  const server = await authorizationServer({ args: ['--limit', 'oauthFailuresMax=3', '--gateway-threads', '1'] });
  const [till, other] = [await server.client('till', ['observe']), await server.client('other', ['observe'])];
  const ask = (id: string, secret: string) =>
    server.post('/oauth2/token', { grant_type: 'client_credentials' }, basic(id, secret));
  for (let i = 0; i < 3; i++) expect(await errorOf(ask('till', 'wrong'))).toBe('401 invalid_client challenged');
  const refused = await ask('till', till);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await errorOf(refused)).toBe('429 temporarily_unavailable');
  expect((await ask('other', other)).status).toBe(200);
  const metrics = await (await server.call('GET', '/metrics', server.admin)).text();
  expect(metrics).toMatch(/sluice_oauth_failures_total 3\b/);
});
