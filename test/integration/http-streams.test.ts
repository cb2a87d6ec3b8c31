/** Streams beyond what the conformance suite asks: limits, failing commits, shutdown, readers of what goes away. */
import { expect, test } from 'vitest';
import { ManualClock, resolveLimits, SluiceError } from '#kernel';
import { waitFor } from '#kit';
import { MemoryLog } from '#log';
import { type Fixture, problemOf, serve } from './http-fixture.ts';

const BYTES = { 'content-type': 'application/octet-stream' };
const TEXT = { 'content-type': 'text/plain' };
const JSON_TYPE = { 'content-type': 'application/json' };

function streamsOf(server: Fixture) {
  const send = (method: string, path: string, headers: Record<string, string> = {}, body?: string | Uint8Array) =>
    fetch(`${server.url}/v1/stream/${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  return {
    send,
    put: (path: string, headers: Record<string, string> = {}, body?: string) => send('PUT', path, headers, body),
    post: (path: string, headers: Record<string, string>, body?: string | Uint8Array) =>
      send('POST', path, headers, body),
    text: async (path: string) => (await send('GET', path)).text(),
  };
}

/** Everything of a stream, page by page; the number of pages. */
async function readAll(server: Fixture, path: string): Promise<{ bytes: Uint8Array; pages: number }> {
  const parts: Uint8Array[] = [];
  let offset = '-1';
  for (;;) {
    const answer = await server.get(`/v1/stream/${path}?offset=${offset}`);
    expect(answer.status).toBe(200);
    parts.push(new Uint8Array(await answer.arrayBuffer()));
    offset = answer.headers.get('stream-next-offset') as string;
    if (answer.headers.get('stream-up-to-date') === 'true') return { bytes: Buffer.concat(parts), pages: parts.length };
  }
}

test('a body larger than a batch is stored whole and read page by page', async () => {
  const server = await serve();
  const streams = streamsOf(server);
  await streams.put('large', BYTES);
  const body = new Uint8Array(5 * 1024 * 1024).map((_, i) => (i * 7) ^ (i >> 11));
  expect((await streams.post('large', BYTES, body)).status).toBe(204);
  expect((await streams.post('large', BYTES, Uint8Array.of(1, 2, 3))).status).toBe(204);
  const { bytes, pages } = await readAll(server, 'large');
  expect(pages).toBeGreaterThan(1);
  expect(Buffer.compare(bytes, Buffer.concat([body, Uint8Array.of(1, 2, 3)]))).toBe(0);
  // A fork inside of it, beyond its first record, and none beyond its end.
  const zero = `${'0'.repeat(16)}_${'0'.repeat(16)}`;
  const fork = (at: number) => ({
    'stream-forked-from': '/v1/stream/large',
    'stream-fork-offset': zero,
    'stream-fork-sub-offset': String(at),
  });
  expect((await streams.put('cut', fork(3_000_001))).status).toBe(201);
  const cut = await readAll(server, 'cut');
  expect(Buffer.compare(cut.bytes, body.subarray(0, 3_000_001))).toBe(0);
  expect((await problemOf(await streams.put('beyond', fork(body.length + 1)))).status).toBe(400);
});

test('many small messages are read page by page, each once', async () => {
  const server = await serve();
  const streams = streamsOf(server);
  await streams.put('many', JSON_TYPE);
  const count = 2_500;
  for (let at = 0; at < count; at += 250) {
    const posts = Array.from({ length: 250 }, (_, i) => streams.post('many', JSON_TYPE, String(at + i)));
    for (const { status } of await Promise.all(posts)) expect(status).toBe(204);
  }
  let offset = '-1';
  const seen: number[] = [];
  for (let upToDate = false; !upToDate; ) {
    const answer = await server.get(`/v1/stream/many?offset=${offset}`);
    seen.push(...((await answer.json()) as number[]));
    offset = answer.headers.get('stream-next-offset') as string;
    upToDate = answer.headers.get('stream-up-to-date') === 'true';
  }
  expect(seen.length).toBe(count);
  expect(new Set(seen).size).toBe(count);
});

test('limits are kept and told', async () => {
  const limits = {
    streamsMax: 2,
    streamForkDepthMax: 1,
    requestBytesMax: 2 * 1024 * 1024,
    producersPerPartitionMax: 2,
  };
  const streams = streamsOf(await serve({ limits }));
  await streams.put('one', JSON_TYPE);
  await streams.put('two', { 'stream-forked-from': '/v1/stream/one' });
  expect(await problemOf(await streams.put('three', TEXT))).toMatchObject({ status: 429, code: 'LIMIT_EXCEEDED' });
  await streams.send('DELETE', 'one');
  const deep = await streams.put('three', { 'stream-forked-from': '/v1/stream/two' });
  expect(await problemOf(deep)).toMatchObject({ status: 429 });
  const huge = await streams.post('two', JSON_TYPE, JSON.stringify('x'.repeat(3 * 1024 * 1024)));
  expect(await problemOf(huge)).toMatchObject({ status: 413, code: 'REQUEST_TOO_LARGE' });
  const large = await streams.post('two', JSON_TYPE, JSON.stringify('x'.repeat(1024 * 1024)));
  expect(await problemOf(large)).toMatchObject({ status: 413, code: 'RECORD_TOO_LARGE' });
  const path = await streams.put(`p/${'x'.repeat(600)}`, TEXT);
  expect(await problemOf(path)).toMatchObject({ status: 400, field: 'path' });
  // The longest silent producer is forgotten, so its repetition is taken for new.
  const by = (name: string) =>
    streams.post('two', { ...JSON_TYPE, 'producer-id': name, 'producer-epoch': '0', 'producer-seq': '0' }, '1');
  const statuses: number[] = [];
  for (const name of ['a', 'b', 'c', 'c', 'b', 'a']) statuses.push((await by(name)).status);
  expect(statuses).toEqual([200, 200, 200, 204, 204, 200]);
});

test.each(['', 'a//b', 'a/..%2fb', 'a/./b%2f', 'a%00b', '__ds/subscriptions/x', 'a%zz'])(
  'the path %j names no stream',
  async (path) => {
    const server = await serve();
    const answer = await server.send('PUT', `/v1/stream/${path}`);
    expect([400, 404]).toContain((await problemOf(answer)).status);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  },
);

test('a path is the same however it is escaped', async () => {
  const streams = streamsOf(await serve());
  expect((await streams.put('caf%C3%A9/%61', TEXT, 'x')).status).toBe(201);
  expect((await streams.put('café%2Fa', TEXT)).status).toBe(200);
});

test('an append whose commit fails leaves nothing, and the next one is stored', async () => {
  const limits = resolveLimits();
  const clock = new ManualClock(Date.UTC(2030, 0));
  const log = new MemoryLog({ limits, clock });
  const streams = streamsOf(await serve({ log, clock }));
  await streams.put('s', TEXT, 'a');
  const producer = { 'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': '0' };
  log.failCommits(new SluiceError('DISK_FULL'));
  const failed = await streams.post('s', { ...TEXT, ...producer, 'stream-closed': 'true' }, 'b');
  expect(await problemOf(failed)).toMatchObject({ status: 507, code: 'DISK_FULL' });
  expect((await problemOf(await streams.put('t', TEXT, 'x'))).status).toBe(507);
  expect((await problemOf(await streams.send('DELETE', 's'))).status).toBe(507);
  log.failCommits(undefined);
  expect(await streams.text('s')).toBe('a');
  expect((await streams.send('GET', 't')).status).toBe(404);
  const stored = await streams.post('s', { ...TEXT, ...producer, 'stream-closed': 'true' }, 'b');
  expect(stored.status).toBe(200);
  expect(await streams.text('s')).toBe('ab');
  expect((await streams.put('t', TEXT, 'y')).status).toBe(201);
  expect(await streams.text('t')).toBe('y');
});

test('live readers learn that a stream was deleted, and that it was closed', async () => {
  const server = await serve({ limits: { streamWaitMs: 30_000 } });
  const streams = streamsOf(server);
  for (const path of ['deleted', 'closed']) await streams.put(path, TEXT, 'x');
  const polls = ['deleted', 'closed'].map((path) => server.get(`/v1/stream/${path}?offset=now&live=long-poll`));
  const feeds = ['deleted', 'closed'].map((path) => server.get(`/v1/stream/${path}?offset=now&live=sse`));
  await waitFor(() => server.metrics.render().includes('sluice_http_requests_open 4'), { what: 'four readers' });
  await streams.send('DELETE', 'deleted');
  await streams.post('closed', { 'stream-closed': 'true' });
  const [deleted, closed] = await Promise.all(polls);
  expect(deleted?.status).toBe(404);
  expect([closed?.status, closed?.headers.get('stream-closed')]).toEqual([204, 'true']);
  const texts = await Promise.all(feeds.map(async (feed) => (await feed).text()));
  expect(texts[0]).not.toContain('streamClosed');
  expect(texts[1]).toContain('"streamClosed":true');
});

test('going down ends what live readers wait for', async () => {
  const server = await serve({ limits: { streamWaitMs: 30_000 } });
  await streamsOf(server).put('s', TEXT, 'x');
  const poll = server.get('/v1/stream/s?offset=now&live=long-poll');
  const feed = server.get('/v1/stream/s?offset=-1&live=sse');
  await waitFor(() => server.metrics.render().includes('sluice_http_requests_open 2'), { what: 'two readers' });
  await server.close();
  expect((await poll).status).toBe(204);
  expect(await (await feed).text()).toContain('data:x');
});

test('an idle stream lives as long as somebody reads it', async () => {
  const clock = new ManualClock(Date.UTC(2030, 0));
  const server = await serve({ clock, limits: { streamWaitMs: 60_000 } });
  const streams = streamsOf(server);
  await streams.put('s', { ...TEXT, 'stream-ttl': '10' }, 'x');
  const controller = new AbortController();
  const feed = await fetch(`${server.url}/v1/stream/s?offset=now&live=sse`, { signal: controller.signal });
  clock.advance(60_000);
  expect((await streams.send('HEAD', 's')).status).toBe(200);
  controller.abort();
  await expect(feed.text()).rejects.toThrow();
  await waitFor(() => server.metrics.render().includes('sluice_http_requests_open 0'), {
    what: 'the reader to be gone',
  });
  clock.advance(9_000);
  expect((await streams.send('HEAD', 's')).status).toBe(200);
  clock.advance(1_000);
  expect((await streams.send('HEAD', 's')).status).toBe(404);
  await waitFor(() => server.metrics.render().includes('sluice_streams 0'), { what: 'the stream to be erased' });
});

test('text that is cut within a character, or holds any kind of line break, comes whole in events', async () => {
  const server = await serve();
  const streams = streamsOf(server);
  const text = ' é\r\n event: control\rdata: x\n\n🎈 ';
  const bytes = Buffer.from(text);
  await streams.put('s', TEXT);
  for (let i = 0; i < bytes.length; i++) await streams.post('s', TEXT, bytes.subarray(i, i + 1));
  await streams.post('s', { 'stream-closed': 'true' });
  const events = (await (await server.get('/v1/stream/s?offset=-1&live=sse')).text()).split('\n\n');
  const data = events.filter((event) => event.startsWith('event: data'));
  const lines = data.map((event) =>
    event
      .split('\n')
      .slice(1)
      .map((line) => line.slice('data:'.length).replace(/^ /, ''))
      .join('\n'),
  );
  expect(lines.join('')).toBe(text.replaceAll(/\r\n|\r/g, '\n'));
});
