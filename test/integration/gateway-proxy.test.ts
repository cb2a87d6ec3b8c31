/** What becomes of requests and answers on their way through the gateway. */
import { request as httpRequest } from 'node:http';
import { describe, expect, test } from 'vitest';
import { waitFor } from '#kit';
import { behindShared, sharedGateway, startGateway, startUpstream } from './gateway-fixture.ts';
import { onOneConnection, problemOf, raw } from './http-fixture.ts';

const MIB = 1024 * 1024;

/** An upstream that tells what it was asked. */
function startMirror() {
  return startUpstream((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, rawHeaders } = request;
      response.setHeader('connection', 'keep-alive, x-hop').setHeader('x-hop', '1').setHeader('x-end', '2');
      response.setHeader('set-cookie', ['a=1', 'b=2']);
      response.end(JSON.stringify({ method, url, rawHeaders, body: Buffer.concat(chunks).toString('latin1') }));
    });
  });
}

interface Mirrored {
  method: string;
  url: string;
  rawHeaders: string[];
  body: string;
}

function headersOf({ rawHeaders }: Mirrored): Record<string, string> {
  const found: Record<string, string> = {};
  for (let i = 0; i < rawHeaders.length; i += 2)
    found[(rawHeaders[i] as string).toLowerCase()] = rawHeaders[i + 1] as string;
  return found;
}

