/** Queued routes from outside: taken with 202, delivered in order by key, retried, given up, paused, and remembered. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { freePort, runCli, startServer, waitFor } from '#kit';
import { LOOPBACK, startGateway, startUpstream } from './gateway-fixture.ts';
import { problemOf } from './http-fixture.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly body: string;
  readonly headers: Record<string, string>;
}

type Respond = (seen: Seen, response: ServerResponse, nth: number) => void;

/** An upstream that keeps what it is sent. */
async function recorder(respond: Respond = (_seen, response) => void response.end()) {
  const seen: Seen[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await text(request);
    const one = {
      method: request.method ?? '',
      url: request.url ?? '',
      body,
      headers: request.headers as Record<string, string>,
    };
    seen.push(one);
    respond(one, response, seen.length);
  };
  const { port } = await startUpstream((request, response) => void take(request, response));
  return { port, seen };
}

const QUICK = { backoff_ms: 20, backoff_ms_max: 100, attempts_max: 3 };

async function queued(respond?: Respond, queue: object = {}, route: object = {}) {
  const upstream = await recorder(respond);
  const gateway = await startGateway();
  await gateway.put('upstream', 'hooks', {
    targets: [{ url: `http://127.0.0.1:${upstream.port}` }],
    networks: LOOPBACK,
  });
  const spec = {
    path: '/hooks/{name}',
    upstream: 'hooks',
    rewrite: '/in/{name}',
    queue: { ...QUICK, ...queue },
    ...route,
  };
  await gateway.put('route', 'hooks', spec);
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${gateway.url}${path}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });
  const statusOf = async (answer: Response, headers: Record<string, string> = {}) => {
    const asked = await fetch(`${gateway.url}${answer.headers.get('location')}`, { headers });
    return (await asked.json()) as Record<string, unknown>;
  };
  return { ...gateway, upstream, spec, post, statusOf };
}

