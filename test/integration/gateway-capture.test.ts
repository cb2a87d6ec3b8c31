/** Requests captured at the gateway, replayed against another server, and compared; all of it by the command line. */
import type { RequestListener } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { runCli, waitFor } from '#kit';
import { LOOPBACK, startGateway, startUpstream } from './gateway-fixture.ts';

interface Captured {
  readonly request: Record<string, unknown> & { readonly headers: string[] };
  readonly answer: Record<string, unknown>;
}

/** All captures of route `all`, once there are so many. */
function captured(server: string, count: number): Promise<Captured[]> {
  return waitFor(
    async () => {
      const found: Captured[] = [];
      for (let offset = 0; ; ) {
        const path = `/v1/topics/sys.gateway.capture.all/partitions/0/records?offset=${offset}`;
        const page = (await (await fetch(`${server}${path}`)).json()) as {
          records: { value: Captured }[];
          next: number;
        };
        if (page.records.length === 0) break;
        found.push(...page.records.map(({ value }) => value));
        offset = page.next;
      }
      return found.length === count && found;
    },
    { what: `${count} captures` },
  );
}

/** A shop, in its first version and in one that changed. */
function shop(version: 1 | 2, seen: string[] = []): RequestListener {
  return async (request, response) => {
    const body = await text(request);
    seen.push(
      `${request.method} ${request.url} ${body} ${request.headers.authorization ?? ''} ${request.headers['api-version'] ?? ''}`.trim(),
    );
    const path = (request.url ?? '').split('?')[0];
    const json = (status: number, value: unknown) =>
      response
        .writeHead(status, { 'content-type': 'application/json', 'set-cookie': `s=${version}` })
        .end(JSON.stringify(value));
    if (request.method === 'DELETE') response.writeHead(204).end();
    else if (request.method === 'POST') json(201, { made: JSON.parse(body) });
    else if (path === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
      setTimeout(() => response.end(), 300);
    } else if (path === '/long') json(200, 'x'.repeat(2_000));
    else if (version === 1) json(200, { at: 1, price: 10, tags: ['a', 'b'] });
    else json(200, { at: 2, price: path === '/items/7' ? 11 : 10.001, tags: ['b', 'a'] });
  };
}

test('what a route was asked is captured without credentials, replayed, and compared', async () => {
  const first = await startUpstream(shop(1));
  const gateway = await startGateway();
  await gateway.serve([first.port]);
  const url = ['--url', gateway.server.url];
  const capture = (...args: string[]) => runCli([...url, 'gateway', 'capture', 'all', ...args]);
  expect((await capture('--minutes', '10')).stdout).toBe('all is captured, version 2\n');
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${gateway.url}${path}`, init).then((answer) => answer.text());
  await ask('/items/1?color=red&api_key=hidden', { headers: { authorization: 'Bearer hidden', 'x-mine': 'yes' } });
  await ask('/items/7');
  await ask('/items', { method: 'POST', body: '{"n":1}', headers: { 'content-type': 'application/json' } });
  await ask('/items/1', { method: 'DELETE' });
  await ask('/events');
  const records = await captured(gateway.server.url, 5);
  expect(JSON.stringify(records)).not.toContain('hidden');
  const [item, , post, remove, events] = records as [Captured, Captured, Captured, Captured, Captured];
  expect(item.request).toMatchObject({ method: 'GET', path: '/items/1', query: 'color=red&api_key=%5Bredacted%5D' });
  expect(item.answer).toMatchObject({ status: 200, body: '{"at":1,"price":10,"tags":["a","b"]}' });
  expect(post.request).toMatchObject({ method: 'POST', body: '{"n":1}' });
  expect(remove.answer).toEqual({ status: 204, headers: null });
  expect(events.answer).toMatchObject({ status: 200, body_omitted: true });
  expect((await capture('--stop')).stdout).toBe('all is captured no more, version 3\n');
  await ask('/items/9');

  const replay = (...args: string[]) =>
    runCli([...url, '--json', 'gateway', 'replay', '--route', 'all', '--rate', '500', ...args]);
  const back = await replay('--upstream', 'main');
  expect(JSON.parse(back.stdout)).toMatchObject({
    replayed: 3,
    same: 3,
    different: 0,
    failed: 0,
    skipped: { 'not a safe method': 2 },
  });
  expect(back.code).toBe(0);

  const seen: string[] = [];
  const second = await startUpstream(shop(2, seen));
  const to = ['--to', `http://127.0.0.1:${second.port}`];
  const strict = await replay(...to, '--unsafe', '--version', '2026-01-01', '--header', 'authorization: Bearer mine');
  expect(strict.code).toBe(1);
  expect(JSON.parse(strict.stdout)).toMatchObject({
    replayed: 5,
    same: 3,
    different: 2,
    skipped: {},
    places: { 'body /at': 2, 'body /price': 2, 'body /tags/*': 2 },
  });
  expect(seen).toContain('GET /items/1?color=red  Bearer mine 2026-01-01');
  expect(seen).toContain('POST /items {"n":1} Bearer mine 2026-01-01');
  const lenient = ['--ignore', '/at', '--unordered', '/tags', '--tolerance', '0.01'];
  const told = await runCli([...url, 'gateway', 'replay', '--route', 'all', ...to, ...lenient]);
  expect(told.code).toBe(1);
  expect(told.stdout).toContain(
    '3 replayed: 2 the same, 1 different, 0 without an answer\n2 skipped: not a safe method\n',
  );
  expect(told.stdout).toMatch(/GET \/items\/7 \(\S+\)\n {2}body \/price: 10 → 11\n/);

  second.server.closeAllConnections();
  await new Promise((resolve) => second.server.close(resolve));
  const gone = await replay(...to, '--limit', '2');
  expect([gone.code, JSON.parse(gone.stdout)]).toMatchObject([1, { replayed: 2, failed: 2 }]);
  expect((await replay('--to', 'nowhere')).code).toBe(2);
  // Many commands, each a process of its own.
}, 180_000);

