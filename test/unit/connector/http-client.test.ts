/** One request of the HTTP runtime: tokens, budgets, what is refused, what is tried again and what must not be. */
import { generateKeyPairSync } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Auth, HttpSystem } from '#connector';
import { processMs } from '#kernel';
import { type ApiRequest, startApi } from '#kit';
import { HttpClient } from '../../../src/connector/http/client.ts';
import { hintsOf } from '../../../src/connector/http/retry-hints.ts';

const SHARED_BYTES = 16_384;

function clientOf(
  url: string,
  more: Partial<HttpSystem> = {},
  context: ConstructorParameters<typeof HttpClient>[1] = {},
) {
  const settings = { url, timeout_ms: 5_000, answer_bytes_max: 100_000, allow_networks: [] };
  return new HttpClient({ settings, check: { path: '/' }, streams: [], ...more }, context);
}

const within = (ms: number) => ({ deadlineMs: processMs() + ms });

/** Gives tokens that are numbered; refresh tokens are good for one use. */
function issuing(lifetimeS = 3600) {
  let given = 0;
  let refresh = 'r0';
  const issued: string[] = [];
  const answer = ({ path, text, headers }: ApiRequest) => {
    if (path !== '/token') {
      const good = headers['authorization'] === `Bearer ${issued.at(-1)}`;
      return good ? { body: { ok: true } } : { status: 401, body: { message: 'no' } };
    }
    const form = new URLSearchParams(text);
    if (form.get('grant_type') === 'refresh_token') {
      if (form.get('refresh_token') !== refresh) return { status: 400, body: { error: 'invalid_grant' } };
      refresh = `r${++given}`;
    } else given++;
    issued.push(`a${given}`);
    return { body: { access_token: `a${given}`, refresh_token: refresh, expires_in: lifetimeS } };
  };
  return { answer, issued };
}

test('a refresh token of one use is used once by all connections, and the new one is kept', async () => {
  const { answer, issued } = issuing();
  const api = await startApi(answer);
  const auth: Auth = {
    kind: 'oauth2-refresh',
    tokenUrl: `${api.url}/token`,
    clientId: 'c',
    clientSecret: 's',
    refreshToken: 'r0',
    refreshTokenPath: 'auth.refresh_token',
  };
  const kept: object[] = [];
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const keep = async (replaced: object) => void kept.push(replaced);
  const clients = Array.from({ length: 4 }, () => clientOf(api.url, { auth }, { shared, keep }));
  await Promise.all(clients.map((client) => client.ask({ path: '/x' })));
  expect(issued).toEqual(['a1']);
  expect(kept).toEqual([{ 'auth.refresh_token': 'r1' }]);
  // The system takes the token back: one of them gets another, the others find it.
  issued.push('revoked');
  await Promise.all(clients.map((client) => client.ask({ path: '/x' })));
  expect(issued).toEqual(['a1', 'revoked', 'a2']);
  expect(kept.at(-1)).toEqual({ 'auth.refresh_token': 'r2' });
});

test('fetches tokens by client credentials, by a signed assertion and by a login', async () => {
  const { answer, issued } = issuing();
  const api = await startApi((request) =>
    request.path === '/login' ? { body: { session: { id: issued.at(-1) } } } : answer(request),
  );
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const tokenUrl = `${api.url}/token`;
  const jwt = { algorithm: 'RS256', key, claims: { iss: 'me', sub: 'you', aud: tokenUrl } };
  const auths: Auth[] = [
    { kind: 'oauth2-client', tokenUrl, clientId: 'c', clientSecret: 's', scope: 'read', clientAuth: 'basic' },
    { kind: 'jwt-bearer', tokenUrl, jwt },
    { kind: 'session', login: { method: 'POST', path: `${api.url}/login`, json: {} }, token: { path: 'session.id' } },
  ];
  for (const auth of auths) expect((await clientOf(api.url, { auth }).ask({ path: '/x' })).body).toEqual({ ok: true });
  const [first, , second] = api.requests;
  expect(first?.headers['authorization']).toBe(`Basic ${Buffer.from('c:s').toString('base64')}`);
  const assertion = new URLSearchParams(second?.text).get('assertion') ?? '';
  const [, claims = ''] = assertion.split('.');
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
    iss: 'me',
    sub: 'you',
    aud: tokenUrl,
  });
});

