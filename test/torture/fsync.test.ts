/**
 * The system calls themselves: before each answer to an fsync-level produce its commit was synced to the disk, and a meta
 * page was written only when all it leads to had been, so that a power cut leaves a file whose newest meta page is sound.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lacking, startServer, tempDir, waitFor } from '#kit';

const REQUESTS = 20;
/** A segment's first two pages are its meta pages. */
const META_BYTES = 8192;
const WRITE = /pwrite\w*\((\d+)<.*\/segments\/[^>]*>.*, (\d+)(?:\)| <unfinished)/;
const SYNC_BEGUN = /fdatasync\(\d+<.*\/segments\/[^>]*>/;

/** Open flag: a write to it returns when the disk has it. Linux. */
const O_DSYNC = 0o10000;

interface Trace {
  readonly answers: number;
  /** Descriptors that meta pages were written to. */
  readonly metaFiles: ReadonlySet<string>;
  readonly metaWrites: number;
}

/** Walks a trace of all threads, in the order in which calls began and ended. */
function check(lines: readonly string[]): Trace {
  let answers = 0;
  const metaFiles = new Set<string>();
  let metaWrites = 0;
  let commits = 0;
  let unsynced = 0;
  const syncing = new Map<string, number>();
  for (const line of lines) {
    const thread = line.split(' ')[0] as string;
    const [, file = '', place = '-1'] = WRITE.exec(line) ?? [];
    const offset = Number(place);
    if (offset >= META_BYTES) unsynced++;
    else if (offset >= 0) {
      expect(unsynced, 'pages a meta page leads to and that are not synced').toBe(0);
      metaFiles.add(file);
      metaWrites++;
      commits++;
    }
    if (SYNC_BEGUN.test(line)) syncing.set(thread, unsynced);
    if (syncing.has(thread) && /(fdatasync\(.*\)|fdatasync resumed>\)) += 0/.test(line)) {
      unsynced -= syncing.get(thread) as number;
      syncing.delete(thread);
    }
    if (!line.includes('HTTP/1.1 200')) continue;
    answers++;
    expect(commits, `a commit before answer ${answers}`).toBeGreaterThan(0);
    expect(unsynced, `pages not synced at answer ${answers}`).toBe(0);
    commits = 0;
  }
  return { answers, metaFiles, metaWrites };
}

it.skipIf(lacking('strace'))('syncs before it answers, and pages before the meta page', async () => {
  const server = await startServer();
  const url = `${server.url}/v1/topics/t`;
  const json = { 'content-type': 'application/json' };
  expect((await fetch(url, { method: 'PUT', headers: json, body: '{}' })).ok).toBe(true);
  const trace = join(await tempDir(), 'trace');
  const calls = 'trace=fdatasync,pwrite64,pwritev,sendto,write,writev,sendmsg';
  const strace = spawn('strace', ['-f', '-y', '-s', '40', '-e', calls, '-o', trace, '-p', String(server.pid)], {
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
  const { answers, metaFiles, metaWrites } = check(readFileSync(trace, 'utf8').split('\n'));
  for (const file of metaFiles) {
    const flags = /flags:\s+([0-7]+)/.exec(readFileSync(`/proc/${server.pid}/fdinfo/${file}`, 'utf8'))?.[1];
    expect(Number.parseInt(flags as string, 8) & O_DSYNC, 'meta pages are written through to the disk').not.toBe(0);
  }
  expect(metaWrites).toBeGreaterThanOrEqual(REQUESTS);
  expect(answers).toBe(REQUESTS);
  await server.stop();
});
