/** Flipped and truncated bytes in the store: found, told, and never served as if they were records. */
import { copyFileSync, cpSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { connect } from '#client';
import { runCli, seed, seededRandom, startServer, tempDir } from '#kit';
import { rounds } from './length.ts';

const RECORDS = 4_000;
const LIMITS = ['--limit', 'segmentBytes=4194304'];

function valueAt(n: number): string {
  return JSON.stringify({ n, filler: 'x'.repeat(1_000 + (n % 500)) });
}

/** A stopped store of known records in several segments. */
async function makeStore(): Promise<string> {
  const server = await startServer({ args: LIMITS });
  const client = connect({ url: server.url });
  await client.admin.createTopic('t', { partitions: 1 });
  const producer = client.producer({ topic: 't' });
  await producer.prepare();
  for (let n = 0; n < RECORDS; n++) producer.push(null, Buffer.from(valueAt(n)));
  await producer.close();
  client.close();
  await server.stop();
  return server.dataDir;
}

interface Page {
  readonly records: readonly { readonly offset: number; readonly value: unknown }[];
  readonly next: number;
  readonly durable: number;
}

/** Reads everything over HTTP, going past what is quarantined; the number of places that were refused. */
async function readChecked(url: string): Promise<number> {
  let refused = 0;
  for (let offset = 0; ; ) {
    const answer = await fetch(`${url}/v1/topics/t/partitions/0/records?offset=${offset}&max_bytes=1048576`);
    if (!answer.ok) {
      const problem = (await answer.json()) as { code: string; next?: number; durable?: number };
      if (problem.code === 'OFFSET_OUT_OF_RANGE') return refused;
      expect(problem.code).toBe('BATCH_QUARANTINED');
      expect(problem.next).toBeGreaterThan(offset);
      refused++;
      offset = problem.next as number;
      continue;
    }
    const page = (await answer.json()) as Page;
    for (const record of page.records) expect(JSON.stringify(record.value)).toBe(valueAt(record.offset));
    if (page.next >= page.durable) return refused;
    offset = page.next;
  }
}

it('never serves a damaged batch, whatever byte of the store is flipped or cut off', async () => {
  const random = seededRandom();
  process.stderr.write(`damage: SLUICE_SEED=${seed()}\n`);
  const whole = await makeStore();
  const outcomes = { served: 0, refusedToOpen: 0, quarantined: 0 };
  for (let round = 0; round < rounds(8, 150); round++) {
    const dataDir = await tempDir();
    cpSync(whole, dataDir, { recursive: true });
    const folder = join(dataDir, 'segments');
    const files = readdirSync(folder).filter((name) => name.endsWith('.mdb'));
    const path = join(folder, files[Math.floor(random() * files.length)] as string);
    if (round % 4 === 3) truncateSync(path, Math.floor(random() * statSync(path).size));
    else flip(path, random, 1 + Math.floor(random() * 20));
    const verify = await runCli(['verify', dataDir, '--json']);
    try {
      const server = await startServer({ dataDir, args: LIMITS });
      const refused = await readChecked(server.url);
      if (refused > 0) {
        outcomes.quarantined++;
        expect(verify.code, 'verify finds what a reader finds').toBe(1);
      } else outcomes.served++;
      expect((await server.stop()).code).toBe(0);
    } catch (error) {
      // Not to open is allowed, saying why; to crash is not.
      expect(String(error)).toMatch(/STORE_CORRUPT/);
      outcomes.refusedToOpen++;
    }
  }
  process.stderr.write(`damage: ${JSON.stringify(outcomes)}\n`);
});

function flip(path: string, random: () => number, count: number): void {
  const bytes = readFileSync(path);
  for (let i = 0; i < count; i++) {
    const at = Math.floor(random() * bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << Math.floor(random() * 8));
  }
  writeFileSync(path, bytes);
}

/** Turns a bit in every place of the segments that holds the text. */
function damage(dataDir: string, text: string): number {
  let count = 0;
  for (const name of readdirSync(join(dataDir, 'segments')).filter((file) => file.endsWith('.mdb'))) {
    const path = join(dataDir, 'segments', name);
    const bytes = readFileSync(path);
    for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) {
      bytes[at] = (bytes[at] as number) ^ 1;
      count++;
    }
    writeFileSync(path, bytes);
  }
  return count;
}

it('opens without the part of the history that is damaged, and not at all without a document', async () => {
  const first = await startServer();
  const client = connect({ url: first.url });
  await client.admin.createTopic('kept', { partitions: 3 });
  client.close();
  await first.stop();
  const dataDir = await tempDir();
  cpSync(first.dataDir, dataDir, { recursive: true });
  // What only the history says.
  expect(damage(first.dataDir, '"action":')).toBeGreaterThan(0);
  const server = await startServer({ dataDir: first.dataDir });
  const again = connect({ url: server.url });
  expect(await again.admin.partitions('kept')).toHaveLength(3);
  expect((await runCli(['verify', first.dataDir, '--json'])).code).not.toBe(0);
  await again.admin.createTopic('more', {});
  again.close();
  expect((await server.stop()).code).toBe(0);

  expect(damage(dataDir, '"name":"kept"')).toBeGreaterThan(1);
  await expect(startServer({ dataDir })).rejects.toThrow('STORE_CORRUPT');
});

it('says which process holds a store, and takes over a lock that a crash left', async () => {
  const server = await startServer();
  const second = await runCli(['serve', '--data', server.dataDir, '--port', '0']);
  expect(second.stderr).toContain('STORE_LOCKED');
  expect(second.code).toBe(1);
  const lock = join(server.dataDir, 'store.lock');
  const kept = join(await tempDir(), 'lock');
  copyFileSync(lock, kept);
  await server.stop();
  copyFileSync(kept, lock);
  const again = await startServer({ dataDir: server.dataDir });
  await again.stop();
});
