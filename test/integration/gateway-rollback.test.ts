/** A route is changed, looked at, and rolled back while requests pass through it: none of them fails. */
import { expect, test } from 'vitest';
import { runCli, waitFor } from '#kit';
import { LOOPBACK, startGateway, startUpstream } from './gateway-fixture.ts';

test('the history, preview and rollback of a route fail no request under load', async () => {
  const gateway = await startGateway();
  for (const name of ['old', 'new']) {
    const { port } = await startUpstream((_, response) => void response.end(name));
    await gateway.put('upstream', name, { targets: [{ url: `http://127.0.0.1:${port}` }], networks: LOOPBACK });
  }
  await gateway.put('route', 'shop', { path: '/shop', upstream: 'old' });

  const counts = { old: 0, new: 0 };
  const problems: string[] = [];
  let over = false;
  const client = async () => {
    while (!over) {
      const answer = await gateway.get('/shop').catch((error: unknown) => String(error));
      if (typeof answer === 'string') problems.push(answer);
      else {
        const body = await answer.text();
        if (answer.status === 200 && (body === 'old' || body === 'new')) counts[body]++;
        else problems.push(`${answer.status} ${body}`);
      }
    }
  };
  const clients = Array.from({ length: 8 }, client);
  const url = ['--url', gateway.server.url];
  const declared = (upstream: string) =>
    JSON.stringify({ kind: 'route', name: 'shop', spec: { path: '/shop', upstream } });
  await waitFor(() => counts.old > 100, { what: 'the old upstream to be asked' });

  const dry = await runCli([...url, 'apply', '--dry-run', '-f', '-'], { input: declared('new') });
  expect(dry.stdout).toContain('"path":"upstream","from":"old","to":"new"');
  await waitFor(() => counts.old > 200, { what: 'the preview to change nothing' });
  expect(counts.new).toBe(0);

  for (let round = 0; round < 3; round++) {
    const before = { ...counts };
    await gateway.put('route', 'shop', { path: '/shop', upstream: 'new' });
    await waitFor(() => counts.new > before.new + 50, { what: 'the new upstream to be asked' });
    const back = await fetch(`${gateway.server.url}/v1/routes/shop/rollback`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"version":1}',
    });
    expect(back.status).toBe(200);
    // A change is answered once every listener goes by it, so what begins now is for the old one.
    const { old } = counts;
    expect(await (await gateway.get('/shop')).text()).toBe('old');
    await waitFor(() => counts.old > old + 50, { what: 'the old upstream to be asked again' });
  }
  over = true;
  await Promise.all(clients);
  expect(problems).toEqual([]);
  const history = await runCli([...url, '--json', 'history', 'route', 'shop']);
  const entries = history.stdout.includes('\n{')
    ? history.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : JSON.parse(history.stdout);
  expect(entries).toHaveLength(7);
  expect(entries.at(-1)).toMatchObject({ version: 7, action: 'changed', spec: { upstream: 'old' } });
});
