/** Queues through the TypeScript client, on the built server. */
import { expect, it } from 'vitest';
import { type Client, connect } from '#client';
import { freePort, startServer, tempDir, waitFor } from '#kit';

async function send(client: Client, count: number, keys: number): Promise<void> {
  const producer = client.producer({ topic: 't' });
  for (let n = 0; n < count; n++) {
    void producer.send({ key: `k${n % keys}`, value: String(n), headers: { n: String(n) } });
  }
  await producer.close();
}

it('begins, through the client, to work on many at a time: acknowledged on return, refused on throw', async () => {
  const server = await startServer();
  const client = connect({ url: server.url });
  await client.admin.createTopic('t', { partitions: 4 });
  await send(client, 200, 20);
  const consumer = client.consumer({
    topic: 't',
    mode: 'queue',
    group: 'g',
    from: 'earliest',
    backoffMs: 10,
    maxAttempts: 3,
  });
  const last = new Map<string, number>();
  const busy = new Set<string>();
  let done = 0;
  let most = 0;
  const running = consumer.run(
    async ({ key, value, headers, attempt }) => {
      const name = Buffer.from(key ?? []).toString();
      const n = Number(Buffer.from(value ?? []).toString());
      expect(headers.map((header) => Buffer.from(header.value ?? []).toString())).toEqual([String(n)]);
      expect(busy.has(name)).toBe(false);
      expect(n).toBeGreaterThanOrEqual(last.get(name) ?? 0);
      busy.add(name);
      last.set(name, n);
      most = Math.max(most, busy.size);
      await new Promise((resolve) => setTimeout(resolve, 1));
      busy.delete(name);
      if (n === 77) throw new Error('never this one');
      if (n % 50 === 0 && attempt < 3) throw new Error('not yet');
      done++;
    },
    { concurrency: 10 },
  );
  await waitFor(() => done === 199, { what: 'all but one' });
  await waitFor(async () => (await client.admin.deadBoxes()).length === 1, { what: 'the dead letter' });
  expect((await client.admin.deadLetters('t')).letters).toMatchObject([
    {
      source: 'group:g',
      attempts: 3,
      code: 'NACKED',
      message: 'never this one',
      stack: expect.stringContaining('Error'),
    },
  ]);
  expect(most).toBeGreaterThan(1);
  await consumer.close();
  await running;
  const group = await client.admin.group<{ partitions: { lag: number }[] }>('g');
  expect(group.partitions.map(({ lag }) => lag)).toEqual([0, 0, 0, 0]);
  client.close();
});

it('goes on, through the client, after the server was killed, with what was not acknowledged', async () => {
  const [dataDir, port] = [await tempDir(), await freePort()];
  let server = await startServer({ dataDir, port });
  const client = connect({ url: server.url });
  await client.admin.createTopic('t', { partitions: 2 });
  await send(client, 300, 7);
  const consumer = client.consumer({ topic: 't', mode: 'queue', group: 'g', from: 'earliest', permits: 50 });
  const seen = new Set<number>();
  const durable = new Set<number>();
  let killed = false;
  const repeats: number[] = [];
  const running = (async () => {
    for await (const record of consumer) {
      const n = Number(Buffer.from(record.value ?? []).toString());
      if (durable.has(n)) repeats.push(n);
      seen.add(n);
      if (seen.size > 100 && !killed) {
        killed = true;
        await server.kill();
        server = await startServer({ dataDir, port });
      } else if (!killed) await consumer.ackDurably(record).then(() => durable.add(n));
    }
  })();
  await waitFor(() => seen.size === 300, { what: 'every record' });
  expect(repeats).toEqual([]);
  await consumer.close();
  await running;
  client.close();
});
