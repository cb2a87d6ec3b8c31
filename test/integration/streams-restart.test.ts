/** What streams are after the server was killed: everything that was answered is there, and nothing twice. */
import { expect, test } from 'vitest';
import { type Server, startServer, tempDir, waitFor } from '#kit';

const TEXT = { 'content-type': 'text/plain' };
const JSON_TYPE = { 'content-type': 'application/json' };

function streamsOf(server: Server) {
  const send = (method: string, path: string, headers: Record<string, string> = {}, body?: string | Uint8Array) =>
    fetch(`${server.url}/v1/stream/${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  return {
    send,
    put: (path: string, headers: Record<string, string> = {}, body?: string) => send('PUT', path, headers, body),
    post: (path: string, headers: Record<string, string>, body?: string) => send('POST', path, headers, body),
    text: async (path: string) => (await send('GET', path)).text(),
  };
}

function producer(sequence: number, epoch = 0): Record<string, string> {
  return { 'producer-id': 'till', 'producer-epoch': String(epoch), 'producer-seq': String(sequence) };
}

/** Kills the server and starts another one on the same data. */
async function restarted(server: Server) {
  await server.kill();
  return streamsOf(await startServer({ dataDir: server.dataDir }));
}

test('messages, producers, closing and Stream-Seq outlive a kill', async () => {
  const server = await startServer();
  const before = streamsOf(server);
  await before.put('log', TEXT, 'a');
  await before.put('events', JSON_TYPE);
  const statuses: number[] = [];
  for (let i = 0; i < 20; i++) {
    const answers = [
      await before.post('log', { ...TEXT, ...producer(i), 'stream-seq': `s${String(i).padStart(3, '0')}` }, `-${i}`),
      await before.post('events', { ...JSON_TYPE, ...producer(i) }, `[{"n":${i}},{"big":12345678901234567890}]`),
    ];
    statuses.push(...answers.map(({ status }) => status));
  }
  expect(new Set(statuses)).toEqual(new Set([200]));
  await before.put('over', TEXT, 'all');
  expect((await before.post('over', { 'stream-closed': 'true', ...producer(0) })).status).toBe(204);
  const offset = (await before.send('HEAD', 'log')).headers.get('stream-next-offset');

  const after = await restarted(server);
  expect(await after.text('log')).toBe(`a${Array.from({ length: 20 }, (_, i) => `-${i}`).join('')}`);
  const events = Array.from({ length: 20 }, (_, i) => `{"n":${i}},{"big":12345678901234567890}`);
  expect(await after.text('events')).toBe(`[${events.join(',')}]`);
  expect((await after.send('HEAD', 'log')).headers.get('stream-next-offset')).toBe(offset);

  const repeated = await after.post('events', { ...JSON_TYPE, ...producer(19) }, '[{"n":19}]');
  expect([repeated.status, repeated.headers.get('producer-seq')]).toEqual([204, '19']);
  const gap = await after.post('events', { ...JSON_TYPE, ...producer(21) }, '[{"n":21}]');
  expect([gap.status, gap.headers.get('producer-expected-seq')]).toEqual([409, '20']);
  expect((await after.post('log', { ...TEXT, 'stream-seq': 's019' }, 'x')).status).toBe(409);
  expect((await after.post('log', { ...TEXT, 'stream-seq': 's020' }, '!')).status).toBe(204);
  expect(await after.text('events')).toBe(`[${events.join(',')}]`);

  const closed = await after.post('over', TEXT, 'more');
  expect([closed.status, closed.headers.get('stream-closed')]).toEqual([409, 'true']);
  expect((await after.post('over', { 'stream-closed': 'true', ...producer(0) })).status).toBe(204);
});

test('what was answered before a kill in full flow is there once, in the order of each writer', async () => {
  const server = await startServer();
  const before = streamsOf(server);
  const writers = ['a', 'b', 'c', 'd'];
  await before.put('flow', JSON_TYPE);
  const answered = new Map<string, number>();
  const writing = writers.map(async (writer) => {
    for (let i = 0; ; i++) {
      const headers = { ...JSON_TYPE, 'producer-id': writer, 'producer-epoch': '0', 'producer-seq': String(i) };
      const answer = await before.post('flow', headers, `["${writer}${i}"]`).catch(() => undefined);
      if (answer?.status !== 200) return;
      answered.set(writer, i);
    }
  });
  await waitFor(() => (answered.get('a') ?? 0) > 100, { what: 'a hundred answers', everyMs: 1 });
  const after = await restarted(server);
  await Promise.all(writing);
  const stored = JSON.parse(await after.text('flow')) as string[];
  for (const writer of writers) {
    const own = stored.filter((message) => message.startsWith(writer)).map((message) => Number(message.slice(1)));
    expect(own).toEqual(own.map((_, i) => i));
    expect(own.length).toBeGreaterThan(answered.get(writer) ?? -1);
    // The request whose answer was lost is repeated: stored once, whether it had arrived or not.
    const next = own.length;
    const headers = { ...JSON_TYPE, 'producer-id': writer, 'producer-epoch': '0', 'producer-seq': String(next - 1) };
    expect((await after.post('flow', headers, `["${writer}${next - 1}"]`)).status).toBe(204);
  }
});

test('forks, deleted sources and freed places outlive a kill', async () => {
  const server = await startServer();
  const before = streamsOf(server);
  await before.put('source', TEXT, 'inherited');
  const fork = { 'stream-forked-from': '/v1/stream/source', 'stream-fork-sub-offset': '4' };
  const zero = { 'stream-fork-offset': `${'0'.repeat(16)}_${'0'.repeat(16)}` };
  expect((await before.put('fork', { ...fork, ...zero }, ' and own')).status).toBe(201);
  await before.put('again', { 'stream-forked-from': '/v1/stream/fork' });
  expect((await before.send('DELETE', 'source')).status).toBe(204);
  await before.put('old', TEXT, 'secret');
  expect((await before.send('DELETE', 'old')).status).toBe(204);

  const after = await restarted(server);
  expect(await after.text('fork')).toBe('inhe and own');
  expect(await after.text('again')).toBe('inhe and own');
  expect((await after.send('GET', 'source')).status).toBe(410);
  expect((await after.send('GET', 'old')).status).toBe(404);
  expect((await after.put('old', TEXT, 'new')).status).toBe(201);
  expect(await after.text('old')).toBe('new');
  expect((await after.post('again', TEXT, '+')).status).toBe(204);
  expect(await after.text('again')).toBe('inhe and own+');
  expect(await after.text('fork')).toBe('inhe and own');
  for (const path of ['fork', 'again']) expect((await after.send('DELETE', path)).status).toBe(204);
  await expect.poll(async () => (await after.send('HEAD', 'source')).status, { timeout: 20_000 }).toBe(404);
});

test('a stream that expires while no server runs is gone when one does', async () => {
  const dataDir = await tempDir();
  const server = await startServer({ dataDir });
  const before = streamsOf(server);
  const expiresAt = new Date(Date.now() + 1_000).toISOString();
  await before.put('short', { ...TEXT, 'stream-expires-at': expiresAt }, 'x');
  await before.put('long', { ...TEXT, 'stream-ttl': '3600' }, 'y');
  await server.kill();
  await expect.poll(() => Date.now() > Date.parse(expiresAt), { timeout: 20_000 }).toBe(true);
  const after = streamsOf(await startServer({ dataDir }));
  expect((await after.send('GET', 'short')).status).toBe(404);
  expect(await after.text('long')).toBe('y');
  expect((await after.send('HEAD', 'long')).headers.get('stream-ttl')).toBe('3600');
});
