/** The gateway before nginx: connections used again, large and compressed bodies as they are, targets that come and go. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { freePort, lacking, tempDir, waitFor } from '#kit';
import { load, startGateway } from './gateway-fixture.ts';
import { raw } from './http-fixture.ts';

const NGINX = 'nginx';
const TEXT = 'hello from nginx, many times over. '.repeat(1_000);

/** One nginx that serves a folder, says its name, and counts what it is asked over which connection. */
async function startNginx(
  name: string,
  folder: string,
  taken?: number,
): Promise<{ port: number; child: ChildProcess }> {
  const port = taken ?? (await freePort());
  const own = await tempDir();
  const config = `daemon off; master_process off; pid ${own}/pid; error_log ${own}/error.log crit;
events { worker_connections 512; }
http { access_log off; default_type text/plain; client_body_temp_path ${own}/body; proxy_temp_path ${own}/proxy;
  fastcgi_temp_path ${own}/fastcgi; uwsgi_temp_path ${own}/uwsgi; scgi_temp_path ${own}/scgi;
  gzip on; gzip_min_length 100; gzip_types text/plain; gzip_proxied any;
  server { listen 127.0.0.1:${port}; root ${folder}; add_header x-target ${name};
    add_header x-connection "$connection/$connection_requests";
    location = /up { client_max_body_size 0; return 200 "taken"; } } }`;
  await writeFile(join(own, 'nginx.conf'), config);
  const child = spawn(NGINX, ['-p', own, '-e', join(own, 'error.log'), '-c', join(own, 'nginx.conf')], {
    stdio: 'inherit',
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await waitFor(async () => (await fetch(`http://127.0.0.1:${port}/text`)).ok, { what: `${name} to listen` });
  return { port, child };
}

async function documents() {
  const folder = await tempDir();
  const large = randomBytes(8 * 1024 * 1024);
  await writeFile(join(folder, 'text'), TEXT);
  await writeFile(join(folder, 'large.bin'), large);
  return { folder, large };
}

describe.skipIf(lacking('nginx'))('before nginx', () => {
  test('connections are used again, and bodies pass as they are', async () => {
    const { folder, large } = await documents();
    const { port } = await startNginx('one', folder);
    const gateway = await startGateway(['--gateway-threads', '1']);
    await gateway.serve([port]);
    const connections = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const answer = await gateway.get('/text');
      expect(await answer.text()).toBe(TEXT);
      connections.add(answer.headers.get('x-connection')?.split('/')[0] ?? '');
    }
    expect(connections.size).toBe(1);
    const got = Buffer.from(await (await gateway.get('/large.bin')).arrayBuffer());
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(digest(got)).toBe(digest(large));
    const part = await gateway.get('/large.bin', { range: 'bytes=100-199' });
    expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, large.subarray(100, 200)]);
    const sent = await fetch(`${gateway.url}/up`, { method: 'POST', body: large });
    expect([sent.status, await sent.text()]).toEqual([200, 'taken']);
  });

  test('a compressed answer stays compressed, and validators work', async () => {
    const { folder } = await documents();
    const { port } = await startNginx('one', folder);
    const gateway = await startGateway(['--gateway-threads', '1']);
    await gateway.serve([port]);
    const request = 'GET /text HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n';
    const { answers } = await raw(port, [request], 1);
    const zipped = await gateway.get('/text', { 'accept-encoding': 'gzip' });
    expect(answers[0]?.headers['content-encoding']).toBe('gzip');
    expect([zipped.headers.get('content-encoding'), await zipped.text()]).toEqual(['gzip', TEXT]);
    expect(gunzipSync(await rawBody(gateway.port)).toString()).toBe(TEXT);
    const etag = (await gateway.get('/large.bin', { range: 'bytes=0-0' })).headers.get('etag') ?? '';
    const same = await gateway.get('/large.bin', { 'if-none-match': etag });
    expect([etag === '', same.status, await same.text()]).toEqual([false, 304, '']);
  });

  test('of three, one may die under load and come back, and no GET fails', async () => {
    const { folder } = await documents();
    const all = await Promise.all(['a', 'b', 'c'].map((name) => startNginx(name, folder)));
    const gateway = await startGateway();
    const ports = all.map(({ port }) => port);
    await gateway.serve(ports, { breaker: { open_ms: 100, open_ms_max: 200 }, slow_start_ms: 0 });
    const running = load(`${gateway.url}/text`, 8);
    await waitFor(() => running.count() > 300, { what: 'load' });
    all[1]?.child.kill('SIGKILL');
    const killed = running.count();
    await waitFor(() => running.count() > killed + 500, { what: 'the others to take over' });
    await startNginx('b2', folder, ports[1]);
    await waitFor(async () => (await gateway.get('/text')).headers.get('x-target') === 'b2', { what: 'it to be back' });
    const { answers, failures } = await running.stop();
    expect(failures).toEqual([]);
    expect([...answers.keys()]).toEqual(expect.arrayContaining(['a', 'b', 'c']));
  });
});

/** The bytes of a compressed answer in one piece: HTTP/1.0 is not spoken here, so chunks are put together by hand. */
async function rawBody(port: number): Promise<Buffer> {
  const { connect } = await import('node:net');
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /text HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n');
  let all = Buffer.alloc(0);
  socket.on('data', (data) => {
    all = Buffer.concat([all, data]);
  });
  await waitFor(() => all.subarray(-5).toString() === '0\r\n\r\n', { what: 'the last chunk' });
  socket.destroy();
  let at = all.indexOf('\r\n\r\n') + 4;
  const pieces: Buffer[] = [];
  for (;;) {
    const end = all.indexOf('\r\n', at);
    const bytes = Number.parseInt(all.subarray(at, end).toString(), 16);
    if (bytes === 0) return Buffer.concat(pieces);
    pieces.push(all.subarray(end + 2, end + 2 + bytes));
    at = end + 2 + bytes + 2;
  }
}
