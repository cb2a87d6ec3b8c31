/** Bearer tokens at the gateway: of a real provider, and of this server; each thing that is wrong has a code of its own. */
import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { waitFor } from '#kit';
import { type Gateway, LOOPBACK, sharedGateway, startGateway, startUpstream } from './gateway-fixture.ts';
import { problemOf } from './http-fixture.ts';
import { API, RESOURCE, startProvider } from './oidc-fixture.ts';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function behind(route: object, gateway?: Gateway) {
  gateway ??= await sharedGateway();
  const { port } = await startUpstream((request, answer) => void answer.end(JSON.stringify(request.headers)));
  await gateway.serve([port], {}, route);
  return gateway;
}

/** Code and challenge of a refusal. */
async function refusal(gateway: Gateway, token: string | undefined, path = '/x') {
  const answer = await gateway.get(path, token === undefined ? {} : bearer(token));
  const challenge = answer.headers.get('www-authenticate');
  return [(await problemOf(answer)).code, challenge];
}

const INVALID = 'Bearer realm="api", error="invalid_token"';

test('a provider may exchange its keys, and every fault of a token is told by its code', async () => {
  const provider = await startProvider({ lifetimeS: 6 });
  const issuer = {
    issuer: provider.issuer,
    audiences: [RESOURCE],
    algorithms: ['ES256'],
    jwks_url: `${provider.issuer}/jwks`,
    leeway_s: 0,
  };
  const gateway = await behind({ jwt: { issuers: [issuer], cooldown_s: 1, networks: LOOPBACK, scopes: ['read'] } });
  const token = (more: Record<string, string> = {}) => provider.token({ resource: RESOURCE, scope: 'read', ...more });
  const first = await token();
  const answer = await gateway.get('/x', bearer(first));
  expect([answer.status, ((await answer.json()) as Record<string, string>)['authorization']]).toEqual([
    200,
    `Bearer ${first}`,
  ]);

  expect(await refusal(gateway, undefined)).toEqual(['TOKEN_MISSING', 'Bearer realm="api"']);
  expect(await refusal(gateway, 'opaque')).toEqual(['TOKEN_MALFORMED', INVALID]);
  expect(await refusal(gateway, await token({ resource: 'https://else.example' }))).toEqual([
    'TOKEN_AUDIENCE_REFUSED',
    INVALID,
  ]);
  expect(await refusal(gateway, await token({ scope: 'write' }))).toEqual([
    'FORBIDDEN',
    'Bearer realm="api", error="insufficient_scope"',
  ]);
  const [head = '', body = '', tail = ''] = first.split('.');
  const flipped = `${tail[0] === 'A' ? 'B' : 'A'}${tail.slice(1)}`;
  expect(await refusal(gateway, `${head}.${body}.${flipped}`)).toEqual(['TOKEN_SIGNATURE_WRONG', INVALID]);
  const stranger = await new SignJWT({ iss: provider.issuer, aud: RESOURCE })
    .setProtectedHeader({ alg: 'HS256', kid: 'first', typ: 'at+jwt' })
    .setExpirationTime('1m')
    .sign(new Uint8Array(32));
  expect(await refusal(gateway, stranger)).toEqual(['TOKEN_ALGORITHM_DENIED', INVALID]);
  const twice = await gateway.get('/x', { authorization: `Bearer ${first}, Bearer ${first}` });
  expect((await problemOf(twice)).code).toBe('TOKEN_MISSING');
  await waitFor(async () => (await refusal(gateway, first).catch(() => []))[0] === 'TOKEN_EXPIRED', {
    what: 'the token to expire',
  });

  await provider.rotate('second');
  await waitFor(async () => (await gateway.get('/x', bearer(await token()))).status === 200, {
    what: 'the new key to be fetched',
  });
  await provider.rotate('third');
  const third = await token();
  provider.stop();
  await waitFor(async () => (await refusal(gateway, third))[0] === 'TOKEN_KEYS_UNAVAILABLE', {
    what: 'the provider to be missed',
  });
});

