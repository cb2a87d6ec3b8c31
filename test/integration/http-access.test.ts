/** Who may do what: keys, scopes, expiry, rotation, and that nobody is locked out. */
import { expect, test } from 'vitest';
import { ManualClock, resolveLimits } from '#kernel';
import { MemoryLog } from '#log';
import { openResources } from '#resource';
import { type Fixture, problemOf, serve } from './http-fixture.ts';

async function client(server: Fixture, name: string, scopes: readonly string[], admin?: string) {
  const answer = await server.send('PUT', `/v1/clients/${name}`, { scopes }, admin === undefined ? {} : bearer(admin));
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { key: string }).key;
}

function bearer(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

test('without a client everything is open; from the first one on a key is needed', async () => {
  const server = await serve();
  expect((await server.get('/v1/topics')).status).toBe(200);
  const key = await client(server, 'root', ['admin']);
  for (const path of ['/v1/topics', '/metrics', '/openapi.json', '/v1/groups']) {
    const refused = await server.get(path);
    expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(await problemOf(refused)).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    expect((await server.get(path, bearer(key))).status).toBe(200);
    expect((await server.get(path, { 'x-api-key': key })).status).toBe(200);
  }
  for (const path of ['/healthz', '/readyz']) expect((await server.get(path)).status).toBe(200);
});

test.each(['Basic cm9vdDpyb290', 'Bearer', 'Bearer nonsense', `Bearer slk_000000000000_${'A'.repeat(43)}`])(
  '%s is not a key',
  async (authorization) => {
    const server = await serve();
    await client(server, 'root', ['admin']);
    expect((await problemOf(await server.get('/v1/topics', { authorization }))).status).toBe(401);
  },
);

test('a scope opens its topics and nothing else', async () => {
  const server = await serve();
  const root = await client(server, 'root', ['admin']);
  for (const topic of ['orders-eu', 'orders-us', 'flights']) {
    await server.send('PUT', `/v1/topics/${topic}`, {}, bearer(root));
  }
  const key = await client(server, 'app', ['produce:flights', 'consume:orders-*'], root);
  const produce = async (topic: string) =>
    (await server.send('POST', `/v1/topics/${topic}/records`, { records: [{ value: 1 }] }, bearer(key))).status;
  const read = async (topic: string, rest: string) =>
    (await server.get(`/v1/topics/${topic}${rest}`, bearer(key))).status;
  expect(await Promise.all(['flights', 'orders-eu', 't'].map(produce))).toEqual([200, 403, 403]);
  for (const rest of ['/partitions/0/records', '/partitions', '']) {
    expect(await Promise.all(['orders-eu', 'orders-us', 't'].map((topic) => read(topic, rest)))).toEqual([
      200, 200, 403,
    ]);
  }
  expect(await read('flights', '/partitions/0/records')).toBe(403);
  expect(await read('flights', '/partitions')).toBe(200);
  expect(await read('sys.audit', '/partitions/0/records')).toBe(403);
  const refused = await problemOf(await server.send('DELETE', '/v1/topics/flights', undefined, bearer(key)));
  expect(refused).toMatchObject({ status: 403, code: 'FORBIDDEN', scope: 'admin' });
  expect((await server.get('/metrics', bearer(key))).status).toBe(403);
});

test('a consumer of every topic does not see those of the system', async () => {
  const server = await serve();
  const root = await client(server, 'root', ['admin']);
  const key = await client(server, 'all', ['consume:*'], root);
  expect((await server.get('/v1/topics/t/partitions/0/records', bearer(key))).status).toBe(200);
  expect((await server.get('/v1/topics/sys.resources/partitions/0/records', bearer(key))).status).toBe(403);
});

test('an observer looks and does not touch', async () => {
  const server = await serve();
  const root = await client(server, 'root', ['admin']);
  const key = await client(server, 'eye', ['observe'], root);
  for (const path of ['/metrics', '/v1/topics', '/v1/topics/t/partitions', '/v1/groups']) {
    expect((await server.get(path, bearer(key))).status).toBe(200);
  }
  expect((await server.get('/v1/clients', bearer(key))).status).toBe(403);
  expect((await server.get('/v1/topics/t/partitions/0/records', bearer(key))).status).toBe(403);
});

test('a key is replaced without a pause: two live at a time, no more', async () => {
  const server = await serve();
  const first = await client(server, 'root', ['admin']);
  const issue = () => server.send('POST', '/v1/clients/root/keys', undefined, bearer(first));
  const { key: second, id } = (await (await issue()).json()) as { key: string; id: string };
  expect((await problemOf(await issue())).code).toBe('LIMIT_EXCEEDED');
  const listed = (await (await server.get('/v1/clients/root/keys', bearer(second))).json()) as { id: string }[];
  expect(listed).toHaveLength(2);
  expect(JSON.stringify(listed)).not.toContain(second.slice(-43));
  const old = listed.find((entry) => entry.id !== id) as { id: string };
  expect((await server.send('DELETE', `/v1/clients/root/keys/${old.id}`, undefined, bearer(second))).status).toBe(204);
  expect((await server.get('/v1/topics', bearer(first))).status).toBe(401);
  expect((await server.get('/v1/topics', bearer(second))).status).toBe(200);
});

test('a key ends at its time', async () => {
  const clock = new ManualClock(1_000_000);
  const log = new MemoryLog({ limits: resolveLimits(), clock });
  const { resources, keys } = await openResources(log, clock);
  await resources.put('client', 'root', { scopes: ['admin'] }, { by: null });
  const server = await serve({ log, resources, keys });
  const { key } = await keys.issue('root', 1_005_000);
  expect((await server.get('/v1/topics', bearer(key))).status).toBe(200);
  clock.advance(5_001);
  expect((await server.get('/v1/topics', bearer(key))).status).toBe(401);
});

test('the last administrator cannot be taken away', async () => {
  const server = await serve();
  const root = await client(server, 'root', ['admin']);
  await client(server, 'app', ['produce:t'], root);
  const lose = [
    await server.send('DELETE', '/v1/clients/root', undefined, bearer(root)),
    await server.send('PUT', '/v1/clients/root', { scopes: ['observe'] }, bearer(root)),
    await server.send('PUT', '/v1/clients/root', { scopes: ['admin'], disabled: true }, bearer(root)),
  ];
  for (const answer of lose) expect((await problemOf(answer)).code).toBe('RESOURCE_INVALID');
  expect((await server.get('/v1/clients', bearer(root))).status).toBe(200);
});

test('who changed something is kept with it', async () => {
  const server = await serve();
  const root = await client(server, 'root', ['admin']);
  const answer = await server.send('PUT', '/v1/topics/mine', {}, bearer(root));
  expect(await answer.json()).toMatchObject({ by: 'root' });
});
