/** The system calls themselves: before each answer to an fsync-level produce, its commit was synced to the disk. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lacking, startServer, tempDir, waitFor } from '#kit';

const REQUESTS = 20;

it.skipIf(lacking('strace'))('syncs before it answers', async () => {
  const server = await startServer();
  const url = `${server.url}/v1/topics/t`;
  const json = { 'content-type': 'application/json' };
  expect((await fetch(url, { method: 'PUT', headers: json, body: '{}' })).ok).toBe(true);
  const trace = join(await tempDir(), 'trace');
  const calls = 'trace=fdatasync,fsync,sendto,write,writev,sendmsg';
  const strace = spawn('strace', ['-f', '-s', '40', '-e', calls, '-o', trace, '-p', String(server.pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let attached = '';
  strace.stderr.on('data', (data: Buffer) => {
    attached += data.toString();
  });
  const ended = new Promise((resolve) => strace.once('exit', resolve));
  await waitFor(() => attached.includes('attached'), { what: 'strace to attach' });
  for (let i = 0; i < REQUESTS; i++) {
    const answer = await fetch(`${url}/records`, { method: 'POST', headers: json, body: '{"records":[{"value":1}]}' });
    expect(answer.status).toBe(200);
    await answer.text();
  }
  strace.kill('SIGINT');
  await ended;
  let synced = 0;
  let answers = 0;
  for (const line of readFileSync(trace, 'utf8').split('\n')) {
    if (/(fdatasync|fsync)(\(\d+\)| resumed>\)) += 0/.test(line)) synced++;
    if (!line.includes('HTTP/1.1 200')) continue;
    answers++;
    expect(synced, `a sync before answer ${answers}`).toBeGreaterThan(0);
    synced = 0;
  }
  expect(answers).toBe(REQUESTS);
  await server.stop();
});
