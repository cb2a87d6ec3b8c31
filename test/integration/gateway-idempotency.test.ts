/** `Idempotency-Key` from outside: one call of the upstream for a key, the same answer again, also after a kill. */
import type { ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { freePort, startServer, tempDir, waitFor } from '#kit';
import { LOOPBACK, sharedGateway, startGateway, startUpstream } from './gateway-fixture.ts';
import { problemOf } from './http-fixture.ts';

type Respond = (body: string, response: ServerResponse, nth: number) => void;

/** The answer once the request before it is over, which the log's thread may hear of a little later than its client. */
function settled(post: () => Promise<Response>): Promise<Response> {
  return waitFor(
    async () => {
      const answer = await post();
      const code = answer.status === 409 ? (await problemOf(answer.clone()))['code'] : undefined;
      return code !== 'IDEMPOTENCY_UNDER_WAY' && answer;
    },
    { what: 'the first request to be over' },
  );
}

/** A server of orders that counts what it is asked. */
async function orders(respond?: Respond) {
  const seen: string[] = [];
  const { port } = await startUpstream(async (request, response) => {
    const body = await text(request);
    seen.push(body);
    if (respond !== undefined) return respond(body, response, seen.length);
    response.writeHead(201, { 'content-type': 'text/plain', 'x-order': String(seen.length), 'x-name': 'caf\xe9' });
    response.end(`order ${seen.length}`);
  });
  return { port, seen };
}

const spec = (idempotency: object) => ({ path: '/orders', upstream: 'main', idempotency });

let routes = 0;

/** A route of its own, since keys outlive their route. */
async function idempotent(respond?: Respond, idempotency: object = {}) {
  const upstream = await orders(respond);
  const gateway = await sharedGateway();
  const targets = [{ url: `http://127.0.0.1:${upstream.port}` }];
  await gateway.put('upstream', 'main', { targets, networks: LOOPBACK });
  await gateway.put('route', `orders-${++routes}`, spec(idempotency));
  const post = (body: string, key?: string, more: object = {}) =>
    fetch(`${gateway.url}/orders`, {
      method: 'POST',
      body,
      headers: key === undefined ? {} : { 'idempotency-key': key },
      ...more,
    });
  return { ...gateway, upstream, post };
}

describe('a route with idempotency', () => {
  test('answers the same key with the same answer, and says so', async () => {
    const gateway = await idempotent();
    const [first, again] = [await gateway.post('a', '"k 1"'), await gateway.post('a', '"k 1"')];
    expect([first.status, await first.text()]).toEqual([201, 'order 1']);
    expect([again.status, await again.text()]).toEqual([201, 'order 1']);
    expect([first.headers.get('idempotent-replayed'), again.headers.get('idempotent-replayed')]).toEqual([
      null,
      'true',
    ]);
    for (const name of ['x-order', 'content-type', 'x-name']) {
      expect([name, again.headers.get(name)]).toEqual([name, first.headers.get(name)]);
    }
    expect(gateway.upstream.seen).toEqual(['a']);
    // A bare key is the same as a quoted one; without a key, and with a safe method, all goes through.
    expect((await gateway.post('b', 'bare')).headers.get('x-order')).toBe('2');
    expect((await gateway.post('b', '"bare"')).headers.get('x-order')).toBe('2');
    for (const n of [3, 4]) expect((await gateway.post('c')).headers.get('x-order')).toBe(String(n));
    expect((await gateway.get('/orders', { 'idempotency-key': '"k 1"' })).headers.get('x-order')).toBe('5');
  });

  test('refuses a key for another request, a missing key and what is no key', async () => {
    const gateway = await idempotent(undefined, { required: true });
    expect((await gateway.post('a', '"k"')).status).toBe(201);
    expect(await problemOf(await gateway.post('b', '"k"'))).toMatchObject({
      status: 422,
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
    const other = await fetch(`${gateway.url}/orders?x=1`, {
      method: 'POST',
      body: 'a',
      headers: { 'idempotency-key': '"k"' },
    });
    expect(await problemOf(other)).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
    expect(await problemOf(await gateway.post('a'))).toMatchObject({ status: 400, code: 'IDEMPOTENCY_KEY_MISSING' });
    for (const key of ['""', '"', 'a b', '"a', '"\\x"', 'x'.repeat(256), `"${'x'.repeat(256)}"`, '"a";p=1', 'a, b']) {
      const refused = await problemOf(await gateway.post('a', key));
      expect([key, refused]).toMatchObject([key, { status: 400, code: 'IDEMPOTENCY_KEY_INVALID' }]);
    }
    expect((await gateway.get('/orders')).status).toBe(201);
    expect(gateway.upstream.seen).toEqual(['a', '']);
  });

  test('calls the upstream once for many at once, over all listener threads', async () => {
    let release: (() => void) | undefined;
    const gateway = await idempotent((_body, response) => {
      release = () => void response.end('done');
    });
    const first = gateway.post('a', '"k"');
    await waitFor(() => release, { what: 'the first to arrive' });
    const meanwhile = await Promise.all(Array.from({ length: 60 }, () => gateway.post('a', '"k"')));
    for (const answer of meanwhile) {
      expect(await problemOf(answer)).toMatchObject({ status: 409, code: 'IDEMPOTENCY_UNDER_WAY', retryable: true });
    }
    release?.();
    expect(await (await first).text()).toBe('done');
    const after = await Promise.all(Array.from({ length: 60 }, () => gateway.post('a', '"k"')));
    expect(new Set(await Promise.all(after.map((answer) => answer.text())))).toEqual(new Set(['done']));
    expect(gateway.upstream.seen).toHaveLength(1);
    // Whoever is first of many that come together, it is one.
    const together = Promise.all(Array.from({ length: 60 }, () => gateway.post('b', '"k2"')));
    await waitFor(() => gateway.upstream.seen.length === 2, { what: 'one of them to arrive' });
    release?.();
    expect((await together).filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    expect(gateway.upstream.seen).toHaveLength(2);
  });

  test('hears the upstream out when the client goes away, so that its next try finds the answer', async () => {
    let release: (() => void) | undefined;
    const gateway = await idempotent((_body, response) => {
      release = () => void response.end('done');
    });
    const impatient = new AbortController();
    const first = gateway.post('a', '"k"', { signal: impatient.signal }).catch(() => 'gone');
    await waitFor(() => release, { what: 'the request to arrive' });
    impatient.abort();
    expect(await first).toBe('gone');
    expect(await problemOf(await gateway.post('a', '"k"'))).toMatchObject({ code: 'IDEMPOTENCY_UNDER_WAY' });
    release?.();
    const again = await waitFor(
      async () => {
        const answer = await gateway.post('a', '"k"');
        return answer.status === 200 && answer;
      },
      { what: 'the answer' },
    );
    expect([await again.text(), again.headers.get('idempotent-replayed')]).toEqual(['done', 'true']);
    expect(gateway.upstream.seen).toHaveLength(1);
  });

  test('frees a key whose request was not done, and tells of answers it does not keep', async () => {
    const gateway = await idempotent(
      (body, response, nth) => {
        if (nth === 1) response.writeHead(503).end('busy');
        else if (body === 'long') response.end('x'.repeat(5_000));
        else if (body === 'endless') response.write('x'.repeat(5_000), () => response.end());
        else if (body === 'cut') response.socket?.destroy();
        else response.end('done');
      },
      { answer_bytes_max: 1_000 },
    );
    expect([(await gateway.post('a', '"k"')).status, (await gateway.post('a', '"k"')).status]).toEqual([503, 200]);
    for (const body of ['long', 'endless']) {
      expect((await (await gateway.post(body, body)).text()).length).toBe(5_000);
      const again = await problemOf(await settled(() => gateway.post(body, body)));
      expect(again).toMatchObject({
        status: 409,
        code: 'IDEMPOTENCY_UNANSWERED',
        reason: 'answer_not_kept',
        answer_status: 200,
      });
    }
    expect(await problemOf(await gateway.post('cut', 'cut'))).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    const cut = await problemOf(await settled(() => gateway.post('cut', 'cut')));
    expect(cut).toMatchObject({
      status: 409,
      code: 'IDEMPOTENCY_UNANSWERED',
      reason: 'interrupted',
      retryable: false,
    });
  });

  test('frees a key whose request never reached the upstream, and one whose time is over', async () => {
    const gateway = await startGateway();
    const port = await freePort();
    await gateway.serve([port], { breaker: { failures: 1_000 } }, spec({ ttl_s: 1 }));
    const post = () =>
      fetch(`${gateway.url}/orders`, { method: 'POST', body: 'a', headers: { 'idempotency-key': 'k' } });
    expect(await problemOf(await post())).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    expect(await problemOf(await settled(post))).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
    const upstream = await orders();
    await gateway.put('upstream', 'main', {
      targets: [{ url: `http://127.0.0.1:${upstream.port}` }],
      networks: LOOPBACK,
    });
    expect((await settled(post)).status).toBe(201);
    await waitFor(async () => (await post()).headers.get('x-order') === '2', { what: 'the key to be free again' });
  });

  test('keeps no more keys than it may', async () => {
    const upstream = await orders();
    const gateway = await startGateway(['--limit', 'idempotencyKeysMax=3']);
    await gateway.serve([upstream.port], {}, spec({}));
    const post = (key: string) =>
      fetch(`${gateway.url}/orders`, { method: 'POST', headers: { 'idempotency-key': key } });
    for (const key of ['1', '2', '3']) expect((await post(key)).status).toBe(201);
    expect(await problemOf(await post('4'))).toMatchObject({ status: 429, code: 'LIMIT_EXCEEDED' });
    expect((await post('1')).headers.get('idempotent-replayed')).toBe('true');
  });

  test('keeps no more bytes of answers than it may', async () => {
    const upstream = await orders((_body, response) => void response.end('x'.repeat(900)));
    const gateway = await startGateway(['--limit', 'idempotencyBytesMax=1500']);
    await gateway.serve([upstream.port], {}, spec({}));
    const post = (key: string) =>
      fetch(`${gateway.url}/orders`, { method: 'POST', headers: { 'idempotency-key': key } });
    for (const key of ['1', '2']) expect((await post(key)).status).toBe(200);
    expect(await problemOf(await post('3'))).toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  test('is kept apart by route and by client', async () => {
    const upstream = await orders();
    const gateway = await startGateway();
    const targets = [{ url: `http://127.0.0.1:${upstream.port}` }];
    await gateway.put('upstream', 'main', { targets, networks: LOOPBACK });
    for (const name of ['a', 'b']) {
      await gateway.put('route', name, {
        path: `/${name}`,
        rewrite: '/x',
        upstream: 'main',
        auth: 'key',
        idempotency: {},
      });
    }
    const keyOf = async (name: string, scopes: string[], key = '') => {
      const headers = { 'content-type': 'application/json', ...(key === '' ? {} : { authorization: `Bearer ${key}` }) };
      const url = `${gateway.server.url}/v1/clients/${name}`;
      const made = await fetch(url, { method: 'PUT', headers, body: JSON.stringify({ scopes }) });
      return ((await made.json()) as { key: string }).key;
    };
    const admin = await keyOf('ops', ['admin']);
    const [one, two] = [await keyOf('one', ['call:*'], admin), await keyOf('two', ['call:*'], admin)];
    const post = (path: string, key: string) =>
      fetch(`${gateway.url}/${path}`, { method: 'POST', headers: { 'idempotency-key': 'k', 'x-api-key': key } });
    await waitFor(async () => (await post('a', two)).status === 201, { what: 'the keys to be known' });
    expect((await post('a', one)).headers.get('x-order')).toBe('2');
    expect((await post('b', one)).headers.get('x-order')).toBe('3');
    expect((await post('a', one)).headers.get('x-order')).toBe('2');
  });
});

describe('a kill', () => {
  async function killed(interrupted: 'refuse' | 'repeat') {
    const held: ServerResponse[] = [];
    const upstream = await orders((body, response, nth) => {
      if (body === 'held' && nth < 3) held.push(response);
      else response.end(`${body} ${nth}`);
    });
    const [dataDir, port] = [await tempDir(), await freePort()];
    const args = ['--gateway-port', String(port), '--gateway-threads', '2'];
    const server = await startServer({ dataDir, args });
    const put = (path: string, what: object) =>
      fetch(`${server.url}/v1/${path}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(what),
      });
    await put('upstreams/main', { targets: [{ url: `http://127.0.0.1:${upstream.port}` }], networks: LOOPBACK });
    expect((await put('routes/orders', spec({ interrupted }))).ok).toBe(true);
    const post = (body: string) =>
      fetch(`http://127.0.0.1:${port}/orders`, { method: 'POST', body, headers: { 'idempotency-key': body } });
    expect(await (await post('done')).text()).toBe('done 1');
    const broken = post('held').catch(() => 'broken');
    await waitFor(() => held.length === 1, { what: 'the request to be under way' });
    await server.kill();
    expect(await broken).toBe('broken');
    await startServer({ dataDir, args });
    const again = await post('done');
    expect([await again.text(), again.headers.get('idempotent-replayed')]).toEqual(['done 1', 'true']);
    return { post, upstream };
  }

  test('loses no answer, and leaves what was under way refused, since nobody knows whether it was done', async () => {
    const { post, upstream } = await killed('refuse');
    expect(await problemOf(await post('held'))).toMatchObject({
      status: 409,
      code: 'IDEMPOTENCY_UNANSWERED',
      reason: 'interrupted',
    });
    expect(upstream.seen).toEqual(['done', 'held']);
  });

  test('lets it be sent again where the route says so', async () => {
    const { post, upstream } = await killed('repeat');
    expect(await (await post('held')).text()).toBe('held 3');
    expect(await (await post('held')).text()).toBe('held 3');
    expect(upstream.seen).toEqual(['done', 'held', 'held']);
  });
});
