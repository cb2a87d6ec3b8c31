/** Who may do what with streams: scopes of keys, and pages of other origins. */
import { expect, test } from 'vitest';
import { type Fixture, problemOf, serve } from './http-fixture.ts';

const PAGE = 'https://app.example';

async function client(server: Fixture, name: string, scopes: readonly string[], admin?: string): Promise<string> {
  const headers = admin === undefined ? {} : { authorization: `Bearer ${admin}` };
  const answer = await server.send('PUT', `/v1/clients/${name}`, { scopes }, headers as Record<string, string>);
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { key: string }).key;
}

function caller(server: Fixture, key: string) {
  return async (method: string, path: string, headers: Record<string, string> = {}) => {
    const body = method === 'POST' || method === 'PUT' ? 'x' : undefined;
    const all = { authorization: `Bearer ${key}`, 'content-type': 'text/plain', ...headers };
    const answer = await fetch(`${server.url}/v1/stream/${path}`, { method, headers: all, ...(body && { body }) });
    return answer.status;
  };
}

test('a scope opens the streams it matches, and topics open none', async () => {
  const server = await serve();
  const root = await client(server, 'root', ['admin']);
  const admin = caller(server, root);
  for (const path of ['chat/1', 'chat/2', 'jobs/1']) expect(await admin('PUT', path)).toBe(201);
  const scopes = ['produce:stream/jobs/*', 'consume:stream/chat/*', 'produce:*', 'consume:s*'];
  const app = caller(server, await client(server, 'app', scopes, root));
  expect(await Promise.all(['GET', 'HEAD', 'POST', 'PUT', 'DELETE'].map((method) => app(method, 'chat/1')))).toEqual([
    200, 200, 403, 403, 403,
  ]);
  expect(await app('GET', 'jobs/1')).toBe(403);
  expect(await app('HEAD', 'jobs/1')).toBe(200);
  expect(await app('POST', 'jobs/1')).toBe(204);
  expect(await app('PUT', 'jobs/2')).toBe(201);
  expect(await app('DELETE', 'jobs/2')).toBe(204);
  expect(await app('GET', 'other')).toBe(403);
  const none = caller(server, await client(server, 'none', ['produce:t', 'consume:*'], root));
  expect(await none('GET', 'chat/1')).toBe(403);
});

test('a fork needs to be allowed to read its source', async () => {
  const server = await serve();
  const root = await client(server, 'root', ['admin']);
  expect(await caller(server, root)('PUT', 'secret')).toBe(201);
  const app = caller(server, await client(server, 'app', ['produce:stream/*', 'consume:stream/own/*'], root));
  const from = (source: string) => ({ 'stream-forked-from': source });
  expect(await app('PUT', 'fork', from('/v1/stream/secret'))).toBe(403);
  expect(await app('PUT', 'fork', from('secret'))).toBe(403);
  expect(await app('PUT', 'fork', from('/v1/stream/absent'))).toBe(403);
  expect(await app('PUT', 'own/a')).toBe(201);
  expect(await app('PUT', 'fork', from('/v1/stream/own/a'))).toBe(201);
});

test('without a key, or with a wrong one, a stream is closed to everybody', async () => {
  const server = await serve();
  await client(server, 'root', ['admin']);
  expect(await problemOf(await server.get('/v1/stream/s'))).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
  expect(await caller(server, 'wrong')('PUT', 's')).toBe(401);
});

test('topics that hold streams are not written past them', async () => {
  const server = await serve();
  expect((await server.send('PUT', '/v1/stream/s', 'x', { 'content-type': 'text/plain' })).status).toBe(201);
  const answer = await server.send('POST', '/v1/topics/sys.streams.0/records', { records: [{ value: 1 }] });
  expect((await problemOf(answer)).status).toBe(403);
});

test('pages of other origins may use a server without keys only where it is told so', async () => {
  const server = await serve();
  const write = (headers: Record<string, string>) =>
    server.send('PUT', '/v1/stream/s', undefined, { 'content-type': 'text/plain', ...headers });
  expect((await write({})).status).toBe(201);
  const refused = await write({ origin: PAGE });
  expect((await problemOf(refused)).code).toBe('FORBIDDEN');
  expect(refused.headers.get('access-control-allow-origin')).toBeNull();
  expect((await write({ origin: server.url })).status).toBe(200);
  const open = await serve({ allowedOrigins: [PAGE] });
  const preflight = await open.send('OPTIONS', '/v1/stream/s', undefined, { origin: PAGE });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-origin')).toBe(PAGE);
  expect(preflight.headers.get('access-control-allow-headers')).toContain('If-None-Match');
  const made = await open.send('PUT', '/v1/stream/s', undefined, { origin: PAGE });
  expect([made.status, made.headers.get('access-control-allow-origin')]).toEqual([201, PAGE]);
  const other = await open.send('OPTIONS', '/v1/stream/s', undefined, { origin: 'https://other.example' });
  expect(other.headers.get('access-control-allow-origin')).toBeNull();
});

test('once keys are required any page may ask, and reads why it is refused', async () => {
  const server = await serve();
  const root = await client(server, 'root', ['admin']);
  const asked = await server.get('/v1/stream/s', { origin: PAGE });
  expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([401, PAGE]);
  expect(await caller(server, root)('PUT', 's', { origin: PAGE })).toBe(201);
});
