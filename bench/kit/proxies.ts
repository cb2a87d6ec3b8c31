/** What the bench `gateway` compares: an upstream that answers 1 KB, nginx and @fastify/http-proxy before it, and Sluice. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { Asked } from './http-load.ts';
import { ServerProcess } from './server-process.ts';

const NGINX = '/usr/sbin/nginx';
const BODY = 'x'.repeat(1_024);
const [UPSTREAM_PORT, NGINX_PORT, FASTIFY_PORT, GATEWAY_PORT] = [18_081, 18_082, 18_083, 18_084];
const ISSUER = 'https://id.example';

const NODE_UPSTREAM = `
import { createServer } from 'node:http';
createServer((request, response) => response.end('x'.repeat(1024))).listen(${UPSTREAM_PORT}, '127.0.0.1');`;
const FASTIFY = `
import Fastify from 'fastify';
import proxy from '@fastify/http-proxy';
const app = Fastify();
app.register(proxy, { upstream: 'http://127.0.0.1:${UPSTREAM_PORT}' });
await app.listen({ port: ${FASTIFY_PORT}, host: '127.0.0.1' });`;

const hasNginx = existsSync(NGINX);
const children: ChildProcess[] = [];
process.once('exit', () => {
  for (const child of children) child.kill('SIGTERM');
});

function startNginx(workers: number, port: number, location: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-nginx-'));
  const config = `daemon off; pid ${folder}/pid; error_log ${folder}/error.log crit; worker_processes ${workers};
worker_rlimit_nofile 32768; events { worker_connections 16384; }
http { access_log off; keepalive_requests 1000000;
  upstream up { server 127.0.0.1:${UPSTREAM_PORT}; keepalive 256; keepalive_requests 1000000; }
  server { listen 127.0.0.1:${port} backlog=4096; location / { ${location} } } }`;
  writeFileSync(join(folder, 'nginx.conf'), config);
  children.push(spawn(NGINX, ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'inherit' }));
}

function startNode(script: string): void {
  children.push(spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' }));
}

async function ready(port: number): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      if ((await (await fetch(`http://127.0.0.1:${port}/`)).text()) === BODY) return;
    } catch (error) {
      if (i > 200) throw error;
    }
    if (i > 200) throw new Error(`port ${port} does not answer as it should`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A gateway with a route for each mode: plain; key, rate limit and access record; JWT. */
class GatewayUnderTest {
  readonly server: ServerProcess;
  #admin = '';

  constructor(threads: number) {
    this.server = new ServerProcess(['--gateway-port', String(GATEWAY_PORT), '--gateway-threads', String(threads)]);
  }

  async put(path: string, spec: object): Promise<Record<string, unknown>> {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (this.#admin !== '') headers['authorization'] = `Bearer ${this.#admin}`;
    const url = `${this.server.url}/v1/${path}`;
    const answer = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(spec) });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  }

  async start(): Promise<Record<'plain' | 'full' | 'jwt', Asked>> {
    await this.server.start();
    const upstream = 'up';
    const access_log = { enabled: false };
    await this.put(`upstreams/${upstream}`, {
      targets: [{ url: `http://127.0.0.1:${UPSTREAM_PORT}` }],
      networks: ['127.0.0.0/8'],
    });
    await this.put('routes/plain', { path: '/{rest...}', upstream, access_log });
    // Never reached: what is measured is what counting costs.
    const limits = [{ name: 'calls', limit: 1_000_000_000, window_s: 3_600, by: ['client'] }];
    await this.put('routes/full', { path: '/full/{rest...}', upstream, auth: 'key', rate_limits: { limits } });
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const keys = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }];
    const issuers = [{ issuer: ISSUER, audiences: ['bench'], algorithms: ['ES256'], keys }];
    await this.put('routes/jwt', { path: '/jwt/{rest...}', upstream, access_log, jwt: { issuers } });
    const token = await new SignJWT({ sub: 'one' })
      .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'JWT' })
      .setIssuer(ISSUER)
      .setAudience('bench')
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(privateKey);
    this.#admin = keyIn(await this.put('clients/ops', { scopes: ['admin'] }));
    const caller = keyIn(await this.put('clients/caller', { scopes: ['call:full'] }));
    const port = GATEWAY_PORT;
    return {
      plain: { port, path: '/', headers: [] },
      full: { port, path: '/full/', headers: [`x-api-key: ${caller}`] },
      jwt: { port, path: '/jwt/', headers: [`authorization: Bearer ${token}`] },
    };
  }

  /** One record, acknowledged once it is on the disk. */
  async produce(topic: string): Promise<void> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${this.#admin}` };
    const body = '{"records":[{"value":1}]}';
    const answer = await fetch(`${this.server.url}/v1/topics/${topic}/records`, { method: 'POST', headers, body });
    if (!answer.ok) throw new Error(await answer.text());
    await answer.arrayBuffer();
  }

  /** Routes beside the others that no request takes. */
  async addRoutes(count: number): Promise<void> {
    const access_log = { enabled: false };
    for (let i = 0; i < count; i++) {
      await this.put(`routes/more-${i}`, { path: `/more/${i}/{id}/items`, upstream: 'up', access_log });
    }
  }
}

function keyIn({ key }: Record<string, unknown>): string {
  return typeof key === 'string' ? key : (key as { key: string }).key;
}

export async function startProxies(threads: number) {
  if (hasNginx) {
    startNginx(1, UPSTREAM_PORT, `return 200 "${BODY}";`);
    startNginx(threads, NGINX_PORT, `proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";`);
  } else startNode(NODE_UPSTREAM);
  startNode(FASTIFY);
  const gateway = new GatewayUnderTest(threads);
  const routes = await gateway.start();
  const at = (port: number): Asked => ({ port, path: '/', headers: [] });
  for (const port of [UPSTREAM_PORT, FASTIFY_PORT, GATEWAY_PORT, ...(hasNginx ? [NGINX_PORT] : [])]) await ready(port);
  return {
    gateway,
    routes,
    direct: at(UPSTREAM_PORT),
    fastify: at(FASTIFY_PORT),
    nginx: hasNginx ? at(NGINX_PORT) : undefined,
  };
}
