/** Declared things over HTTP: versions, dry run, history, going back; groups. */
import { expect, test } from 'vitest';
import { type Fixture, problemOf, serve } from './http-fixture.ts';

const TOPIC = '/v1/topics/orders';

async function json(answer: Response) {
  return (await answer.json()) as Record<string, unknown>;
}

async function put(server: Fixture, spec: object, headers: Record<string, string> = {}) {
  return server.send('PUT', TOPIC, spec, headers);
}

test('a topic is created, changed, looked at and deleted', async () => {
  const server = await serve();
  const created = await put(server, { partitions: 3 });
  expect([created.status, created.headers.get('etag')]).toEqual([201, '"1"']);
  expect(server.log.topic('orders').partitions).toHaveLength(3);
  const changed = await put(server, { partitions: 4, retention_ms: 1_000 });
  expect([changed.status, changed.headers.get('etag')]).toEqual([200, '"2"']);
  expect(server.log.topic('orders').config).toMatchObject({ partitions: 4, retentionMs: 1_000 });
  const got = await json(await server.get(TOPIC));
  expect(got).toMatchObject({ kind: 'topic', name: 'orders', version: 2, spec: { partitions: 4 }, by: null });
  expect((await server.get(TOPIC, { 'if-none-match': '"2"' })).status).toBe(304);
  expect((await (await server.get('/v1/topics')).json()) as object[]).toHaveLength(2);
  expect((await server.send('DELETE', TOPIC)).status).toBe(204);
  expect((await problemOf(await server.get(TOPIC))).code).toBe('RESOURCE_UNKNOWN');
  expect(server.log.findTopic('orders')).toBeUndefined();
});

test('a change names the version it was made for', async () => {
  const server = await serve();
  await put(server, { partitions: 1 });
  await put(server, { partitions: 2 }, { 'if-match': '"1"' });
  const late = await put(server, { partitions: 3 }, { 'if-match': '"1"' });
  expect(await problemOf(late)).toMatchObject({ status: 412, code: 'VERSION_CONFLICT', version: 2 });
  expect((await put(server, { partitions: 3 }, { 'if-none-match': '*' })).status).toBe(412);
  expect((await put(server, { partitions: 3 }, { 'if-match': 'two' })).status).toBe(400);
  expect((await server.send('DELETE', TOPIC, undefined, { 'if-match': '1' })).status).toBe(412);
});

test('a dry run tells what would change and changes nothing', async () => {
  const server = await serve();
  await put(server, { partitions: 1 });
  const answer = await json(await server.send('PUT', `${TOPIC}?dry_run=true`, { partitions: 5 }));
  expect(answer).toEqual({ changes: [{ path: 'partitions', from: 1, to: 5 }] });
  expect(server.log.topic('orders').partitions).toHaveLength(1);
});

test('every version is kept, and an earlier one can be made the newest', async () => {
  const server = await serve();
  await put(server, { description: 'first' });
  await put(server, { description: 'second' });
  const back = await server.send('POST', `${TOPIC}/rollback`, { version: 1 });
  expect(await json(back)).toMatchObject({ version: 3, spec: { description: 'first' } });
  const history = (await (await server.get(`${TOPIC}/history`)).json()) as Record<string, unknown>[];
  expect(history.map(({ version, action }) => [version, action])).toEqual([
    [1, 'created'],
    [2, 'changed'],
    [3, 'changed'],
  ]);
  expect((await server.send('POST', `${TOPIC}/rollback`, { version: 9 })).status).toBe(404);
});

test.each([
  ['/v1/topics/orders', { partitions: 0 }, 'RESOURCE_INVALID'],
  ['/v1/topics/orders', { partition: 1 }, 'RESOURCE_INVALID'],
  ['/v1/topics/orders', [], 'RESOURCE_INVALID'],
  ['/v1/topics/orders', '{', 'REQUEST_MALFORMED'],
  ['/v1/topics/sys.mine', {}, 'TOPIC_INVALID'],
  ['/v1/topics/a%2Fb', {}, 'RESOURCE_INVALID'],
  ['/v1/clients/c', { scopes: ['everything'] }, 'RESOURCE_INVALID'],
  ['/v1/clients/c', { scopes: ['produce:t'] }, 'RESOURCE_INVALID'],
  ['/v1/things/x', {}, 'ROUTE_UNKNOWN'],
])('PUT %s %j is refused with %s', async (path, spec, code) => {
  const server = await serve();
  expect((await problemOf(await server.send('PUT', path, spec))).code).toBe(code);
});

test('a group is reset to a word, a time or offsets, and forgotten', async () => {
  const server = await serve();
  for (let i = 0; i < 4; i++) await server.produce([{ value: i, timestamp: 1_000 + i, partition: 0 }]);
  const reset = (to: unknown) => server.send('PUT', '/v1/groups/g/offsets', { topic: 't', to });
  expect(await json(await reset('earliest'))).toEqual({ topic: 't', offsets: { 0: 0, 1: 0 } });
  expect(await json(await reset('@1002'))).toEqual({ topic: 't', offsets: { 0: 2, 1: 0 } });
  expect(await json(await reset({ 0: 3 }))).toEqual({ topic: 't', offsets: { 0: 3 } });
  expect(await (await server.get('/v1/groups')).json()).toEqual(['g']);
  expect(await json(await server.get('/v1/groups/g'))).toEqual({
    group: 'g',
    mode: 'stream',
    members: [],
    queues: [],
    partitions: [
      { topic: 't', partition: 0, committed: 3, durable: 4, lag: 1, member: null },
      { topic: 't', partition: 1, committed: 0, durable: 0, lag: 0, member: null },
    ],
  });
  expect((await problemOf(await reset({ 0: 5 }))).code).toBe('OFFSET_OUT_OF_RANGE');
  expect((await problemOf(await reset({ 7: 0 }))).code).toBe('PARTITION_UNKNOWN');
  expect((await problemOf(await reset('5'))).code).toBe('REQUEST_INVALID');
  expect((await problemOf(await reset(['latest']))).code).toBe('REQUEST_INVALID');
  expect((await server.send('DELETE', '/v1/groups/g')).status).toBe(204);
  expect((await problemOf(await server.get('/v1/groups/g'))).code).toBe('GROUP_UNKNOWN');
});
