/** Shadow traffic: a second upstream sees copies, and whatever it does, the client notices nothing. */
import { expect, test } from 'vitest';
import { waitFor } from '#kit';
import { LOOPBACK, startGateway, startUpstream } from './gateway-fixture.ts';

async function shadowed(shadow: (path: string) => boolean, args: readonly string[] = []) {
  const copies: string[] = [];
  const main = await startUpstream((request, response) => {
    const marked = request.headers['x-sluice-shadow'];
    request.resume().on('end', () => response.end(`main ${marked ?? ''}`));
  });
  const second = await startUpstream((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      copies.push(`${request.method} ${request.url} ${body} ${request.headers['x-sluice-shadow']}`);
      if (shadow(request.url ?? '')) response.writeHead(500).end('shadow');
    });
  });
  const gateway = await startGateway(['--gateway-threads', '1', ...args]);
  const targets = [{ url: `http://127.0.0.1:${second.port}` }];
  await gateway.put('upstream', 'second', { targets, networks: LOOPBACK });
  await gateway.serve([main.port], {}, { shadow: { upstream: 'second' } });
  const count = (outcome: string) =>
    gateway.metric(new RegExp(`sluice_gateway_shadow_total{route="all",outcome="${outcome}"} (\\d+)`));
  return { gateway, copies, count };
}

test('requests are copied with their bodies, and their clients get the answers of the route alone', async () => {
  const { gateway, copies, count } = await shadowed(() => true);
  const headers = { 'x-sluice-shadow': 'forged' };
  const got = await gateway.get('/x?a=1', headers);
  const posted = await fetch(`${gateway.url}/y`, { method: 'POST', body: 'hello', headers });
  expect([await got.text(), await posted.text()]).toEqual(['main ', 'main ']);
  await waitFor(() => copies.length === 2, { what: 'both copies' });
  expect(copies.toSorted()).toEqual(['GET /x?a=1  1', 'POST /y hello 1']);
  await waitFor(async () => (await count('sent')) === 2, { what: 'them to be counted' });
});

test('a body that streams is not copied, and an upstream that shadows a route is in use', async () => {
  const { gateway, copies, count } = await shadowed(() => true);
  const big = await fetch(`${gateway.url}/big`, { method: 'POST', body: Buffer.alloc(100_000) });
  expect(await big.text()).toBe('main ');
  await waitFor(async () => (await count('skipped')) === 1, { what: 'it to be counted' });
  expect(copies).toEqual([]);
  const removed = await fetch(`${gateway.server.url}/v1/upstreams/second`, { method: 'DELETE' });
  expect(removed.status).toBe(409);
});

test('copies that are never answered delay nobody, are bounded, and end by their time', async () => {
  const { gateway, copies, count } = await shadowed(() => false, ['--limit', 'shadowRequestsMax=3']);
  await gateway.put('route', 'all', {
    path: '/{rest...}',
    upstream: 'main',
    headers_ms: 5_000,
    shadow: { upstream: 'second' },
  });
  for (let i = 0; i < 8; i++) expect(await (await gateway.get(`/${i}`)).text()).toBe('main ');
  await waitFor(async () => (await count('skipped')) >= 1, { what: 'copies beyond the bound to be left out' });
  await waitFor(async () => (await count('failed')) >= 3, { what: 'the others to end' });
  await waitFor(async () => (await count('skipped')) + copies.length === 8, { what: 'each to have become either' });
});