test('a capture holds nobody up, and leaves out bodies that are longer than it keeps', async () => {
  const upstream = await startUpstream(shop(1));
  const gateway = await startGateway();
  const capture = { body_bytes_max: 1_000, percent: 100, redact_fields: ['price'] };
  await gateway.serve([upstream.port], {}, { capture });
  const events = await gateway.get('/events');
  const reader = events.body?.getReader();
  // The first event is there while the stream goes on.
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('data: 1\n\n');
  while (!(await reader?.read())?.done);
  expect((await (await gateway.get('/long')).text()).length).toBe(2_002);
  await (await gateway.get('/items/1')).text();
  await (
    await fetch(`${gateway.url}/items`, { method: 'POST', body: JSON.stringify({ n: 'y'.repeat(2_000) }) })
  ).text();
  const records = await captured(gateway.server.url, 4);
  const of = (path: string) => records.find(({ request }) => request['path'] === path);
  expect(of('/long')?.answer).toMatchObject({ status: 200, body_omitted: true });
  expect(of('/items/1')?.answer).toMatchObject({ body: '{"at":1,"price":"[redacted]","tags":["a","b"]}' });
  expect(of('/items')?.request).toMatchObject({ body_omitted: true });
  const flags = ['gateway', 'replay', '--route', 'all', '--upstream', 'main', '--unsafe'];
  const replayed = await runCli(['--url', gateway.server.url, '--json', ...flags]);
  expect(JSON.parse(replayed.stdout)).toMatchObject({ replayed: 3, same: 3, skipped: { 'its body was not kept': 1 } });
});

test('a capture ends by itself, takes its share, and loses what the log does not take', async () => {
  const upstream = await startUpstream(shop(1));
  const gateway = await startGateway(['--limit', 'captureBytesPendingMax=10']);
  const targets = [{ url: `http://127.0.0.1:${upstream.port}` }];
  await gateway.put('upstream', 'main', { targets, networks: LOOPBACK });
  const route = (name: string, capture: object) =>
    gateway.put('route', name, { path: `/${name}`, rewrite: '/items/1', upstream: 'main', capture });
  await route('past', { until: '2020-01-01T00:00:00Z' });
  await route('none', { percent: 0 });
  await route('lost', {});
  for (const name of ['past', 'none', 'lost']) expect((await gateway.get(`/${name}`)).status).toBe(200);
  const topics = (await (await fetch(`${gateway.server.url}/v1/topics`)).json()) as { name: string }[];
  expect(topics.filter(({ name }) => name.startsWith('sys.gateway.capture.'))).toEqual([]);
});
