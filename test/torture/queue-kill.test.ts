/**
 * Queues through kills at random moments, with members that refuse, break off and come back: each key in order, nothing
 * lost, nothing again whose acknowledgement was answered.
 */
import { expect, it } from 'vitest';
import { type Client, connect, type QueuedRecord } from '#client';
import { freePort, seed, seededRandom, startServer, tempDir, waitFor } from '#kit';
import { rounds } from './length.ts';

const KEYS = 60;
const PARTITIONS = 4;
const MEMBERS = 3;
const BURST = 15;
const BURST_MS = 5;
/** What a server that is dead for a while does not take must not pile up, or the end is long. */
const UNDONE_MAX = 1_500;

class Tally {
  sent = 0;
  /** Key → numbers whose work was done, at least once. */
  readonly worked = new Map<string, Set<number>>();
  /** Values whose acknowledgement was answered. */
  readonly answered = new Set<string>();
  readonly problems: string[] = [];
  refused = 0;

  take(key: string, number: number): void {
    const done = this.worked.get(key) ?? new Set<number>();
    this.worked.set(key, done);
    if (this.answered.has(`${key}:${number}`)) this.problems.push(`${key}:${number} came again`);
    if (number > 0 && !done.has(number - 1)) this.problems.push(`${key}:${number} came before ${number - 1} was done`);
  }

  get done(): number {
    let count = 0;
    for (const numbers of this.worked.values()) count += numbers.size;
    return count;
  }
}

async function produce(client: Client, tally: Tally, isOver: () => boolean): Promise<void> {
  const producer = client.producer({ topic: 't', lingerMs: 2, deliveryTimeoutMs: 600_000 });
  await producer.prepare();
  while (!isOver()) {
    for (let i = 0; i < BURST && tally.sent - tally.done < UNDONE_MAX; i++) {
      const n = tally.sent++;
      const key = `key-${n % KEYS}`;
      if (!producer.push(Buffer.from(key), Buffer.from(`${key}:${Math.floor(n / KEYS)}`))) await producer.ready();
    }
    await new Promise((resolve) => setTimeout(resolve, BURST_MS));
  }
  await producer.close();
}

it('keeps each key in order and what was acknowledged done', async () => {
  const random = seededRandom();
  process.stderr.write(`queue-kill: SLUICE_SEED=${seed()}\n`);
  const cycles = rounds(5, 100);
  const [dataDir, port] = [await tempDir(), await freePort()];
  const args = ['--limit', 'segmentBytes=4194304'];
  let server = await startServer({ dataDir, port, args });
  const client = connect({ url: server.url });
  await client.admin.createTopic('t', { partitions: PARTITIONS });
  const tally = new Tally();
  let over = false;
  const producing = produce(client, tally, () => over);

  const members = Array.from({ length: MEMBERS }, () => {
    const own = connect({ url: server.url });
    const options = { topic: 't', mode: 'queue', group: 'g', from: 'earliest', maxAttempts: 0, backoffMs: 5 } as const;
    return { own, consumer: own.consumer({ ...options, backoffMaxMs: 50, visibilityMs: 5_000 }) };
  });
  const running = members.map(({ consumer }) => {
    const work = async (record: QueuedRecord) => {
      const [key = '', number = ''] = Buffer.from(record.value ?? [])
        .toString()
        .split(':');
      tally.take(key, Number(number));
      await new Promise((resolve) => setTimeout(resolve, random() * 3));
      if (random() < 0.05) {
        tally.refused++;
        throw new Error('not this time');
      }
      tally.worked.get(key)?.add(Number(number));
      // What a lost connection leaves open is tried again by whoever gets it.
      const acknowledged = consumer.ackDurably(record);
      if (
        await acknowledged.then(
          () => true,
          () => false,
        )
      )
        tally.answered.add(`${key}:${number}`);
    };
    return consumer.run(work, { concurrency: 20 });
  });

  for (let cycle = 0; cycle < cycles; cycle++) {
    await new Promise((resolve) => setTimeout(resolve, 100 + random() * 500));
    await server.kill();
    server = await startServer({ dataDir, port, args });
  }
  over = true;
  await producing;
  await waitFor(() => tally.done === tally.sent, { what: 'every record to be done', timeoutMs: 120_000 });
  expect(tally.problems).toEqual([]);
  expect(tally.refused).toBeGreaterThan(0);
  await waitFor(
    async () =>
      (await client.admin.group<{ partitions: { lag: number }[] }>('g')).partitions.every(({ lag }) => lag === 0),
    { what: 'the last acknowledgements' },
  );
  for (const { consumer } of members) await consumer.close();
  await Promise.all(running);
  for (const { own } of members) own.close();
  client.close();
  await server.stop();
});
