/** Who may call through the gateway, where it may go, WebSockets, and the way down. */

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { startServer, waitFor } from '#kit';
import { LOOPBACK, sharedGateway, startGateway, startUpstream } from './gateway-fixture.ts';
import { problemOf } from './http-fixture.ts';

describe('a route with keys', () => {
  test('lets in clients with its scope, does not show the key to the upstream, and forgets a revoked key', async () => {
    const gateway = await startGateway();
    const { port } = await startUpstream((request, response) => void response.end(JSON.stringify(request.headers)));
    await gateway.serve([port], {}, { auth: 'key' });
    const { url } = gateway.server;
    const json = { 'content-type': 'application/json' };
    const issue = async (name: string, scopes: string[], admin?: string) => {
      const headers = { ...json, ...(admin === undefined ? {} : { authorization: `Bearer ${admin}` }) };
      const put = await fetch(`${url}/v1/clients/${name}`, {
        method: 'PUT',
        headers,
        body: JSON.stringify({ scopes }),
      });
      const shown = (await put.json()) as { key?: { key: string } | string };
      if (typeof shown.key === 'string') return shown.key;
      if (shown.key !== undefined) return shown.key.key;
      const made = await fetch(`${url}/v1/clients/${name}/keys`, { method: 'POST', headers, body: '{}' });
      return ((await made.json()) as { key: string }).key;
    };
    const admin = await issue('ops', ['admin']);
    const caller = await issue('caller', ['call:al*'], admin);
    const other = await issue('other', ['call:else', 'consume:*'], admin);

    const none = await gateway.get('/x');
    expect([none.status, none.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="sluice"']);
    const wrong = `${caller.slice(0, -1)}${caller.endsWith('A') ? 'B' : 'A'}`;
    expect(await problemOf(await gateway.get('/x', { 'x-api-key': wrong }))).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await problemOf(await gateway.get('/x', { 'x-api-key': other }))).toMatchObject({ code: 'FORBIDDEN' });
    for (const how of [{ 'x-api-key': caller }, { authorization: `Bearer ${caller}` }]) {
      const seen = (await (await gateway.get('/x', how as Record<string, string>)).json()) as Record<string, string>;
      expect(seen['x-sluice-client']).toBe('caller');
      expect([seen['x-api-key'], seen['authorization']]).toEqual([undefined, undefined]);
    }
    const expired = await fetch(`${url}/v1/clients/caller/keys`, {
      method: 'POST',
      headers: { ...json, authorization: `Bearer ${admin}` },
      body: JSON.stringify({ expires_at: 1 }),
    });
    const { key: old } = (await expired.json()) as { key: string };
    // Neither whether a key was ever good, nor what is wrong with it, can be told from the answer.
    await waitFor(async () => (await gateway.get('/x', { 'x-api-key': old })).status === 401, { what: 'the key' });
    expect(await problemOf(await gateway.get('/x', { 'x-api-key': old }))).toEqual(
      await problemOf(await gateway.get('/x', { 'x-api-key': wrong })),
    );
    await fetch(`${url}/v1/clients/caller`, { method: 'DELETE', headers: { authorization: `Bearer ${admin}` } });
    await waitFor(async () => (await gateway.get('/x', { 'x-api-key': caller })).status === 401, {
      what: 'the key to go',
    });
  });
});

describe('an upstream', () => {
  test('may not be at a private, loopback or metadata address unless it says so', async () => {
    const gateway = await sharedGateway();
    for (const host of [
      '169.254.169.254',
      '10.1.2.3',
      '127.0.0.1',
      '[::1]',
      '[fd00::1]',
      '[::ffff:127.0.0.1]',
      '0x7f.1',
    ]) {
      const answer = await gateway.declare('upstream', 'u', { targets: [{ url: `http://${host}:80` }] });
      expect([host, await problemOf(answer)]).toMatchObject([host, { code: 'RESOURCE_INVALID', field: 'targets' }]);
    }
  });

  test('whose name leads to such an address is not connected to', async () => {
    const { port } = await startUpstream((_, response) => void response.end('reached'));
    const gateway = await sharedGateway();
    await gateway.put('upstream', 'named', { targets: [{ url: `http://localhost:${port}` }] });
    await gateway.put('route', 'r', { path: '/x', upstream: 'named' });
    expect(await problemOf(await gateway.get('/x'))).toMatchObject({ status: 502, code: 'UPSTREAM_UNREACHABLE' });
    await gateway.put('upstream', 'named', { targets: [{ url: `http://localhost:${port}` }], networks: LOOPBACK });
    expect(await (await gateway.get('/x')).text()).toBe('reached');
  });

  test('in use is not removed, and a route needs one that is there', async () => {
    const gateway = await sharedGateway();
    await gateway.serve([1]);
    const removed = await fetch(`${gateway.server.url}/v1/upstreams/main`, { method: 'DELETE' });
    expect(await problemOf(removed)).toMatchObject({ status: 409, code: 'RESOURCE_IN_USE', route: 'all' });
    const lost = await gateway.declare('route', 'lost', { path: '/x', upstream: 'nowhere' });
    expect(await problemOf(lost)).toMatchObject({ code: 'RESOURCE_INVALID', field: 'upstream' });
  });
});

describe('a WebSocket', () => {
  async function echo() {
    const upstream = await startUpstream((_, response) => void response.end());
    const sockets = new WebSocketServer({
      server: upstream.server,
      handleProtocols: (offered) => [...offered].pop() ?? false,
    });
    sockets.on('connection', (socket, request) => {
      socket.send(`path ${request.url}`);
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
    return { ...upstream, sockets };
  }

  test('passes messages both ways as they are, with the subprotocol the upstream chose, and its end', async () => {
    const upstream = await echo();
    const gateway = await sharedGateway();
    await gateway.serve([upstream.port], {}, { websocket: true });
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/chat?a=1`, ['one', 'two']);
    const received: [string, boolean][] = [];
    socket.on('message', (data, binary) => received.push([String(data), binary]));
    await once(socket, 'open');
    expect(socket.protocol).toBe('two');
    socket.send('text');
    socket.send(Buffer.from('bytes'));
    await waitFor(() => received.length === 3, { what: 'three messages' });
    expect(received).toEqual([
      ['path /chat?a=1', false],
      ['text', false],
      ['bytes', true],
    ]);
    for (const one of upstream.sockets.clients) one.close(4_321, 'enough');
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
    expect([code, String(reason)]).toEqual([4_321, 'enough']);
  });

  test('is held to policies that wait for a body, as any request', async () => {
    const upstream = await echo();
    const gateway = await sharedGateway();
    const secret = Buffer.alloc(24, 7);
    const webhook = { secrets: [secret.toString('base64')] };
    await gateway.serve([upstream.port], {}, { websocket: true, webhook });
    const url = `${gateway.url.replace('http', 'ws')}/chat`;
    const unsigned = new WebSocket(url);
    unsigned.on('error', () => undefined);
    const [, response] = (await once(unsigned, 'unexpected-response')) as [unknown, { statusCode: number }];
    expect(response.statusCode).toBe(401);
    unsigned.terminate();
    const at = Math.floor(Date.now() / 1000);
    const signature = createHmac('sha256', secret).update(`one.${at}.`).digest('base64');
    const headers = { 'webhook-id': 'one', 'webhook-timestamp': String(at), 'webhook-signature': `v1,${signature}` };
    const signed = new WebSocket(url, { headers });
    await once(signed, 'open');
    signed.close();
  });

  test('is refused where the route takes none', async () => {
    const upstream = await echo();
    const gateway = await sharedGateway();
    await gateway.serve([upstream.port]);
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/chat`);
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
    expect(response.statusCode).toBe(426);
    socket.on('error', () => undefined).terminate();
  });
});

function isClosed(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(true));
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });
}