test('proves itself by basic, by a key anywhere, and by a signature over the request', async () => {
  const api = await startApi(() => ({ body: {} }));
  const ask = (auth: Auth) => clientOf(api.url, { auth }).ask({ method: 'POST', path: '/x', json: { a: 1 } });
  await ask({ kind: 'basic', user: 'u', password: 'p' });
  await ask({ kind: 'key', in: 'header', name: 'X-Key', value: 'k' });
  await ask({ kind: 'key', in: 'query', name: 'key', value: 'k' });
  await ask({ kind: 'key', in: 'body', name: 'auth.key', value: 'k' });
  await ask({ kind: 'sigv4', accessKeyId: 'A', secretAccessKey: 'S', region: 'r', service: 's' });
  const [basic, header, query, body, signed] = api.requests;
  expect(basic?.headers['authorization']).toBe('Basic dTpw');
  expect(header?.headers['x-key']).toBe('k');
  expect(query?.query.get('key')).toBe('k');
  expect(body?.json).toEqual({ a: 1, auth: { key: 'k' } });
  expect(signed?.headers['authorization']).toMatch(/^AWS4-HMAC-SHA256 Credential=A\/\d{8}\/r\/s\/aws4_request/);
});

test('holds the budget of an account over all its connections', async () => {
  const api = await startApi(() => ({ body: {} }));
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const budgets = [{ requests: 20, perMs: 3_600_000 }];
  const clients = [clientOf(api.url, { budgets }, { shared }), clientOf(api.url, { budgets }, { shared })];
  const asked = Array.from({ length: 12 }, (_, i) => clients[i % 2]?.ask({ path: '/' }, within(1_000)));
  const settled = await Promise.allSettled(asked);
  const refused = settled.filter((one) => one.status === 'rejected').map(({ reason }) => reason as object);
  // A quarter at once, the rest spread over the hour.
  expect(api.requests).toHaveLength(5);
  expect(refused).toHaveLength(7);
  expect(refused[0]).toMatchObject({ code: 'ENDPOINT_RATE_LIMITED', details: { retry_after_ms: expect.any(Number) } });
});

test('stops all connections when one is told that nothing remains', async () => {
  const reset = String(Math.ceil(Date.now() / 1000) + 600);
  const api = await startApi(() => ({
    body: {},
    headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset },
  }));
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  await clientOf(api.url, {}, { shared }).ask({ path: '/' });
  const other = clientOf(api.url, {}, { shared }).ask({ path: '/' }, within(500));
  await expect(other).rejects.toMatchObject({ code: 'ENDPOINT_RATE_LIMITED' });
  expect(api.requests).toHaveLength(1);
});

test('reads every kind of hint', () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const of = (headers: Record<string, string>) => hintsOf({ headers }, nowMs);
  expect(of({ 'retry-after': '7' }).waitMs).toBe(7_000);
  expect(of({ 'retry-after': new Date(nowMs + 9_000).toUTCString() }).waitMs).toBe(9_000);
  expect(of({ 'x-ratelimit-reset': String(nowMs / 1000 + 5) }).resetMs).toBe(5_000);
  expect(of({ 'x-ratelimit-reset': String(nowMs + 6) }).resetMs).toBe(6);
  expect(of({ 'ratelimit-reset': '3', 'ratelimit-remaining': '0' })).toMatchObject({ resetMs: 3_000, remaining: 0 });
  // The system's clock is an hour ahead of ours, and its reset is a minute away from its own now.
  const ahead = {
    date: new Date(nowMs + 3_600_000).toUTCString(),
    'retry-after': new Date(nowMs + 3_660_000).toUTCString(),
  };
  expect(of(ahead).waitMs).toBe(60_000);
  expect(of({ 'retry-after': 'soon' }).waitMs).toBeUndefined();
});