describe('a queued route', () => {
  test('answers 202 with a place to ask at, and delivers what the client sent, with one id', async () => {
    const gateway = await queued();
    const answer = await gateway.post('/hooks/a?x=1', '{"n":1}', { 'x-sluice-queued-id': 'forged', 'x-mine': 'yes' });
    expect(answer.status).toBe(202);
    const { id, status } = (await answer.json()) as { id: string; status: string };
    expect(answer.headers.get('location')).toBe(status);
    const told = await waitFor(
      async () => {
        const found = await gateway.statusOf(answer);
        return found['state'] === 'delivered' && found;
      },
      { what: 'the request to be delivered' },
    );
    expect(told).toMatchObject({ id, route: 'hooks', attempts: 1, status: 200, reason: null });
    const [seen] = gateway.upstream.seen;
    expect(seen).toMatchObject({ method: 'POST', url: '/in/a?x=1', body: '{"n":1}' });
    expect(seen?.headers).toMatchObject({
      'x-sluice-queued-id': id,
      'idempotency-key': `"${id}"`,
      'x-mine': 'yes',
      'content-type': 'application/json',
    });
    const asked = await fetch(`${gateway.server.url}/v1/gateway/queued/${id}`);
    expect(await asked.json()).toMatchObject({ id, client: null, state: 'delivered' });
    expect(await (await gateway.get('/hooks/a')).status).toBe(200);
    expect(gateway.upstream.seen.at(-1)).toMatchObject({ method: 'GET', url: '/in/a' });
  });

  test('tries again after 5xx, 429 and broken connections with the same id, and keeps the order of a key', async () => {
    const failures = new Map<string, number>();
    const gateway = await queued(
      (seen, response) => {
        const failed = failures.get(seen.body) ?? 0;
        failures.set(seen.body, failed + 1);
        if (failed === 0 && seen.body.includes('3')) response.socket?.destroy();
        else if (failed === 0) response.writeHead(503).end();
        else if (failed === 1 && seen.body.includes('2')) response.writeHead(429, { 'retry-after': '0' }).end();
        else response.end();
      },
      { key: 'body:/order', attempts_max: 10 },
    );
    const bodies = [1, 2, 3, 4].flatMap((n) => ['a', 'b'].map((order) => JSON.stringify({ order, n })));
    for (const body of bodies) expect((await gateway.post('/hooks/x', body)).status).toBe(202);
    const queue = await waitFor(
      async () => {
        const [found] = (await (await fetch(`${gateway.server.url}/v1/gateway/queues`)).json()) as {
          delivered: number;
          backlog: number;
        }[];
        return found?.delivered === 8 && found;
      },
      { what: 'all to be delivered' },
    );
    expect(queue).toMatchObject({ route: 'hooks', backlog: 0, dead: 0 });
    const ids = new Map<string, Set<string>>();
    for (const { body, headers } of gateway.upstream.seen) {
      ids.set(body, (ids.get(body) ?? new Set()).add(headers['x-sluice-queued-id'] ?? ''));
    }
    expect([...ids.values()].every((set) => set.size === 1)).toBe(true);
    for (const order of ['a', 'b']) {
      const mine = gateway.upstream.seen.filter(({ body }) => body.includes(`"${order}"`)).map(({ body }) => body);
      const firsts = [...new Set(mine)];
      expect(firsts).toEqual(bodies.filter((body) => body.includes(`"${order}"`)));
      // Nothing of a key comes between the attempts of one of its requests.
      expect(mine.filter((body, i) => body !== mine[i - 1])).toEqual(firsts);
    }
  });

  test('gives up what is refused at once, and what fails too often, as dead letters that can be sent again', async () => {
    let healed = false;
    const gateway = await queued((seen, response) => {
      response.writeHead(healed ? 204 : seen.body === 'bad' ? 400 : 500).end();
    });
    const bad = await gateway.post('/hooks/x', 'bad');
    const unlucky = await gateway.post('/hooks/x', 'unlucky');
    for (const answer of [bad, unlucky]) {
      await waitFor(async () => (await gateway.statusOf(answer))['state'] === 'dead', { what: 'both to be given up' });
    }
    expect(await gateway.statusOf(bad)).toMatchObject({ attempts: 1, status: 400, reason: 'answered 400' });
    expect(await gateway.statusOf(unlucky)).toMatchObject({ attempts: 3, status: 500 });
    const url = ['--url', gateway.server.url];
    const topic = 'sys.gateway.queue.hooks';
    await waitFor(async () => (await runCli([...url, 'dead'])).stdout.includes(`${topic}  2`), { what: 'two letters' });
    healed = true;
    expect((await runCli([...url, 'dead', 'retry', topic, '--all'])).code).toBe(0);
    for (const answer of [bad, unlucky]) {
      await waitFor(async () => (await gateway.statusOf(answer))['state'] === 'delivered', { what: 'both delivered' });
    }
    const { id } = (await bad.json()) as { id: string };
    const attempts = gateway.upstream.seen.filter(({ headers }) => headers['x-sluice-queued-id'] === id);
    expect(attempts.map(({ body }) => body)).toEqual(['bad', 'bad']);
  });

  test('waits while it is paused, over a restart too, and goes on when it is resumed', async () => {
    const gateway = await queued(undefined, { paused: true });
    const answer = await gateway.post('/hooks/x', 'later');
    expect(await gateway.statusOf(answer)).toMatchObject({ state: 'queued', attempts: 0 });
    await gateway.server.stop();
    const port = await freePort();
    const again = await startServer({ dataDir: gateway.server.dataDir, args: ['--gateway-port', String(port)] });
    const url = ['--url', again.url];
    const shown = JSON.parse((await runCli([...url, '--json', 'gateway', 'queues'])).stdout) as object[];
    expect(shown).toMatchObject([{ route: 'hooks', state: 'paused', backlog: 1 }]);
    expect(gateway.upstream.seen).toEqual([]);
    const resumed = await runCli([...url, 'gateway', 'resume', 'hooks']);
    expect([resumed.code, resumed.stdout]).toEqual([0, 'hooks delivers again, version 2\n']);
    await waitFor(() => gateway.upstream.seen.length === 1, { what: 'the delivery' });
    const { id } = (await answer.json()) as { id: string };
    expect(gateway.upstream.seen[0]?.headers['x-sluice-queued-id']).toBe(id);
    await waitFor(
      async () => (await runCli([...url, 'gateway', 'queued', id])).stdout.includes('delivered after 1 attempt'),
      { what: 'its status' },
    );
    expect((await runCli([...url, 'gateway', 'pause', 'hooks'])).stdout).toBe('hooks is paused, version 3\n');
  });

  test('has no more under way at once than it may, and refuses what its backlog does not take', async () => {
    let underWay = 0;
    let most = 0;
    const held: (() => void)[] = [];
    const gateway = await queued(
      (_seen, response) => {
        most = Math.max(most, ++underWay);
        held.push(() => {
          underWay--;
          response.end();
        });
      },
      { concurrency: 2, backlog_max: 5 },
    );
    for (let i = 0; i < 5; i++) expect((await gateway.post('/hooks/x', String(i))).status).toBe(202);
    const full = await gateway.post('/hooks/x', 'too much');
    expect([full.headers.get('retry-after'), await problemOf(full)]).toMatchObject([
      '1',
      { status: 503, code: 'QUEUE_FULL', retryable: true },
    ]);
    await waitFor(() => held.length === 2, { what: 'two deliveries' });
    let released = 0;
    await waitFor(
      () => {
        for (const release of held.splice(0)) {
          release();
          released++;
        }
        return released === 5;
      },
      { what: 'five deliveries' },
    );
    expect(most).toBe(2);
  });

  test('tells only the client who posted it what became of a request', async () => {
    const gateway = await queued(undefined, {}, { auth: 'key' });
    const keyOf = async (name: string, scopes: string[], key?: string) => {
      const headers = {
        'content-type': 'application/json',
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      };
      const made = await fetch(`${gateway.server.url}/v1/clients/${name}`, {
        method: 'PUT',
        headers,
        body: JSON.stringify({ scopes }),
      });
      return ((await made.json()) as { key: string }).key;
    };
    const admin = await keyOf('ops', ['admin']);
    const [mine, other] = [await keyOf('mine', ['call:hooks'], admin), await keyOf('other', ['call:hooks'], admin)];
    const answer = await waitFor(
      async () => {
        const posted = await gateway.post('/hooks/x', '1', { 'x-api-key': mine });
        return posted.status === 202 && posted;
      },
      { what: 'the key to be known' },
    );
    expect(await gateway.statusOf(answer, { 'x-api-key': mine })).toMatchObject({ route: 'hooks' });
    expect(await gateway.statusOf(answer, { 'x-api-key': other })).toMatchObject({ code: 'QUEUED_UNKNOWN' });
    expect(await gateway.statusOf(answer)).toMatchObject({ code: 'UNAUTHENTICATED' });
    for (const path of ['nope/x', 'hooks/../hooks', `hooks/${'0'.repeat(33)}`, 'hooks/0/1']) {
      const asked = await gateway.get(`/.sluice/queued/${path}`, { 'x-api-key': mine });
      expect([path, asked.status]).toEqual([path, 404]);
    }
    const location = answer.headers.get('location') ?? '';
    const posted = await fetch(`${gateway.url}${location}`, { method: 'DELETE', headers: { 'x-api-key': mine } });
    expect(await problemOf(posted)).toMatchObject({ code: 'METHOD_NOT_ALLOWED' });
  });

  test('takes a request with one Idempotency-Key once, and hands the key on', async () => {
    const gateway = await queued(undefined, {}, { idempotency: {} });
    const post = () => gateway.post('/hooks/x', 'a', { 'idempotency-key': 'k' });
    const [first, again] = [await post(), await post()];
    expect([first.status, again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 202, 'true']);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    await waitFor(async () => (await gateway.statusOf(first))['state'] === 'delivered', { what: 'the delivery' });
    expect(gateway.upstream.seen.map(({ headers }) => headers['idempotency-key'])).toEqual(['k']);
  });

  test('refuses a body that is longer than it keeps', async () => {
    const gateway = await queued(undefined, { body_bytes_max: 1_000 });
    expect(await problemOf(await gateway.post('/hooks/x', 'x'.repeat(1_001)))).toMatchObject({
      code: 'REQUEST_TOO_LARGE',
    });
    expect((await gateway.post('/hooks/x', 'x'.repeat(1_000))).status).toBe(202);
  });
});
