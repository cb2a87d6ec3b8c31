/** Records of the gateway's requests, as whoever reads `sys.gateway.requests` finds them. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { startServer, waitFor } from '#kit';
import { atLeast, behind, recorded, startGateway, startUpstream } from './gateway-fixture.ts';

describe('every request through the gateway', () => {
  test('is recorded: answered, refused, failed, given up, and those no route took', async () => {
    let held = 0;
    const gateway = await behind(
      (request, response) => {
        if (request.url?.startsWith('/hold')) held++;
        else response.end('hello');
      },
      { path: '/{what}/{id}' },
    );
    await gateway.put('upstream', 'down', { targets: [{ url: 'http://127.0.0.1:1' }], networks: ['127.0.0.0/8'] });
    await gateway.put('route', 'failing', { path: '/failing', upstream: 'down' });
    await gateway.put('route', 'locked', { path: '/locked', upstream: 'main', auth: 'key' });
    const post = await fetch(`${gateway.url}/orders/7?secret=1`, { method: 'POST', body: 'twelve bytes' });
    expect(await post.text()).toBe('hello');
    expect((await gateway.get('/failing')).status).toBe(502);
    expect((await gateway.get('/locked')).status).toBe(401);
    expect((await gateway.get('/nothing')).status).toBe(404);
    const given = new AbortController();
    const gone = fetch(`${gateway.url}/hold/1`, { signal: given.signal }).catch(() => undefined);
    await waitFor(() => held === 1, { what: 'the request to arrive' });
    given.abort();
    await gone;
    const broken = connect(gateway.port, '127.0.0.1');
    broken.write('GET /x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n');
    await once(broken, 'data');
    broken.destroy();

    const found = await atLeast(gateway.server, 6);
    const by = (path: string, status: number) => found.filter((one) => one.path === path && one.status === status);
    expect(by('/{what}/{id}', 200)).toMatchObject([
      {
        route: 'all',
        method: 'POST',
        bytes_in: 12,
        bytes_out: 5,
        upstream: 'main',
        attempts: 1,
        address: '127.0.0.0/24',
      },
    ]);
    expect(by('/{what}/{id}', 0)).toMatchObject([{ route: 'all', upstream: 'main' }]);
    expect(by('/failing', 502)).toMatchObject([{ code: 'UPSTREAM_UNREACHABLE', upstream: 'down' }]);
    expect(by('/locked', 401)).toMatchObject([{ code: 'UNAUTHENTICATED' }]);
    expect(by('/nothing', 404)).toMatchObject([{ code: 'ROUTE_UNKNOWN' }]);
    expect(by('/x', 400)).toMatchObject([{ code: 'REQUEST_SMUGGLING' }]);
    expect(found.length).toBe(6);
    expect(JSON.stringify(found)).not.toContain('secret');
    expect(await gateway.metric(/^sluice_gateway_records_total (\d+)/m)).toBe(6);
  });

  test('over a WebSocket is recorded when that has closed, with what went each way', async () => {
    const upstream = await startUpstream((_, response) => void response.end());
    new WebSocketServer({ server: upstream.server }).on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(Buffer.concat([data as Buffer, data as Buffer]), { binary }));
    });
    const gateway = await startGateway();
    await gateway.serve([upstream.port], {}, { websocket: true });
    await gateway.put('route', 'plain', { path: '/plain', upstream: 'main' });
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/chat`);
    await once(socket, 'open');
    socket.send('12345');
    await once(socket, 'message');
    socket.close();
    await once(socket, 'close');
    const refused = new WebSocket(`${gateway.url.replace('http', 'ws')}/plain`);
    await once(refused, 'unexpected-response');
    refused.on('error', () => undefined).terminate();
    // Two threads may have had them, so they come in any order.
    const found = (await atLeast(gateway.server, 2)).sort((a, b) => Number(a['status']) - Number(b['status']));
    expect(found).toMatchObject([
      { route: 'all', status: 101, bytes_in: 5, bytes_out: 10, upstream: 'main' },
      { route: 'plain', status: 426, code: 'UPGRADE_REFUSED' },
    ]);
  });

  test('has its bodies recorded where its route says so, without what is to be left out', async () => {
    const answer = JSON.stringify({ id: 7, token: 'the answer holds one' });
    const gateway = await behind(
      (_, response) => void response.setHeader('content-type', 'application/json').end(answer),
      { access_log: { path: 'full', bodies: { request_bytes_max: 1_000, answer_bytes_max: 1_000 } } },
    );
    const body = JSON.stringify({ name: 'a', password: 'the request holds one' });
    const headers = { 'content-type': 'application/json' };
    const got = await fetch(`${gateway.url}/login`, { method: 'POST', headers, body });
    expect(await got.text()).toBe(answer);
    expect(await atLeast(gateway.server, 1)).toMatchObject([
      {
        path: '/login',
        request_body: { name: 'a', password: '[redacted]' },
        answer_body: { id: 7, token: '[redacted]' },
      },
    ]);
  });

  test('is not recorded where its route, or the server, says so', async () => {
    const gateway = await behind((_, response) => void response.end('x'), { access_log: { enabled: false } });
    expect((await gateway.get('/a')).status).toBe(200);
    await gateway.put('route', 'told', { path: '/told', upstream: 'main' });
    expect((await gateway.get('/told')).status).toBe(200);
    expect(await atLeast(gateway.server, 1)).toMatchObject([{ route: 'told' }]);
    const silent = await startGateway(['--gateway-record-days', '0']);
    expect((await silent.get('/a')).status).toBe(404);
    await silent.server.stop();
    const again = await startServer({ dataDir: silent.server.dataDir });
    expect(await topicOf(again)).toBe(404);
  });

  test('is in the log when the server has gone down in order', async () => {
    const gateway = await behind((_, response) => void response.end('x'));
    await Promise.all(Array.from({ length: 300 }, (_, i) => gateway.get(`/${i}`).then((answer) => answer.text())));
    await gateway.server.stop();
    const again = await startServer({ dataDir: gateway.server.dataDir });
    expect((await recorded(again)).length).toBe(300);
  });
});

async function topicOf(server: { readonly url: string }): Promise<number> {
  return (await fetch(`${server.url}/v1/topics/sys.gateway.requests/partitions/0/records?offset=0`)).status;
}