test('does not repeat what must not be repeated, and says that nobody knows', async () => {
  const api = await startApi(() => ({ cut: true }));
  const client = clientOf(api.url);
  await expect(client.ask({ method: 'POST', path: '/pay' })).rejects.toMatchObject({
    message: expect.stringContaining('not known'),
  });
  expect(api.requests).toHaveLength(1);
  await expect(client.ask({ method: 'PUT', path: '/pay' }, within(800))).rejects.toMatchObject({
    code: 'ENDPOINT_UNREACHABLE',
  });
  expect(api.requests.length).toBeGreaterThan(2);
});

test('goes to no other host, neither by redirect nor by what is beside this machine', async () => {
  const elsewhere = await startApi(() => ({ body: { stolen: true } }));
  const api = await startApi(({ path }) =>
    path === '/away'
      ? { status: 302, headers: { location: `${elsewhere.url}/x` } }
      : path === '/here'
        ? { status: 307, headers: { location: '/end' } }
        : { body: { path } },
  );
  const client = clientOf(api.url, { auth: { kind: 'bearer', token: 't' } });
  await expect(client.ask({ path: '/away' })).rejects.toMatchObject({ code: 'ENDPOINT_FAILED' });
  await expect(client.ask({ path: `${elsewhere.url}/next` })).rejects.toMatchObject({ code: 'ENDPOINT_FAILED' });
  expect((await client.ask({ path: '/here' })).body).toEqual({ path: '/end' });
  expect(elsewhere.requests).toEqual([]);
  // Results of jobs lie elsewhere, and get none of our credentials.
  await client.ask({ path: `${elsewhere.url}/file`, foreign: true });
  expect(elsewhere.requests[0]?.headers['authorization']).toBeUndefined();
  for (const url of [
    'http://169.254.169.254/latest',
    'http://[fe80::1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://0.0.0.0/',
  ]) {
    await expect(clientOf(url).ask({ path: '/' }, within(500)), url).rejects.toMatchObject({
      code: 'ENDPOINT_REFUSED',
    });
  }
});

test('keys in paths cannot lead to another path', async () => {
  const api = await startApi(() => ({ body: {} }));
  const client = clientOf(`${api.url}/v1`);
  await client.ask({ path: '/orders/{id}' }, { values: { id: '../admin?x=1#y' } });
  expect(api.requests[0]?.path).toBe('/v1/orders/..%2Fadmin%3Fx%3D1%23y');
  for (const id of ['..', '.', '', null, {}]) {
    await expect(client.ask({ path: '/orders/{id}' }, { values: { id } })).rejects.toMatchObject({
      code: 'RECORD_REJECTED',
    });
  }
  expect(api.requests).toHaveLength(1);
});

test('takes no more of an answer than it may, packed or not', async () => {
  const bomb = gzipSync(Buffer.alloc(5_000_000, 'x'));
  const api = await startApi(({ path }) =>
    path === '/bomb' ? { body: bomb, headers: { 'content-encoding': 'gzip' } } : { body: 'x'.repeat(200_000) },
  );
  const client = clientOf(api.url);
  await expect(client.ask({ path: '/long' })).rejects.toMatchObject({ code: 'ENDPOINT_FAILED' });
  await expect(client.ask({ path: '/bomb' }, within(300))).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
});

test('means by an answer what the rules of the system say', async () => {
  const api = await startApi(({ path }) => ({
    status: path === '/teapot' ? 418 : 200,
    body: { ok: false, error: path.slice(1) },
  }));
  const client = clientOf(api.url, {
    rules: [
      { status: 418, then: 'ignore' },
      { when: ({ body }) => (body as { error: string }).error === 'gone', then: 'missing' },
      { text: /"ok":false/, then: 'refused' },
    ],
  });
  expect((await client.ask({ path: '/teapot' })).verdict).toBe('ignore');
  expect((await client.ask({ path: '/gone' }, { tolerates: ['missing'] })).verdict).toBe('missing');
  await expect(client.ask({ path: '/no' })).rejects.toMatchObject({ code: 'ENDPOINT_REFUSED', message: '200: no' });
});