test('a token that only its provider can read is asked about, and ends when it is revoked there', async () => {
  const provider = await startProvider();
  const gateway = await behind({
    introspection: {
      url: `${provider.issuer}/token/introspection`,
      client_id: API.id,
      client_secret: API.secret,
      keep_s: 0,
      keep_refused_s: 0,
      networks: LOOPBACK,
    },
  });
  const token = await provider.token();
  expect(token).not.toContain('.');
  expect((await gateway.get('/x', bearer(token))).status).toBe(200);
  expect(await refusal(gateway, 'made-up')).toEqual(['TOKEN_INACTIVE', INVALID]);
  expect((await provider.revoke(token)).status).toBe(200);
  expect(await refusal(gateway, token)).toEqual(['TOKEN_INACTIVE', INVALID]);
  provider.stop();
  expect(await refusal(gateway, await Promise.resolve('another'))).toEqual(['INTROSPECTION_FAILED', null]);
});

test('an authorization server at an address that is not named is not asked', async () => {
  const provider = await startProvider();
  const issuer = {
    issuer: provider.issuer,
    audiences: [RESOURCE],
    algorithms: ['ES256'],
    jwks_url: `${provider.issuer}/jwks`,
  };
  const gateway = await behind({ jwt: { issuers: [issuer] } });
  expect(await refusal(gateway, await provider.token({ resource: RESOURCE }))).toEqual([
    'TOKEN_KEYS_UNAVAILABLE',
    null,
  ]);
  expect(provider.requests).not.toContain('GET /jwks');
});

