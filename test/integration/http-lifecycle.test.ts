/** Where the server listens, where it refuses to, and how it goes down. */
import { execFileSync } from 'node:child_process';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lacking, tempDir, waitFor } from '#kit';
import { onOneConnection, raw, serve } from './http-fixture.ts';

test.each(['0.0.0.0', '::', '192.0.2.1', 'example.org'])('refuses to listen on %s without a client', async (host) => {
  await expect(serve({ listen: { host, port: 0 } })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('no client exists'),
  });
});

test('refuses to listen beyond loopback without TLS, unless that is allowed', async () => {
  const first = await serve();
  await first.resources.put('client', 'root', { scopes: ['admin'] }, { by: null });
  const { log, resources, keys } = first;
  await expect(serve({ log, resources, keys, listen: { host: '0.0.0.0', port: 0 } })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('without TLS'),
  });
  const open = await serve({ log, resources, keys, listen: { host: '0.0.0.0', port: 0, allowInsecure: true } });
  expect((await fetch(`http://127.0.0.1:${open.port}/readyz`)).status).toBe(200);
  expect((await fetch(`http://127.0.0.1:${open.port}/v1/topics`)).status).toBe(401);
});

test('refuses a port that is taken, and one that is none', async () => {
  const first = await serve();
  await expect(serve({ listen: { host: '127.0.0.1', port: first.port } })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  });
  await expect(serve({ listen: { host: '127.0.0.1', port: 70_000 } })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  });
});

test('refuses certificate files that are missing or no certificates', async () => {
  const missing = { certFile: '/nowhere/cert.pem', keyFile: '/nowhere/key.pem' };
  await expect(serve({ listen: { host: '127.0.0.1', port: 0, tls: missing } })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('/nowhere/cert.pem'),
  });
  const wrong = { certFile: 'package.json', keyFile: 'package.json' };
  await expect(serve({ listen: { host: '127.0.0.1', port: 0, tls: wrong } })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  });
});

test.skipIf(lacking('openssl'))('speaks TLS with a certificate and a key', async () => {
  const folder = await tempDir();
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'];
  execFileSync('openssl', [...args, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
  const server = await serve({ listen: { host: '127.0.0.1', port: 0, tls: { certFile, keyFile } } });
  expect(server.url).toMatch(/^https:/);
  const agent = new Agent({ rejectUnauthorized: false });
  const status = await new Promise((resolve, reject) => {
    get(`${server.url}/readyz`, { agent }, (answer) => resolve(answer.resume().statusCode)).on('error', reject);
  });
  expect(status).toBe(200);
});

test('going down answers what is under way, ends long polls, and takes nothing new', async () => {
  const server = await serve();
  const poll = server.get('/v1/topics/t/partitions/0/records?offset=0&wait_ms=30000');
  await waitFor(() => server.metrics.render().includes('sluice_http_requests_open 1'), { what: 'the poll to wait' });
  const produced = Array.from({ length: 20 }, (_, value) => server.produce([{ value, partition: 1 }]));
  await waitFor(() => server.log.partition('t', 1).tail > 0, { what: 'a record to be accepted' });
  await server.close();
  const polled = await poll;
  expect(polled.status).toBe(200);
  const answers = await Promise.allSettled(produced);
  const stored = answers.filter((answer) => answer.status === 'fulfilled' && answer.value.status === 200);
  expect(server.log.partition('t', 1).tail).toBe(stored.length);
  await expect(server.get('/readyz')).rejects.toThrow();
});

test('a request that comes while the server goes down is told to come again', async () => {
  const server = await serve({ limits: { shutdownMs: 5_000 } });
  const body = '{"records":[{"value":1}]}';
  const head = 'POST /v1/topics/t/records HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n';
  const slow = raw(
    server.port,
    [`${head}Content-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`, 300, body.slice(5)],
    1,
  );
  const ready = 'GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n';
  const other = raw(server.port, [ready, 150, ready, 10, 'GET /v1/topics HTTP/1.1\r\nHost: a\r\n\r\n'], 3);
  await waitFor(() => server.metrics.render().includes('sluice_http_requests_open 1'), {
    what: 'the slow body to wait',
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  await server.close();
  expect((await slow).answers[0]?.status).toBe(200);
  const { answers } = await other;
  expect(answers.map(({ status }) => status)).toEqual([200, 503, 503]);
  expect(answers[2]?.headers['retry-after']).toBe('1');
  expect(JSON.parse(answers[2]?.body ?? '')).toMatchObject({ code: 'SHUTTING_DOWN', retryable: true });
});

test('going down does not wait for ever', async () => {
  const server = await serve({ limits: { shutdownMs: 100 } });
  const head =
    'POST /v1/topics/t/records HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n';
  const stuck = raw(server.port, [head]);
  await waitFor(() => server.metrics.render().includes('sluice_http_requests_open 1'), { what: 'the body to wait' });
  await server.close();
  expect((await stuck).closed).toBe(true);
});

test('closing twice is closing once', async () => {
  const server = await serve();
  await Promise.all([server.close(), server.close()]);
  await server.close();
});

test('HEAD tells the length and leaves the connection as good as GET does', async () => {
  const server = await serve();
  const ask = onOneConnection(server.port);
  for (const path of ['/healthz', '/nothing']) {
    const got = await ask('GET', path);
    expect([await ask('HEAD', path), await ask('HEAD', path), await ask('GET', path)]).toEqual([got, got, got]);
  }
});
