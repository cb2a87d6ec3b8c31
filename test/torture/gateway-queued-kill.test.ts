/**
 * A queued route through kills at random moments, with an upstream that fails, breaks off and goes away: every request that
 * was answered with 202 is delivered, whole, and always under the id its client was told.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { freePort, seed, seededRandom, startServer, tempDir, waitFor } from '#kit';
import { rounds } from './length.ts';

const KEYS = 20;
const CLIENTS = 8;
const TAKEN_A_CYCLE = 20;

it('delivers every request that was taken, under its id', async () => {
  const random = seededRandom();
  process.stderr.write(`gateway-queued-kill: SLUICE_SEED=${seed()}\n`);
  /** Body → ids it came under. */
  const delivered = new Map<string, Set<string>>();
  const problems: string[] = [];
  const upstream = createServer(async (request, response) => {
    const body = await text(request).catch(() => undefined);
    if (body === undefined) return;
    if (random() < 0.05) {
      response.socket?.destroy();
      return;
    }
    if (random() < 0.05) {
      response.writeHead(503).end();
      return;
    }
    const id = request.headers['x-sluice-queued-id'] as string;
    delivered.set(body, (delivered.get(body) ?? new Set()).add(id));
    if (request.headers['idempotency-key'] !== `"${id}"`) problems.push(`${body} came without its idempotency key`);
    response.end();
  });
  const listen = (at: number) => new Promise<void>((resolve) => upstream.listen(at, '127.0.0.1', resolve));
  await listen(0);
  const upstreamPort = (upstream.address() as AddressInfo).port;
  onTestFinished(() => {
    upstream.closeAllConnections();
    upstream.close();
  });

  const [dataDir, port, gatewayPort] = [await tempDir(), await freePort(), await freePort()];
  const args = ['--gateway-port', String(gatewayPort), '--gateway-threads', '2', '--limit', 'segmentBytes=4194304'];
  let server = await startServer({ dataDir, port, args });
  const put = async (path: string, spec: object) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${server.url}/v1/${path}`, { method: 'PUT', headers, body: JSON.stringify(spec) });
    expect(answer.ok).toBe(true);
  };
  const url = `http://127.0.0.1:${upstreamPort}`;
  await put('upstreams/hooks', { targets: [{ url }], networks: ['127.0.0.0/8'], breaker: { failures: 1_000 } });
  const queue = { key: 'query:key', attempts_max: 0, backoff_ms: 5, backoff_ms_max: 50, concurrency: 8 };
  await put('routes/hooks', { path: '/hooks', upstream: 'hooks', queue });

  /** Body → the id its client was told. */
  const taken = new Map<string, string>();
  let over = false;
  let sent = 0;
  const client = async () => {
    while (!over) {
      const n = sent++;
      const body = `${n % KEYS}:${n}`;
      try {
        const target = `http://127.0.0.1:${gatewayPort}/hooks?key=${n % KEYS}`;
        const answer = await fetch(target, { method: 'POST', body, signal: AbortSignal.timeout(10_000) });
        if (answer.status === 202) taken.set(body, ((await answer.json()) as { id: string }).id);
      } catch {
        // Not answered, so nothing was promised. What then arrives is a request like any other.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  const clients = Array.from({ length: CLIENTS }, client);
  for (let cycle = 0; cycle < rounds(3, 100); cycle++) {
    await new Promise((resolve) => setTimeout(resolve, 200 + random() * 600));
    // However slow the machine is, there is something to lose.
    await waitFor(() => taken.size > TAKEN_A_CYCLE * (cycle + 1), { what: 'requests to be taken' });
    // Every other time the upstream is away as well, and comes back later.
    const away = cycle % 2 === 1;
    if (away) {
      const closed = new Promise((resolve) => upstream.close(resolve));
      upstream.closeAllConnections();
      await closed;
      await new Promise((resolve) => setTimeout(resolve, random() * 300));
    }
    await server.kill();
    server = await startServer({ dataDir, port, args });
    if (away) await listen(upstreamPort);
  }
  over = true;
  await Promise.all(clients);
  expect(taken.size).toBeGreaterThan(50);
  await waitFor(() => [...taken.keys()].every((body) => delivered.has(body)), {
    what: 'every request to be delivered',
    timeoutMs: 120_000,
  });
  for (const [body, ids] of delivered) if (ids.size !== 1) problems.push(`${body} came under ${ids.size} ids`);
  for (const [body, id] of taken) if (!delivered.get(body)?.has(id)) problems.push(`${body} came under another id`);
  expect(problems).toEqual([]);
  const last = [...taken.values()].at(-1) as string;
  await waitFor(
    async () => {
      const asked = await fetch(`${server.url}/v1/gateway/queued/${last}`);
      return ((await asked.json()) as { state: string }).state === 'delivered';
    },
    { what: 'the status of the last' },
  );
  process.stderr.write(`gateway-queued-kill: ${taken.size} taken, ${delivered.size} delivered\n`);
  await server.stop();
});