describe('the gateway', () => {
  test('lets what is under way end when it goes down, and leaves in order', async () => {
    let answer: (() => void) | undefined;
    const { port } = await startUpstream((_, response) => {
      answer = () => response.end('late');
    });
    const gateway = await startGateway();
    await gateway.serve([port]);
    const pending = gateway.get('/x');
    await waitFor(() => answer, { what: 'the request to arrive' });
    const stopped = gateway.server.stop();
    // A connection alone: a request would be one more that is under way.
    await waitFor(() => isClosed(gateway.port), { what: 'the port to close' });
    answer?.();
    expect(await (await pending).text()).toBe('late');
    expect(await stopped).toEqual({ code: 0, signal: null });
  });

  test('serves after a restart what was declared before, and says when its port is taken', async () => {
    const { port } = await startUpstream((_, response) => void response.end('again'));
    const gateway = await startGateway();
    await gateway.serve([port]);
    await gateway.server.stop();
    const next = await startServer({ dataDir: gateway.server.dataDir, args: ['--gateway-port', String(gateway.port)] });
    expect(await (await gateway.get('/x')).text()).toBe('again');
    await expect(startServer({ args: ['--gateway-port', String(gateway.port)] })).rejects.toThrow(/cannot listen/);
    await next.stop();
  });
});
