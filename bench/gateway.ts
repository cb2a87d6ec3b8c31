/** How many requests a second does the gateway pass on, beside nginx and @fastify/http-proxy? wrk drives them, one after the other. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { options } from './kit/options.ts';
import { fixed, printResult, printTable, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const NGINX = '/usr/sbin/nginx';
const BODY = 'x'.repeat(1_024);
const [UPSTREAM_PORT, NGINX_PORT, FASTIFY_PORT, GATEWAY_PORT] = [18_081, 18_082, 18_083, 18_084];

const NODE_UPSTREAM = `
import { createServer } from 'node:http';
createServer((request, response) => response.end('x'.repeat(1024))).listen(${UPSTREAM_PORT}, '127.0.0.1');`;
const FASTIFY = `
import Fastify from 'fastify';
import proxy from '@fastify/http-proxy';
const app = Fastify();
app.register(proxy, { upstream: 'http://127.0.0.1:${UPSTREAM_PORT}' });
await app.listen({ port: ${FASTIFY_PORT}, host: '127.0.0.1' });`;

/** Two workers for the proxy, as many as the gateway has threads; one for the upstream. */
function nginxConfig(folder: string, workers: number, server: string): string {
  return `daemon off; pid ${folder}/pid; error_log ${folder}/error.log crit; worker_processes ${workers};
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000;
  upstream up { server 127.0.0.1:${UPSTREAM_PORT}; keepalive 256; keepalive_requests 1000000; }
  server { ${server} } }`;
}

const children: ChildProcess[] = [];
process.once('exit', () => {
  for (const child of children) child.kill('SIGTERM');
});

function startNginx(workers: number, server: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-nginx-'));
  writeFileSync(join(folder, 'nginx.conf'), nginxConfig(folder, workers, server));
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

interface Figures {
  readonly perSecond: number;
  readonly p99: number;
  readonly errors: number;
}

function wrk(port: number, connections: number, seconds: number): Figures {
  const url = `http://127.0.0.1:${port}/`;
  const out = execFileSync('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', url], { encoding: 'utf8' });
  const [, p99 = '0', unit = 'ms'] = /99%\s+([\d.]+)(us|ms|s)/.exec(out) ?? [];
  const scale = { us: 0.001, ms: 1, s: 1_000 }[unit] ?? 1;
  const failed = /Non-2xx or 3xx responses: (\d+)/.exec(out)?.[1] ?? '0';
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(out)?.[1] ?? 0),
    p99: Number(p99) * scale,
    errors: Number(failed),
  };
}

async function startGateway(threads: number): Promise<ServerProcess> {
  const server = new ServerProcess(['--gateway-port', String(GATEWAY_PORT), '--gateway-threads', String(threads)]);
  await server.start();
  const put = async (path: string, spec: object) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${server.url}/v1/${path}`, { method: 'PUT', headers, body: JSON.stringify(spec) });
    if (!answer.ok) throw new Error(await answer.text());
  };
  await put('upstreams/up', { targets: [{ url: `http://127.0.0.1:${UPSTREAM_PORT}` }], networks: ['127.0.0.0/8'] });
  await put('routes/all', { path: '/{rest...}', upstream: 'up' });
  return server;
}

export async function run(): Promise<void> {
  const { seconds, threads } = options({ seconds: 5, threads: 2 });
  const hasNginx = existsSync(NGINX);
  if (hasNginx) {
    startNginx(1, `listen 127.0.0.1:${UPSTREAM_PORT}; location / { return 200 "${BODY}"; }`);
    const forward = `proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";`;
    startNginx(threads, `listen 127.0.0.1:${NGINX_PORT}; location / { ${forward} }`);
  } else startNode(NODE_UPSTREAM);
  startNode(FASTIFY);
  const server = await startGateway(threads);
  const ports = { sluice: GATEWAY_PORT, fastify: FASTIFY_PORT, ...(hasNginx ? { nginx: NGINX_PORT } : {}) };
  for (const port of Object.values(ports)) await ready(port);
  for (const connections of [100, 1_000]) {
    const found: Record<string, Figures> = {};
    for (const [name, port] of Object.entries(ports)) {
      wrk(port, connections, 1);
      found[name] = wrk(port, connections, seconds);
    }
    const { sluice, fastify, nginx } = found as Record<string, Figures | undefined>;
    const ratio = (other: Figures | undefined) =>
      sluice === undefined || other === undefined ? null : Number((sluice.perSecond / other.perSecond).toFixed(2));
    printTable(
      `gateway: 1 KB answers, ${connections} connections, ${threads} threads, upstream ${hasNginx ? 'nginx' : 'Node'}`,
      Object.entries(found).map(([name, one]) => [
        name,
        `${whole(one.perSecond)} requests/s, p99 ${fixed(one.p99)} ms, ${one.errors} errors`,
      ]),
    );
    printResult({
      bench: 'gateway',
      connections,
      p99_ms: sluice?.p99 ?? null,
      requests_per_s: Math.round(sluice?.perSecond ?? 0),
      errors: sluice?.errors ?? null,
      ratio_to_nginx: ratio(nginx),
      ratio_to_fastify: ratio(fastify),
    });
  }
  await server.stop();
}
