/** SIGKILL at random moments under load: nothing acknowledged is lost, nothing is doubled, order by key holds, offsets are dense. */
import { expect, it } from 'vitest';
import { type Client, connect } from '#client';
import { freePort, seed, seededRandom, startServer, tempDir, waitFor } from '#kit';
import { rounds } from './length.ts';

const KEYS = 40;
const PARTITIONS = 4;
const BURST = 100;
const BURST_MS = 4;
/** What a server that is dead for a while does not take must not pile up, or the end is long. */
const UNANSWERED_MAX = 10_000;

/** Every acknowledged record, told apart from what the log says of itself. */
class Journal {
  readonly acknowledged = new Map<string, { partition: number; offset: number }>();
  sent = 0;
}

/** Sends until `isOver`, each key counting up from 0; resolves when all that was sent is acknowledged. */
async function produce(client: Client, journal: Journal, isOver: () => boolean): Promise<void> {
  const producer = client.producer({ topic: 't', lingerMs: 2 });
  await producer.prepare();
  const answers: Promise<unknown>[] = [];
  while (!isOver()) {
    for (let i = 0; i < BURST && journal.sent - journal.acknowledged.size < UNANSWERED_MAX; i++) {
      const n = journal.sent++;
      const value = `${n % KEYS}:${Math.floor(n / KEYS)}`;
      const stored = producer.send({ key: `key-${n % KEYS}`, value });
      answers.push(stored.then((place) => journal.acknowledged.set(value, place)));
    }
    await new Promise((resolve) => setTimeout(resolve, BURST_MS));
  }
  await producer.close();
  await Promise.all(answers);
}

it('loses, doubles and reorders nothing that was acknowledged', async () => {
  const random = seededRandom();
  process.stderr.write(`kill: SLUICE_SEED=${seed()}\n`);
  const cycles = rounds(6, 200);
  const dataDir = await tempDir();
  const port = await freePort();
  let server = await startServer({ dataDir, port, args: ['--limit', 'segmentBytes=4194304'] });
  const client = connect({ url: server.url });
  await client.admin.createTopic('t', { partitions: PARTITIONS });
  const journal = new Journal();
  let over = false;
  const producing = produce(client, journal, () => over);
  for (let cycle = 0; cycle < cycles; cycle++) {
    await new Promise((resolve) => setTimeout(resolve, 50 + random() * 400));
    await server.kill();
    server = await startServer({ dataDir, port, args: ['--limit', 'segmentBytes=4194304'] });
  }
  over = true;
  await producing;
  expect(journal.acknowledged.size).toBe(journal.sent);

  const seen = new Map<string, string>();
  const next = new Array<number>(PARTITIONS).fill(0);
  const lastOfKey = new Map<string, number>();
  const consumer = client.consumer({ topic: 't', from: 'earliest' });
  const total = (await client.admin.partitions('t')).reduce((sum, { durable }) => sum + durable, 0);
  for await (const { partition, offset, value } of consumer) {
    const text = Buffer.from(value as Uint8Array).toString();
    expect(offset, `offsets of partition ${partition} are dense`).toBe(next[partition]);
    next[partition] = offset + 1;
    expect(seen.has(text), `${text} is stored once`).toBe(false);
    seen.set(text, `${partition}/${offset}`);
    const [key = '', count = ''] = text.split(':');
    expect(Number(count), `order of key ${key}`).toBe((lastOfKey.get(key) ?? -1) + 1);
    lastOfKey.set(key, Number(count));
    if (seen.size === total) break;
  }
  await consumer.close();
  for (const [value, { partition, offset }] of journal.acknowledged) {
    expect(seen.get(value), `${value} is where its acknowledgement said`).toBe(`${partition}/${offset}`);
  }
  expect(seen.size).toBe(journal.sent);
  client.close();
  await server.stop();
});

it('goes on after being stopped and continued', async () => {
  const server = await startServer();
  const client = connect({ url: server.url });
  await client.admin.createTopic('t', { partitions: PARTITIONS });
  const journal = new Journal();
  let over = false;
  const producing = produce(client, journal, () => over);
  await waitFor(() => journal.acknowledged.size > 1_000, { what: 'a thousand acknowledgements' });
  server.signal('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  server.signal('SIGCONT');
  const before = journal.acknowledged.size;
  await waitFor(() => journal.acknowledged.size > before + 1_000, { what: 'a thousand more' });
  over = true;
  await producing;
  expect(journal.acknowledged.size).toBe(journal.sent);
  const stored = (await client.admin.partitions('t')).reduce((sum, { durable }) => sum + durable, 0);
  expect(stored).toBe(journal.sent);
  client.close();
});
