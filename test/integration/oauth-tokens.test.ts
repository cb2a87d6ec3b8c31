/** What ends an access token, who takes it, and where keys and secrets are kept: the built server as a process. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK } from 'jose';
import { expect, test } from 'vitest';
import WebSocket from 'ws';
import { authorizationServer, basic, codeOf, errorOf, signer } from './oauth-fixture.ts';

test('tokens are for the audience their client may ask for, and this server takes its own only', async () => {
  const server = await authorizationServer();
  const audience = [server.url, 'https://one.example'];
  const secret = await server.client('till', ['observe'], { audience });
  const token = async (resource?: string) => {
    const fields = { grant_type: 'client_credentials', ...(resource === undefined ? {} : { resource }) };
    return (await server.json(server.post('/oauth2/token', fields, basic('till', secret))))['access_token'] as string;
  };
  expect((await server.call('GET', '/metrics', await token())).status).toBe(200);
  expect((await server.call('GET', '/metrics', await token(server.url))).status).toBe(200);
  const elsewhere = await token('https://one.example');
  expect(await codeOf(server.call('GET', '/metrics', elsewhere))).toBe('TOKEN_AUDIENCE_REFUSED');
});

test('a token that was revoked, or whose client changed, is refused at once and after a kill', async () => {
  const args = ['--issuer', 'https://sluice.example', '--gateway-threads', '1'];
  const server = await authorizationServer({ args });
  const till = basic('till', await server.client('till', ['observe', 'produce:a']));
  const other = basic('other', await server.client('other', ['observe']));
  const grant = async () => {
    const answer = server.post('/oauth2/token', { grant_type: 'client_credentials' }, till);
    return (await server.json(answer))['access_token'] as string;
  };
  const [one, two, three] = [await grant(), await grant(), await grant()];
  expect(await errorOf(server.post('/oauth2/revoke', { token: one }, other))).toBe('400 unauthorized_client');
  for (const token of [one, 'not a token']) {
    expect((await server.post('/oauth2/revoke', { token, token_type_hint: 'access_token' }, till)).status).toBe(200);
  }
  expect(await codeOf(server.call('GET', '/metrics', one))).toBe('TOKEN_REVOKED');
  expect(await server.json(server.post('/oauth2/introspect', { token: one }, till))).toEqual({ active: false });
  expect((await server.call('GET', '/metrics', two)).status).toBe(200);
  await server.call('PUT', '/v1/clients/till', server.admin, { scopes: ['produce:a'], oauth: {} });
  expect(await codeOf(server.call('GET', '/metrics', two))).toBe('FORBIDDEN');
  await server.call('PUT', '/v1/clients/till', server.admin, { scopes: ['observe'], oauth: {}, disabled: true });
  expect(await codeOf(server.call('GET', '/metrics', two))).toBe('TOKEN_REVOKED');
  await server.call('PUT', '/v1/clients/till', server.admin, { scopes: ['observe'], oauth: {} });
  expect((await server.call('GET', '/metrics', two)).status).toBe(200);

  await server.kill();
  const again = await authorizationServer({ dataDir: server.dataDir, args }, server.admin);
  expect(await codeOf(again.call('GET', '/metrics', one))).toBe('TOKEN_REVOKED');
  expect((await again.call('GET', '/metrics', three)).status).toBe(200);
  expect((await again.call('DELETE', '/v1/clients/till', again.admin)).status).toBe(204);
  expect(await codeOf(again.call('GET', '/metrics', three))).toBe('TOKEN_REVOKED');
});

test('tokens that this server did not sign say what is wrong and nothing else', async () => {
  const server = await authorizationServer();
  const secret = await server.client('till', ['observe'], { token_lifetime_s: 1 });
  const grant = { grant_type: 'client_credentials' };
  const { access_token: real = '' } = await server.json(server.post('/oauth2/token', grant, basic('till', secret)));
  const [head = '', body = '', signature = ''] = real.split('.');
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as object;
  const forged = encode({ ...JSON.parse(Buffer.from(body, 'base64url').toString()), scope: 'admin' });
  const cases: [string, string][] = [
    ['TOKEN_MALFORMED', 'a.b.c'],
    ['TOKEN_MALFORMED', `${encode({ alg: 'none' })}.${body}.`],
    ['TOKEN_SIGNATURE_WRONG', `${head}.${forged}.${signature}`],
    ['TOKEN_SIGNATURE_WRONG', `${head}.${body}.${signature.slice(0, -1)}${signature.endsWith('A') ? 'B' : 'A'}`],
    ['TOKEN_ALGORITHM_DENIED', `${encode({ ...header, alg: 'HS256' })}.${body}.${signature}`],
    ['TOKEN_KEY_UNKNOWN', `${encode({ ...header, kid: 'x' })}.${body}.${signature}`],
    ['TOKEN_ISSUER_UNKNOWN', `${head}.${encode({ iss: 'https://other.example' })}.${signature}`],
  ];
  for (const [code, token] of cases) {
    const answer = await server.call('GET', '/metrics', token);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="sluice", error="invalid_token"');
    expect(await answer.json()).toMatchObject({ status: 401, code });
  }
  await expect.poll(() => codeOf(server.call('GET', '/metrics', real)), { timeout: 20_000 }).toBe('TOKEN_EXPIRED');
});

test('two secrets live while one takes the place of the other, and neither is kept as it is', async () => {
  const server = await authorizationServer();
  const first = await server.client('till', ['observe']);
  const path = '/v1/clients/till/secrets';
  const second = (await server.json(server.call('POST', path, server.admin)))['client_secret'] as string;
  expect(await codeOf(server.call('POST', path, server.admin))).toBe('LIMIT_EXCEEDED');
  const ask = async (secret: string) =>
    (await server.post('/oauth2/token', { grant_type: 'client_credentials' }, basic('till', secret))).status;
  expect([await ask(first), await ask(second)]).toEqual([200, 200]);
  const id = first.split('_')[1] as string;
  expect((await server.call('DELETE', `${path}/${id}`, server.admin)).status).toBe(204);
  expect([await ask(first), await ask(second)]).toEqual([401, 200]);
  const listed = await (await server.call('GET', path, server.admin)).text();
  expect(listed).not.toContain(second.slice(17));
  expect(await codeOf(server.call('GET', '/v1/topics', second))).toBe('UNAUTHENTICATED');
  const plain = (await server.json(server.call('PUT', '/v1/clients/plain', server.admin, { scopes: ['observe'] })))[
    'key'
  ];
  expect(plain).toMatch(/^slk_/);
  expect(await codeOf(server.call('POST', '/v1/clients/plain/secrets', server.admin))).toBe('RESOURCE_INVALID');
  const { privateKey } = await signer();
  const leaked = { scopes: ['observe'], oauth: { jwks: { keys: [await exportJWK(privateKey)] } } };
  expect(await codeOf(server.call('PUT', '/v1/clients/leaky', server.admin, leaked))).toBe('RESOURCE_INVALID');
});

test('the signing key is in a file of its owner alone, which no topic tells, and can be replaced', async () => {
  const server = await authorizationServer();
  const secret = await server.client('till', ['observe']);
  const grant = { grant_type: 'client_credentials' };
  const token = async () =>
    (await server.json(server.post('/oauth2/token', grant, basic('till', secret))))['access_token'] as string;
  const before = await token();
  const file = join(server.dataDir, 'oauth-keys.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { d } = (JSON.parse(readFileSync(file, 'utf8')) as { keys: { jwk: { d: string } }[] }).keys[0]?.jwk ?? {
    d: '',
  };
  expect(d).toHaveLength(43);
  for (const topic of ['sys.resources', 'sys.audit', 'sys.oauth.revoked', 'sys.oauth.assertions']) {
    const page = await server.call('GET', `/v1/topics/${topic}/partitions/0/records?offset=earliest`, server.admin);
    expect(page.status).toBe(200);
    expect(await page.text()).not.toContain(d);
  }
  expect(await (await fetch(`${server.url}/oauth2/jwks`)).text()).not.toContain(d);
  expect((await server.call('POST', '/v1/oauth/rotate', before)).status).toBe(403);
  expect((await server.call('POST', '/v1/oauth/rotate', server.admin)).status).toBe(200);
  expect((await server.call('GET', '/metrics', before)).status).toBe(200);
  const { kid } = await server.json(server.call('POST', '/v1/oauth/rotate?forget=true', server.admin));
  expect(await codeOf(server.call('GET', '/metrics', before))).toBe('TOKEN_KEY_UNKNOWN');
  expect((await server.call('GET', '/metrics', await token())).status).toBe(200);
  const set = (await (await fetch(`${server.url}/oauth2/jwks`)).json()) as { keys: { kid: string }[] };
  expect(set.keys.map((key) => key.kid)).toEqual([kid]);
});

test('a WebSocket opened with a token ends with it', async () => {
  const server = await authorizationServer();
  const secret = await server.client('till', ['observe'], { token_lifetime_s: 5 });
  const grant = { grant_type: 'client_credentials' };
  const { access_token } = await server.json(server.post('/oauth2/token', grant, basic('till', secret)));
  const socket = new WebSocket(server.wsUrl, ['sluice.v1.json'], {
    headers: { authorization: `Bearer ${access_token}` },
  });
  const code = await new Promise((resolve, reject) => {
    socket.on('close', resolve);
    socket.on('error', reject);
  });
  expect(code).toBe(4401);
});