describe('a request', () => {
  test('arrives with the path that was matched, end-to-end headers, and the truth about where it came from', async () => {
    const gateway = await sharedGateway();
    await gateway.serve([(await startMirror()).port]);
    const lines = [
      'GET /a//b/%7e/../c?x=1%20y HTTP/1.1',
      'Host: shop.example:81',
      'Connection: keep-alive, x-secret',
      'X-Secret: 1',
      'TE: trailers',
      'Proxy-Authorization: Basic x',
      'X-Forwarded-For: 1.2.3.4',
      'Forwarded: for=1.2.3.4',
      'X-Sluice-Client: admin',
      'X-Kept: yes',
      '\r\n',
    ];
    const { answers } = await raw(gateway.port, [lines.join('\r\n')], 1);
    const mirrored = JSON.parse(answers[0]?.body ?? '') as Mirrored;
    expect(mirrored.url).toBe('/a/b/c?x=1%20y');
    const { connection, host, ...headers } = headersOf(mirrored);
    expect(headers).toEqual({
      'x-kept': 'yes',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'shop.example:81',
      forwarded: 'for=127.0.0.1;host="shop.example:81";proto=http',
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/),
      via: expect.stringMatching(/^1\.1 sluice-[0-9a-f]{12}$/),
    });
    expect(host).toMatch(/^127\.0\.0\.1:/);
    expect(connection).toBe('keep-alive');
  });

  test('from a trusted proxy keeps what that proxy says', async () => {
    const gateway = await startGateway(['--trust-proxy', '127.0.0.0/8']);
    await gateway.serve([(await startMirror()).port]);
    const said = { 'x-forwarded-for': '9.9.9.9, 8.8.8.8', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'shop' };
    const headers = headersOf((await (await gateway.get('/x', said)).json()) as Mirrored);
    expect(headers).toMatchObject({
      'x-forwarded-for': '9.9.9.9, 8.8.8.8, 127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'shop',
    });
  });

  test('goes round a loop once at most', async () => {
    const gateway = await sharedGateway();
    await gateway.serve([gateway.port]);
    expect(await problemOf(await gateway.get('/x'))).toMatchObject({ status: 508, code: 'GATEWAY_LOOP' });
  });

  test('is routed by host, template, method, header and query, the most special first, and rewritten', async () => {
    const gateway = await sharedGateway();
    const { port } = await startMirror();
    await gateway.serve([port], {}, { rewrite: '/fallback' });
    await gateway.put('route', 'one', {
      path: '/orders/{id}',
      upstream: 'main',
      rewrite: '/v2/o/{id}',
      methods: ['GET'],
    });
    await gateway.put('route', 'beta', {
      path: '/orders/{id}',
      upstream: 'main',
      rewrite: '/beta',
      headers: { 'x-b': '*' },
    });
    await gateway.put('route', 'query', {
      path: '/orders/{id}',
      upstream: 'main',
      rewrite: '/q',
      query: { v: '2', w: '*' },
    });
    await gateway.put('route', 'host', { hosts: ['*.test'], path: '/orders/{id}', upstream: 'main', rewrite: '/host' });
    const url = async (path: string, headers: Record<string, string> = {}) => {
      const head = Object.entries({ Host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
      const { answers } = await raw(gateway.port, [`GET ${path} HTTP/1.1\r\n${head.join('')}\r\n`], 1);
      return (JSON.parse(answers[0]?.body ?? '') as Mirrored).url;
    };
    expect(await url('/orders/7')).toBe('/v2/o/7');
    expect(await url('/orders/7', { 'X-B': '1' })).toBe('/beta');
    expect(await url('/orders/7?v=2&w=')).toBe('/q?v=2&w=');
    expect(await url('/orders/7', { Host: 'a.test:80' })).toBe('/host');
    expect(await url('/orders/7/x')).toBe('/fallback');
  });

  test('that no route takes is refused, and so is one with another method', async () => {
    const gateway = await sharedGateway();
    await gateway.put('upstream', 'main', { targets: [{ url: 'http://127.0.0.1:1' }], networks: ['127.0.0.1/32'] });
    await gateway.put('route', 'one', { path: '/one', upstream: 'main', methods: ['GET'], body_bytes_max: 10 });
    await gateway.put('route', 'put', { path: '/put', upstream: 'main', body_bytes_max: 10 });
    expect(await problemOf(await gateway.get('/two'))).toMatchObject({ status: 404, code: 'ROUTE_UNKNOWN' });
    const wrong = await fetch(`${gateway.url}/one`, { method: 'POST' });
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET']);
    const large = await fetch(`${gateway.url}/put`, { method: 'POST', body: 'x'.repeat(11) });
    expect(await problemOf(large)).toMatchObject({ status: 413, code: 'REQUEST_TOO_LARGE' });
  });
});

describe('an answer', () => {
  test('leaves with its end-to-end headers, repeated ones too', async () => {
    const gateway = await sharedGateway();
    await gateway.serve([(await startMirror()).port]);
    const answer = await gateway.get('/x');
    expect([answer.headers.get('x-hop'), answer.headers.get('x-end')]).toEqual([null, '2']);
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(answer.headers.get('via')).toMatch(/^1\.1 sluice-/);
  });

  test('to HEAD leaves the connection as good as one to GET does', async () => {
    const gateway = await sharedGateway();
    const { port } = await startUpstream((_, response) => {
      response.writeHead(200, { 'content-length': '12' }).end('twelve bytes');
    });
    await gateway.serve([port], {}, { path: '/there' });
    const ask = onOneConnection(gateway.port);
    for (const path of ['/there', '/nowhere']) {
      const got = await ask('GET', path);
      expect([await ask('HEAD', path), await ask('HEAD', path), await ask('GET', path)]).toEqual([got, got, got]);
    }
  });

  test('comes without the interim answers before it and the trailers behind it', async () => {
    const gateway = await behindShared((_, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
      response.writeHead(200, { trailer: 'x-sum', 'transfer-encoding': 'chunked' });
      response.write('body');
      response.addTrailers({ 'x-sum': '1' });
      response.end();
    });
    const { answers } = await raw(gateway.port, ['GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'], 1);
    const [first] = answers;
    expect([first?.status, first?.headers['link'], first?.headers['trailer']]).toEqual([200, undefined, undefined]);
    const answer = await gateway.get('/x');
    expect([answer.status, await answer.text()]).toEqual([200, 'body']);
  });

  test('to HEAD, of 204 and of 304 has no body, and redirects are not followed', async () => {
    const gateway = await behindShared((request, response) => {
      const status = Number(request.url?.slice(1));
      response.writeHead(status, { location: '/elsewhere', ...(status === 200 ? { 'content-length': '5' } : {}) });
      response.end(status === 200 || status === 302 ? 'hello' : undefined);
    });
    const head = await fetch(`${gateway.url}/200`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '5', '']);
    for (const status of [204, 304]) {
      const bare = await gateway.get(`/${status}`);
      expect([bare.status, await bare.text()]).toEqual([status, '']);
    }
    expect((await gateway.get('/302')).headers.get('location')).toBe('/elsewhere');
  });

  test('comes piece by piece, as server-sent events do', async () => {
    let next: (() => void) | undefined;
    const gateway = await behindShared((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
      next = () => response.end('data: 2\n\n');
    });
    const reader = (await gateway.get('/x')).body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('data: 1\n\n');
    next?.();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('data: 2\n\n');
  });

  test('that breaks off half way is cut, so that nobody takes it for whole', async () => {
    const gateway = await behindShared((_, response) => {
      response.writeHead(200, { 'content-length': String(MIB) });
      response.write(Buffer.alloc(MIB / 2), () => response.destroy());
    });
    const answer = await gateway.get('/x');
    await expect(answer.arrayBuffer()).rejects.toThrow();
  });

  test('that never comes is a 504, and a refused connection a 502', async () => {
    const silent = await behindShared(() => undefined, { headers_ms: 200 });
    expect(await problemOf(await silent.get('/x'))).toMatchObject({ status: 504, code: 'UPSTREAM_TIMEOUT' });
    await silent.serve([1]);
    expect(await problemOf(await silent.get('/x'))).toMatchObject({ status: 502, code: 'UPSTREAM_UNREACHABLE' });
  });
});

test('an upstream hears that its client went away', async () => {
  let gone = false;
  let asked = false;
  const gateway = await behindShared((_, response) => {
    asked = true;
    response.on('close', () => {
      gone = true;
    });
  });
  const request = httpRequest(`${gateway.url}/x`).on('error', () => undefined);
  request.end();
  await waitFor(() => asked, { what: 'the request to arrive' });
  expect(gone).toBe(false);
  request.destroy();
  await waitFor(() => gone, { what: 'the upstream to hear of it' });
});
