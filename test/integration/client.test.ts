/** The TypeScript client against the built server. */
import { expect, it } from 'vitest';
import { type Client, type ConsumedRecord, type Consumer, connect } from '#client';
import { freePort, startServer, tempDir, waitFor } from '#kit';

async function collect(consumer: Consumer, count: number): Promise<ConsumedRecord[]> {
  const records: ConsumedRecord[] = [];
  for await (const record of consumer) {
    records.push(record);
    if (records.length === count) break;
  }
  return records;
}

function textOf(record: ConsumedRecord): string {
  return Buffer.from(record.value ?? []).toString();
}

async function sendNumbers(client: Client, from: number, to: number, topic = 't'): Promise<void> {
  const producer = client.producer({ topic });
  const sends: Promise<unknown>[] = [];
  for (let n = from; n < to; n++) sends.push(producer.send({ key: `k${n % 7}`, value: String(n) }));
  await producer.flush();
  await Promise.all(sends);
  await producer.close();
}

it.each(['none', 'gzip', 'snappy'] as const)('stores and reads records, compression %s', async (compression) => {
  const server = await startServer();
  const client = connect({ url: server.url });
  await client.admin.createTopic('t', { partitions: 1 });
  const producer = client.producer({ topic: 't', compression });
  const headers = { trace: 'abc' };
  const stored = await producer.send({ key: 'k', value: { a: 1 }, headers, timestamp: 1_700_000_000_000 });
  expect(stored).toEqual({ partition: 0, offset: 0 });
  await producer.send({ value: null });
  const [first, second] = await collect(client.consumer({ topic: 't', from: 'earliest' }), 2);
  expect(first).toMatchObject({ offset: 0, partition: 0, timestamp: 1_700_000_000_000 });
  expect(Buffer.from(first?.key ?? []).toString()).toBe('k');
  expect(JSON.parse(textOf(first as ConsumedRecord))).toEqual({ a: 1 });
  expect(first?.headers.map((header) => [header.key, Buffer.from(header.value ?? []).toString()])).toEqual([
    ['trace', 'abc'],
  ]);
  expect(second?.value).toBeNull();
  client.close();
});

it('consumes across a killed and restarted server without a gap or a repeat', async () => {
  const dataDir = await tempDir();
  const port = await freePort();
  let server = await startServer({ dataDir, port });
  const client = connect({ url: server.url });
  await client.admin.createTopic('t', { partitions: 3 });
  await sendNumbers(client, 0, 500);
  const seen: string[] = [];
  const consumer = client.consumer({ topic: 't', from: 'earliest' });
  const running = consumer.run((record) => void seen.push(textOf(record)));
  await waitFor(() => seen.length === 500, { what: 'the first 500' });
  await server.kill();
  server = await startServer({ dataDir, port });
  await sendNumbers(client, 500, 1_000);
  await waitFor(() => seen.length >= 1_000, { what: 'the other 500' });
  expect(new Set(seen).size).toBe(1_000);
  expect(seen.length).toBe(1_000);
  await consumer.close();
  await running;
  client.close();
});

it('shares a topic in a group, and hands partitions over when a member leaves', async () => {
  const server = await startServer();
  const clients = [connect({ url: server.url }), connect({ url: server.url })] as const;
  await clients[0].admin.createTopic('t', { partitions: 4 });
  const seen: [number[], number[]] = [[], []];
  const consumers = clients.map((client) => client.consumer({ topic: 't', group: 'g', from: 'earliest' }));
  const running = consumers.map((consumer, member) =>
    consumer.run((record) => void seen[member]?.push(Number(textOf(record)))),
  );
  await waitFor(() => consumers.every((consumer) => consumer.assignment().size === 2), { what: 'two partitions each' });
  await sendNumbers(clients[0], 0, 1_000);
  await waitFor(() => seen[0].length + seen[1].length === 1_000, { what: 'all records once' });
  await (consumers[1] as Consumer).close();
  await waitFor(() => consumers[0]?.assignment().size === 4, { what: 'all partitions with the one left' });
  await sendNumbers(clients[0], 1_000, 2_000);
  await waitFor(() => seen[0].length + seen[1].length >= 2_000, { what: 'the rest' });
  expect(new Set([...seen[0], ...seen[1]]).size).toBe(2_000);
  expect(seen[0].length + seen[1].length).toBe(2_000);
  await (consumers[0] as Consumer).close();
  await Promise.all(running);
  const group = await clients[0].admin.group<{ partitions: { lag: number }[] }>('g');
  expect(group.partitions.map(({ lag }) => lag)).toEqual([0, 0, 0, 0]);
  for (const client of clients) client.close();
});

