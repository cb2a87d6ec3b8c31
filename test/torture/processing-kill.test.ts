/**
 * A server that dies at labelled points of a processor's commit, over and over, with records coming in all the while: what
 * came out in the end is what one uninterrupted run gives. Nothing is lost, doubled, out of order or counted twice.
 */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { type Client, type ConsumedRecord, connect } from '#client';
import { freePort, seed, seededRandom, startServer, tempDir, waitFor } from '#kit';
import { rounds } from './length.ts';

const PROCESSORS = fileURLToPath(new URL('../../dist/test/processors', import.meta.url));
const POINTS = ['before-commit', 'after-commit', 'before-answer'];
const ACCOUNTS = 10;
const PARTITIONS = 4;
const BURST = 20;
const BURST_MS = 5;
/** What a server that dies at once does not take must not pile up. */
const UNANSWERED_MAX = 1_000;
const CYCLE_MS_MAX = 2_000;

async function contents(client: Client, topic: string): Promise<ConsumedRecord[]> {
  const total = (await client.admin.partitions(topic)).reduce((sum, { durable }) => sum + durable, 0);
  const records: ConsumedRecord[] = [];
  if (total === 0) return records;
  for await (const record of client.consumer({ topic, from: 'earliest' })) {
    if (records.push(record) === total) break;
  }
  return records;
}

const parsed = <T>({ value }: ConsumedRecord): T => JSON.parse(Buffer.from(value ?? []).toString()) as T;

it('is exactly once, wherever the server dies', async () => {
  const random = seededRandom();
  process.stderr.write(`processing: SLUICE_SEED=${seed()}\n`);
  const cycles = rounds(6, 200);
  const dataDir = await tempDir();
  const port = await freePort();
  const args = ['--processors', PROCESSORS, '--workers', '2', '--limit', 'segmentBytes=8388608'];
  const start = (crashAt: string) => startServer({ dataDir, port, args, env: { SLUICE_CRASH_AT: crashAt } });
  let server = await start('');
  const client = connect({ url: server.url });
  for (const topic of ['entries', 'booked', 'totals', 'minutes'])
    await client.admin.createTopic(topic, { partitions: PARTITIONS });
  await client.admin.createTopic('owners', { cleanup: 'compact' });
  await client.admin.put('processors', 'ledger', { module: 'ledger.js' });
  let sent = 0;
  let over = false;
  // The server is dead for most of the time, so a record may wait long.
  const producer = client.producer({ topic: 'entries', lingerMs: 2, deliveryTimeoutMs: 900_000 });
  await producer.prepare();
  const producing = (async () => {
    const answers: Promise<unknown>[] = [];
    let answered = 0;
    while (!over) {
      for (let i = 0; i < BURST && sent - answered < UNANSWERED_MAX; i++, sent++) {
        const account = `a${sent % ACCOUNTS}`;
        const record = { key: account, value: { n: sent, account, amount: sent }, timestamp: 60_000 + sent * 100 };
        answers.push(producer.send(record).then(() => answered++));
      }
      await new Promise((resolve) => setTimeout(resolve, BURST_MS));
    }
    await producer.close();
    await Promise.all(answers);
  })();
  await server.kill();
  for (let cycle = 0; cycle < cycles; cycle++) {
    const point = POINTS[Math.floor(random() * POINTS.length)];
    server = await start(`${point}:${1 + Math.floor(random() * 25)}`);
    await Promise.race([server.exited, new Promise((resolve) => setTimeout(resolve, CYCLE_MS_MAX))]);
    await server.kill();
  }
  server = await start('');
  over = true;
  await producing;
  const lag = async () => (await client.admin.call<{ lag: number }>('GET', '/v1/processors/ledger/status')).lag;
  await waitFor(async () => (await lag()) === 0, { what: 'everything to be processed', timeoutMs: 60_000 });

  const booked = (await contents(client, 'booked')).map((one) => parsed<{ n: number; account: string }>(one));
  expect(booked.length).toBe(sent);
  const last = new Map<string, number>();
  for (const { n, account } of booked) {
    expect(n, `order and number of ${account}`).toBe(
      (last.get(account) ?? Number(account.slice(1)) - ACCOUNTS) + ACCOUNTS,
    );
    last.set(account, n);
  }
  const totals = new Map<string, { total: number; count: number }>();
  for (const one of await contents(client, 'totals')) {
    const { account, total, count } = parsed<{ account: string; total: number; count: number }>(one);
    expect(count).toBeGreaterThan(totals.get(account)?.count ?? 0);
    totals.set(account, { total, count });
  }
  for (let a = 0; a < ACCOUNTS; a++) {
    const count = Math.ceil((sent - a) / ACCOUNTS);
    const total = (count * (2 * a + (count - 1) * ACCOUNTS)) / 2;
    expect(totals.get(`a${a}`), `the total of account ${a}`).toEqual({ total, count });
  }
  const windows = new Set<string>();
  for (const one of await contents(client, 'minutes')) {
    const { window, value } = parsed<{ window: { start: number }; value: number }>(one);
    const id = `${Buffer.from(one.key ?? []).toString()}@${window.start}`;
    expect(windows.has(id), `window ${id} closes once`).toBe(false);
    windows.add(id);
    // 600 records a minute, ten accounts.
    expect(value, `records in ${id}`).toBe(600 / ACCOUNTS);
  }
  expect(windows.size).toBeGreaterThan(0);
  client.close();
  await server.stop();
}, 900_000);
