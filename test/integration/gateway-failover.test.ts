/** Targets that die, come back, are slow or are changed: what clients of the gateway notice of it. */
import { expect, test } from 'vitest';
import { waitFor } from '#kit';
import { load, sharedGateway, spawnUpstream, startGateway, startUpstream } from './gateway-fixture.ts';

const CONNECTIONS = 32;

test('a target that is killed under load costs no GET, and gets its share again when it is back', async () => {
  const gateway = await sharedGateway();
  const names = ['a', 'b', 'c'];
  const upstreams = await Promise.all(names.map((name) => spawnUpstream(name)));
  const ports = upstreams.map(({ port }) => port);
  const breaker = { failures: 3, open_ms: 100, open_ms_max: 200 };
  await gateway.serve(ports, { breaker, slow_start_ms: 200 });
  const running = load(`${gateway.url}/x`, CONNECTIONS);
  await waitFor(() => running.count() > 500, { what: 'some answers' });
  upstreams[1]?.child.kill('SIGKILL');
  const atKill = running.count();
  await waitFor(() => running.count() > atKill + 1_500, { what: 'answers without b' });
  const firstHalf = await running.stop();
  expect(firstHalf.failures).toEqual([]);
  expect(await gateway.metric(/sluice_gateway_retries_total\{upstream="main"\} (\d+)/)).toBeGreaterThan(0);

  await spawnUpstream('b', ports[1]);
  const again = load(`${gateway.url}/x`, CONNECTIONS);
  await waitFor(async () => (await gateway.get('/x')).headers.get('x-target') === 'b', { what: 'b to be asked again' });
  await waitFor(() => again.count() > 500, { what: 'some answers' });
  const secondHalf = await again.stop();
  expect(secondHalf.failures).toEqual([]);
  expect([...secondHalf.answers.keys()].sort()).toEqual(names);
});

test('routes and upstreams change under load, and no request fails', async () => {
  const gateway = await sharedGateway();
  const [a, b] = await Promise.all([spawnUpstream('a'), spawnUpstream('b')]);
  await gateway.serve([a.port]);
  const running = load(`${gateway.url}/x`, CONNECTIONS);
  for (let round = 0; round < 12; round++) {
    const before = running.count();
    // The target of the round before is let go while requests are under way to it.
    await gateway.serve([round % 2 === 0 ? b.port : a.port], {}, { description: `round ${round}` });
    await gateway.put('route', `other-${round}`, { path: `/other/${round}`, upstream: 'main' });
    await waitFor(() => running.count() > before + 50, { what: 'answers after a change' });
  }
  const { answers, failures } = await running.stop();
  expect(failures).toEqual([]);
  expect([...answers.keys()].sort()).toEqual(['a', 'b']);
});

test('a POST is not repeated once it may have arrived, and is where no connection came about', async () => {
  const gateway = await sharedGateway();
  let arrived = 0;
  const cutting = await startUpstream((request) => {
    arrived++;
    request.socket.destroy();
  });
  await gateway.serve([cutting.port]);
  const answer = await fetch(`${gateway.url}/x`, { method: 'POST', body: 'once' });
  expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([502, 'UPSTREAM_UNREACHABLE']);
  expect(arrived).toBe(1);
  arrived = 0;
  await (await fetch(`${gateway.url}/x`)).text();
  expect(arrived).toBe(3);

  const good = await spawnUpstream('good');
  await gateway.serve([1, good.port], { breaker: { failures: 1_000 } });
  for (let i = 0; i < 8; i++) expect((await fetch(`${gateway.url}/x`, { method: 'POST', body: 'b' })).status).toBe(200);
});

test('a failing upstream is let alone for a time, then tried again', async () => {
  const gateway = await startGateway(['--gateway-threads', '1']);
  let healthy = false;
  let asked = 0;
  const upstream = await startUpstream((_, response) => {
    asked++;
    response.writeHead(healthy ? 200 : 503).end();
  });
  await gateway.serve([upstream.port], { attempts_max: 1, breaker: { failures: 3, open_ms: 300, open_ms_max: 300 } });
  for (let i = 0; i < 3; i++) expect((await gateway.get('/x')).status).toBe(503);
  const refused = await gateway.get('/x');
  expect(await refused.json()).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE', upstream: 'main' });
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(asked).toBe(3);
  healthy = true;
  await waitFor(async () => (await gateway.get('/x')).status === 200, { what: 'the trial' });
});

test('a target whose health check fails is not asked', async () => {
  const gateway = await startGateway(['--gateway-threads', '1']);
  let well = true;
  const sick = await startUpstream((request, response) => {
    response.setHeader('x-target', 'sick');
    response.writeHead(request.url === '/health' && !well ? 500 : 200).end();
  });
  const fine = await startUpstream((_, response) => void response.setHeader('x-target', 'fine').end());
  await gateway.serve([sick.port, fine.port], { health: { path: '/health', interval_ms: 100 } });
  const targets = async () => {
    const seen = new Set<string | null>();
    for (let i = 0; i < 6; i++) seen.add((await gateway.get('/x')).headers.get('x-target'));
    return [...seen].sort().join();
  };
  expect(await targets()).toBe('fine,sick');
  well = false;
  await waitFor(async () => (await targets()) === 'fine', { what: 'the sick one to be left out' });
  well = true;
  await waitFor(async () => (await targets()) === 'fine,sick', { what: 'it to be back' });
});

test('a canary gets its share, and those that ask for it', async () => {
  const gateway = await sharedGateway();
  const [old, next] = await Promise.all([spawnUpstream('old'), spawnUpstream('next')]);
  const targets = (port: number) => ({ targets: [{ url: `http://127.0.0.1:${port}` }], networks: ['127.0.0.0/8'] });
  await gateway.put('upstream', 'next', targets(next.port));
  const canary = { upstream: 'next', percent: 0, header: { name: 'x-canary', value: 'yes' } };
  await gateway.serve([old.port], {}, { canary });
  expect((await gateway.get('/x')).headers.get('x-target')).toBe('old');
  expect((await gateway.get('/x', { 'x-canary': 'yes' })).headers.get('x-target')).toBe('next');
  await gateway.serve([old.port], {}, { canary: { upstream: 'next', percent: 100 } });
  expect((await gateway.get('/x')).headers.get('x-target')).toBe('next');
});
