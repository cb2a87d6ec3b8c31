/** Clients that are who their TLS certificate says: the built server with an authority of its own. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lacking, startServer, tempDir, waitFor } from '#kit';
import { LOOPBACK, startUpstream } from './gateway-fixture.ts';

/** An authority in a folder, and what it has signed. */
async function authority() {
  const folder = await tempDir();
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  const key = (name: string) => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    at(`${name}.key`),
  ];
  const root = (name: string) =>
    openssl('req', '-x509', ...key(name), '-out', at(`${name}.pem`), '-subj', `/CN=${name}`, '-days', '2');
  writeFileSync(at('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  root('ca');
  const sign = (name: string, subject: string, ca = 'ca', days = '2') => {
    openssl('req', ...key(name), '-out', at(`${name}.csr`), '-subj', subject);
    const by = ['-CA', at(`${ca}.pem`), '-CAkey', at(`${ca}.key`), '-CAcreateserial'];
    openssl(
      'x509',
      '-req',
      '-in',
      at(`${name}.csr`),
      ...by,
      '-out',
      at(`${name}.pem`),
      '-days',
      days,
      '-extfile',
      at('names'),
    );
  };
  return { at, root, sign };
}

test.skipIf(lacking('openssl'))('a certificate opens the routes of its client, and nothing else does', async () => {
  const { at, root, sign } = await authority();
  sign('server', '/CN=localhost');
  sign('till', '/O=Shop/CN=till');
  sign('robot', '/CN=robot');
  sign('stranger', '/CN=stranger');
  root('evil');
  sign('forged', '/O=Shop/CN=till', 'evil');
  const { port } = await startUpstream((incoming, answer) => void answer.end(JSON.stringify(incoming.headers)));
  const tls = ['--tls-cert', at('server.pem'), '--tls-key', at('server.key')];
  const server = await startServer({
    args: [...tls, '--client-ca', at('ca.pem'), '--gateway-port', '0', '--gateway-threads', '2'],
  });
  const [, gateway] = await waitFor(() => /gateway listening on (https:\S+)/.exec(server.stdout()), {
    what: 'the gateway',
  });
  const ca = readFileSync(at('ca.pem'));
  const call = (url: string, options: { method?: string; as?: string; key?: string; body?: object } = {}) =>
    new Promise<{ status: number; json: Record<string, string> }>((resolve, reject) => {
      const { method = 'GET', as, key, body } = options;
      const credentials =
        as === undefined ? {} : { cert: readFileSync(at(`${as}.pem`)), key: readFileSync(at(`${as}.key`)) };
      const headers = { 'content-type': 'application/json', ...(key === undefined ? {} : { 'x-api-key': key }) };
      const outgoing = request(url, { method, ca, agent: false, headers, ...credentials }, async (answer) => {
        const chunks: Buffer[] = [];
        for await (const chunk of answer) chunks.push(chunk as Buffer);
        resolve({ status: answer.statusCode ?? 0, json: JSON.parse(Buffer.concat(chunks).toString() || '{}') });
      });
      outgoing.on('error', reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  const put = async (path: string, body: object, key?: string) => {
    const answer = await call(`${server.url}/v1/${path}`, {
      method: 'PUT',
      body,
      ...(key === undefined ? {} : { key }),
    });
    expect([path, answer.status, answer.json['detail']]).toEqual([path, 201, undefined]);
    return answer.json;
  };
  await put('upstreams/main', { targets: [{ url: `http://127.0.0.1:${port}` }], networks: LOOPBACK });
  await put('routes/shop', { path: '/shop', upstream: 'main', auth: 'certificate' });
  const { key: admin = '' } = await put('clients/ops', { scopes: ['admin'] });
  const sha256 = new X509Certificate(readFileSync(at('robot.pem'))).fingerprint256.replaceAll(':', '').toLowerCase();
  await put('clients/till', { scopes: ['call:shop'], certificates: [{ subject: 'O=Shop,CN=till' }] }, admin);
  await put('clients/robot', { scopes: ['call:other'], certificates: [{ sha256 }] }, admin);

  const ask = (as?: string) => call(`${gateway}/shop`, as === undefined ? {} : { as });
  const known = await waitFor(
    async () => {
      const answer = await ask('till');
      return answer.status === 200 ? answer : undefined;
    },
    { what: 'the client to be known' },
  );
  expect(known.json['x-sluice-client']).toBe('till');
  expect((await ask()).json).toMatchObject({ status: 401, code: 'CERTIFICATE_MISSING' });
  expect((await ask('stranger')).json).toMatchObject({ status: 401, code: 'CERTIFICATE_UNKNOWN' });
  expect((await ask('robot')).json).toMatchObject({ status: 403, code: 'FORBIDDEN', scope: 'call:shop' });
  await expect(ask('forged')).rejects.toThrow(/unknown ca|alert|ECONNRESET|EPIPE/i);
  const gone = await call(`${server.url}/v1/clients/till`, { method: 'DELETE', key: admin });
  expect(gone.status).toBe(204);
  await waitFor(async () => (await ask('till')).json['code'] === 'CERTIFICATE_UNKNOWN', {
    what: 'the client to be forgotten',
  });
});

test('without authorities no route can ask for certificates, and authorities need TLS', async () => {
  const server = await startServer({ args: ['--gateway-port', '0', '--gateway-threads', '1'] });
  const put = (path: string, body: object) =>
    fetch(`${server.url}/v1/${path}`, {
      method: 'PUT',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
  await put('upstreams/main', { targets: [{ url: 'http://127.0.0.1:1' }], networks: LOOPBACK });
  const refused = await put('routes/shop', { path: '/shop', upstream: 'main', auth: 'certificate' });
  expect(await refused.json()).toMatchObject({ code: 'RESOURCE_INVALID', field: 'auth' });
  await expect(startServer({ args: ['--client-ca', 'any.pem'] })).rejects.toThrow('CONFIG_INVALID');
});