it('fails the sends of one refused batch and goes on with the rest', async () => {
  const server = await startServer({ args: ['--limit', 'batchBytesMax=20000', '--limit', 'recordBytesMax=15000'] });
  const client = connect({ url: server.url });
  await client.admin.createTopic('t', { partitions: 1 });
  const producer = client.producer({ topic: 't', lingerMs: 0, batchBytes: 10_000 });
  const results = await Promise.allSettled([
    producer.send({ value: 'a' }).then(() => producer.send({ value: 'b' })),
    producer.send({ value: 'x'.repeat(50_000) }),
  ]);
  expect(results[0]?.status).toBe('fulfilled');
  expect((results[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'BATCH_TOO_LARGE' });
  expect((await producer.send({ value: 'c' })).offset).toBe(2);
  client.close();
});

it('stores what was on its way before and behind a refused batch once, in order', async () => {
  const server = await startServer({ args: ['--limit', 'batchBytesMax=20000', '--limit', 'recordBytesMax=15000'] });
  const client = connect({ url: server.url });
  await client.admin.createTopic('t', { partitions: 1 });
  const producer = client.producer({ topic: 't', lingerMs: 0, batchBytes: 1_000 });
  await producer.prepare();
  const values = Array.from({ length: 60 }, (_, i) => (i % 7 === 3 ? 'x'.repeat(30_000) : `${i} ${'.'.repeat(1_000)}`));
  const results = await Promise.allSettled(values.map((value) => producer.send({ value })));
  const stored = results.flatMap((result) => (result.status === 'fulfilled' ? result.value.offset : []));
  expect(stored).toEqual(stored.map((_, i) => i));
  expect(stored.length).toBe(values.filter((value) => value.length < 15_000).length);
  const [partition] = await client.admin.partitions('t');
  expect(partition?.durable).toBe(stored.length);
  client.close();
});

it('fences the earlier holder of a producer name', async () => {
  const server = await startServer();
  const [one, two] = [connect({ url: server.url }), connect({ url: server.url })];
  await one.admin.createTopic('t', { partitions: 1 });
  const first = one.producer({ topic: 't', name: 'billing' });
  await first.send({ value: '1' });
  const second = two.producer({ topic: 't', name: 'billing' });
  await second.send({ value: '2' });
  await expect(first.send({ value: '3' })).rejects.toMatchObject({ code: 'PRODUCER_FENCED' });
  one.close();
  two.close();
});

it('rejects what needs a connection when there is no server', async () => {
  const client = connect({ url: `http://127.0.0.1:${await freePort()}` });
  await expect(client.connection.ready(300)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  await expect(client.admin.createTopic('t')).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  client.close();
});

it('keeps the order of sends that come before it knows the topic, and asks once', async () => {
  const server = await startServer();
  const client = connect({ url: server.url });
  await client.admin.createTopic('t', { partitions: 1 });
  const producer = client.producer({ topic: 't' });
  const sends = Array.from({ length: 5_000 }, (_, n) => producer.send({ key: 'k', value: String(n) }));
  expect((await Promise.all(sends)).map(({ offset }) => offset)).toEqual(sends.map((_, n) => n));
  const page = await (await fetch(`${server.url}/metrics`)).text();
  const asked = page
    .split('\n')
    .find((line) => /^sluice_http_answers_total.*topics\/\{[a-z]+\}.*partitions/.test(line));
  expect(Number(asked?.split(' ').at(-1))).toBe(1);
  client.close();
});