test('tokens of this server open its routes, and end on every thread when they are revoked', async () => {
  const gateway = await behind({ auth: 'key' }, await startGateway());
  await gateway.put('route', 'own', { path: '/own', upstream: 'main', jwt: { self: {}, scopes: ['call:own'] } });
  await gateway.put('route', 'far', {
    path: '/far',
    upstream: 'main',
    jwt: { self: { audiences: ['https://far.example'] } },
  });
  const { url } = gateway.server;
  const call = async (method: string, path: string, body: object, admin?: string) => {
    const headers = { 'content-type': 'application/json', ...(admin === undefined ? {} : bearer(admin)) };
    return (await (await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) })).json()) as Record<
      string,
      string
    >;
  };
  const { key: admin = '' } = await call('PUT', '/v1/clients/ops', { scopes: ['admin'] });
  const audience = [url, 'https://far.example'];
  await call('PUT', '/v1/plans/wide', { quotas: [{ requests: 1_000, period: 'month' }] }, admin);
  const app = { scopes: ['call:all', 'call:own', 'observe'], plan: 'wide', oauth: { audience } };
  await call('PUT', '/v1/clients/app', app, admin);
  const { client_secret = '' } = await call('POST', '/v1/clients/app/secrets', {}, admin);
  const post = (path: string, fields: Record<string, string>) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`app:${client_secret}`)}` },
      body: new URLSearchParams(fields),
    });
  const grant = async (more: Record<string, string> = {}) => {
    const answer = await post('/oauth2/token', { grant_type: 'client_credentials', resource: url, ...more });
    return ((await answer.json()) as { access_token: string }).access_token;
  };
  const token = await grant();
  for (const path of ['/x', '/own']) {
    // The client was declared a moment ago, and the threads are told after the answer.
    const seen = await waitFor(
      async () => {
        const answer = await gateway.get(path, bearer(token));
        return answer.status === 200 ? ((await answer.json()) as Record<string, string>) : undefined;
      },
      { what: `the token to open ${path}` },
    );
    expect([seen['x-sluice-client'], seen['authorization']]).toEqual(['app', undefined]);
  }
  const counted = async () => (await gateway.get('/own', bearer(token))).headers.get('ratelimit-policy') ?? '';
  await waitFor(async () => (await counted()).startsWith('"month";q=1000;'), { what: 'the plan to hold for tokens' });
  expect(await refusal(gateway, token, '/far')).toEqual(['TOKEN_AUDIENCE_REFUSED', INVALID]);
  const far = await grant({ resource: 'https://far.example' });
  expect(await refusal(gateway, far, '/far')).toEqual(['FORBIDDEN', 'Bearer realm="api", error="insufficient_scope"']);
  expect((await refusal(gateway, await grant({ scope: 'observe' }), '/own'))[0]).toBe('FORBIDDEN');
  expect(await refusal(gateway, far, '/x')).toEqual([
    'TOKEN_AUDIENCE_REFUSED',
    'Bearer realm="sluice", error="invalid_token"',
  ]);

  expect((await post('/oauth2/revoke', { token })).status).toBe(200);
  const isRefusedEverywhere = async () => {
    // New connections, so that both threads are met.
    const answers = await Promise.all(
      Array.from({ length: 24 }, () => gateway.get('/own', { ...bearer(token), connection: 'close' })),
    );
    const codes = await Promise.all(answers.map(async (one) => ((await one.json()) as { code?: string }).code));
    return codes.every((code) => code === 'TOKEN_REVOKED');
  };
  await waitFor(isRefusedEverywhere, { what: 'the revocation to be known' });

  const second = await grant();
  await waitFor(async () => (await gateway.get('/own', bearer(second))).status === 200, { what: 'a second token' });
  await call('POST', '/v1/oauth/rotate?forget=true', {}, admin);
  await waitFor(async () => (await refusal(gateway, second, '/own').catch(() => []))[0] === 'TOKEN_KEY_UNKNOWN', {
    what: 'the key to be forgotten',
  });
  const third = await grant();
  await waitFor(async () => (await gateway.get('/own', bearer(third))).status === 200, { what: 'the new key' });
  await call('PUT', '/v1/clients/app', { scopes: ['observe'], oauth: { audience } }, admin);
  await waitFor(async () => (await refusal(gateway, third, '/own').catch(() => []))[0] === 'FORBIDDEN', {
    what: 'the scope to go',
  });
});

test('rules say who may do what to whose things, and what no rule allows is refused', async () => {
  const gateway = await behind({ auth: 'key' }, await startGateway());
  const rules = [{ methods: ['GET'], claims: [{ claim: 'sub', equals_param: 'owner' }] }, { scopes: ['observe'] }];
  await gateway.put('route', 'things', {
    path: '/people/{owner}/things',
    upstream: 'main',
    auth: 'key',
    authorize: { rules },
  });
  await gateway.put('route', 'shut', { path: '/shut', upstream: 'main', auth: 'key', authorize: { rules: [] } });
  await gateway
    .put('route', 'open', { path: '/open', upstream: 'main', authorize: { rules } as object })
    .catch((error: Error) => {
      expect(error.message).toContain('the path has no parameter owner');
    });
  const { url } = gateway.server;
  const json = { 'content-type': 'application/json' };
  const client = async (name: string, scopes: string[], admin: Record<string, string> = {}) => {
    const body = JSON.stringify({ scopes });
    const answer = await fetch(`${url}/v1/clients/${name}`, { method: 'PUT', headers: { ...json, ...admin }, body });
    return { 'x-api-key': ((await answer.json()) as { key: string }).key };
  };
  const admin = await client('ops', ['admin']);
  const ann = await client('ann', ['call:*'], admin);
  const eve = await client('eve', ['call:*'], admin);
  const eye = await client('eye', ['call:*', 'observe'], admin);
  const status = async (path: string, key: Record<string, string>, method = 'GET') =>
    (await fetch(`${gateway.url}${path}`, { method, headers: key })).status;
  await waitFor(async () => (await status('/people/ann/things', eye)) === 200, { what: 'the keys to be known' });
  expect(await status('/people/ann/things', ann)).toBe(200);
  expect(await status('/people/%61nn/things', ann)).toBe(200);
  for (const path of ['/people/ann/things', '/people/eve%00/things', '/people/ev/things', '/people/EVE/things']) {
    expect([403, 400]).toContain(await status(path, eve));
  }
  expect(await status('/people/ann/things', ann, 'DELETE')).toBe(403);
  expect(await status('/people/ann/things', eye, 'DELETE')).toBe(200);
  expect(await problemOf(await gateway.get('/shut', ann))).toMatchObject({ status: 403, code: 'ACCESS_DENIED' });
});
