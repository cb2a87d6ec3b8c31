/** Processors on the built server: deployed, paused, moved, replaced; misbehaving code; a slow one beside a fast producer. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { type Client, type ConsumedRecord, connect } from '#client';
import { freePort, startServer, tempDir, waitFor } from '#kit';

const PROCESSORS = fileURLToPath(new URL('../../dist/test/processors', import.meta.url));
const args = ['--processors', PROCESSORS, '--workers', '2'];

interface Status {
  readonly state: string;
  readonly lag: number;
  readonly error: { readonly code: string } | null;
  readonly activity: { readonly dead: number; readonly records: number; readonly errors: number } | null;
}

const statusOf = (client: Client, name: string) => client.admin.call<Status>('GET', `/v1/processors/${name}/status`);

async function settled(client: Client, name: string): Promise<Status> {
  await waitFor(async () => (await statusOf(client, name)).lag === 0, {
    what: `${name} to read everything`,
    timeoutMs: 60_000,
  });
  return statusOf(client, name);
}

/** Everything a topic holds now. */
async function contents(client: Client, topic: string): Promise<ConsumedRecord[]> {
  const total = (await client.admin.partitions(topic)).reduce((sum, { start, durable }) => sum + durable - start, 0);
  const records: ConsumedRecord[] = [];
  if (total === 0) return records;
  for await (const record of client.consumer({ topic, from: 'earliest' })) {
    records.push(record);
    if (records.length === total) break;
  }
  return records;
}

const parsed = <T>({ value }: ConsumedRecord): T => JSON.parse(Buffer.from(value ?? []).toString()) as T;
const keyOf = ({ key }: ConsumedRecord): string => Buffer.from(key ?? []).toString();

async function sendAll(client: Client, topic: string, values: readonly object[], key = (i: number) => `k${i % 7}`) {
  const producer = client.producer({ topic });
  await Promise.all(values.map((value, i) => producer.send({ key: key(i), value, timestamp: 60_000 + i })));
  await producer.close();
}

async function ledger() {
  const dataDir = await tempDir();
  const port = await freePort();
  const server = await startServer({ dataDir, port, args });
  const client = connect({ url: server.url });
  for (const topic of ['entries', 'booked', 'totals', 'minutes'])
    await client.admin.createTopic(topic, { partitions: 4 });
  await client.admin.createTopic('owners', { cleanup: 'compact' });
  return { server, client, dataDir, port };
}

const entry = (n: number) => ({ n, account: `a${n % 5}`, amount: n });

it('maps, totals and joins, and goes on where it stopped after a pause, a new version and a restart', async () => {
  const { server, client, dataDir, port } = await ledger();
  await sendAll(client, 'owners', [{ name: 'Ada' }], () => 'a0');
  await client.admin.put('processors', 'ledger', { module: 'ledger.js' });
  // Keyed by account, so that all of an account lie in one partition.
  const account = (i: number) => `a${i % 5}`;
  await sendAll(
    client,
    'entries',
    Array.from({ length: 500 }, (_, i) => entry(i)),
    account,
  );
  expect(await settled(client, 'ledger')).toMatchObject({ state: 'running', error: null });

  await client.admin.call('POST', '/v1/processors/ledger/pause');
  await sendAll(
    client,
    'entries',
    Array.from({ length: 500 }, (_, i) => entry(500 + i)),
    account,
  );
  expect(await statusOf(client, 'ledger')).toMatchObject({ state: 'paused', lag: 500 });
  await server.stop();
  const again = await startServer({ dataDir, port, args });
  expect(await statusOf(client, 'ledger')).toMatchObject({ state: 'paused', lag: 500 });
  await client.admin.call('POST', '/v1/processors/ledger/resume');
  await settled(client, 'ledger');
  await client.admin.put('processors', 'ledger', { module: 'ledger.js', description: 'the second version' });
  await sendAll(
    client,
    'entries',
    Array.from({ length: 500 }, (_, i) => entry(1_000 + i)),
    account,
  );
  await settled(client, 'ledger');

  const booked = (await contents(client, 'booked')).map((one) => parsed<{ n: number; owner: string | null }>(one));
  expect(booked.map(({ n }) => n).sort((a, b) => a - b)).toEqual(Array.from({ length: 1_500 }, (_, n) => n));
  expect(booked.every(({ n, owner }) => owner === (n % 5 === 0 ? 'Ada' : null))).toBe(true);
  const totals = new Map<string, unknown>();
  for (const one of await contents(client, 'totals')) totals.set(keyOf(one), parsed(one));
  for (let a = 0; a < 5; a++) {
    const numbers = Array.from({ length: 300 }, (_, i) => i * 5 + a);
    const total = numbers.reduce((sum, n) => sum + n, 0);
    expect(totals.get(`a${a}`)).toEqual({ account: `a${a}`, total, count: 300 });
    const answer = await client.admin.call('GET', `/v1/processors/ledger/state?operator=totals&key=a${a}`);
    expect(answer).toMatchObject({ entries: [{ key: `a${a}`, value: { total, count: 300 } }] });
  }
  client.close();
  await again.stop();
});

it('begins again from an earlier place with an empty state, or keeps the state', async () => {
  const { client } = await ledger();
  await client.admin.put('processors', 'ledger', { module: 'ledger.js' });
  await sendAll(
    client,
    'entries',
    Array.from({ length: 100 }, (_, i) => entry(i)),
    () => 'one',
  );
  await settled(client, 'ledger');
  const countOf = async () => {
    const found = await client.admin.call<{ entries: { value: { count: number } }[] }>(
      'GET',
      '/v1/processors/ledger/state?operator=totals&key=a1',
    );
    return found.entries[0]?.value.count;
  };
  expect(await countOf()).toBe(20);
  const reset = (body: object) => client.admin.call('POST', '/v1/processors/ledger/reset', body);
  await reset({ to: 'earliest' });
  await settled(client, 'ledger');
  expect(await countOf()).toBe(20);
  await reset({ to: 'earliest', state: 'keep' });
  await settled(client, 'ledger');
  expect(await countOf()).toBe(40);
  expect((await contents(client, 'booked')).length).toBe(300);
  await expect(reset({ to: 'sideways' })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  client.close();
});

it('reads a topic that was deleted and made again from its beginning', async () => {
  const { client } = await ledger();
  await client.admin.put('processors', 'ledger', { module: 'ledger.js' });
  const numbers = (from: number) => Array.from({ length: 20 }, (_, i) => entry(from + i));
  await sendAll(client, 'entries', numbers(0));
  await settled(client, 'ledger');
  await client.admin.delete('topics', 'entries');
  await client.admin.createTopic('entries', { partitions: 4 });
  await sendAll(client, 'entries', numbers(100));
  await waitFor(async () => (await contents(client, 'booked')).length === 40, { what: 'the new ones too' });
  expect(await settled(client, 'ledger')).toMatchObject({ state: 'running', error: null });
  client.close();
});

it('refuses what does not load or fit, and leaves the version that runs', async () => {
  const { client } = await ledger();
  const put = (spec: object) => client.admin.put('processors', 'ledger', spec);
  await put({ module: 'ledger.js' });
  await expect(put({ module: 'missing.js' })).rejects.toMatchObject({ code: 'PROCESSOR_INVALID' });
  await expect(put({ module: '../kit/index.js' })).rejects.toMatchObject({ code: 'PROCESSOR_INVALID' });
  await expect(put({})).rejects.toMatchObject({ code: 'RESOURCE_INVALID' });
  await expect(client.admin.put('processors', 'other', { module: 'misbehaving.js' })).rejects.toMatchObject({
    code: 'PROCESSOR_INVALID',
  });
  await expect(statusOf(client, 'other')).rejects.toMatchObject({ code: 'RESOURCE_UNKNOWN' });
  await sendAll(client, 'entries', [entry(1)]);
  expect(await settled(client, 'ledger')).toMatchObject({ state: 'running' });
  await client.admin.delete('processors', 'ledger');
  await expect(statusOf(client, 'ledger')).rejects.toMatchObject({ code: 'RESOURCE_UNKNOWN' });
  client.close();
});

it('gives up on records that fail, loop, eat memory or end the thread, and on no other', async () => {
  const server = await startServer({ args: [...args, '--limit', `workerHeapBytesMax=${128 * 1024 * 1024}`] });
  const client = connect({ url: server.url });
  for (const topic of ['orders', 'done']) await client.admin.createTopic(topic, { partitions: 2 });
  await client.admin.put('processors', 'misbehaving', {
    module: 'misbehaving.js',
    run_ms: 4_000,
    attempts_max: 2,
    backoff_ms: 10,
  });
  const acts = ['throw', 'loop', 'eat', 'exit'];
  const values = Array.from({ length: 40 }, (_, n) => (n % 10 === 5 ? { n, act: acts[(n - 5) / 10] } : { n }));
  await sendAll(client, 'orders', values);
  const status = await settled(client, 'misbehaving');
  expect(status).toMatchObject({ state: 'running', activity: { dead: 4, records: 36 } });
  const done = (await contents(client, 'done')).map((one) => parsed<{ n: number }>(one).n).sort((a, b) => a - b);
  expect(done).toEqual(values.flatMap((value) => ('act' in value ? [] : [value.n])));
  const dead = await contents(client, 'sys.dead.orders');
  const facts = dead.map((one) => {
    const header = (name: string) =>
      Buffer.from(one.headers.find(({ key }) => key === `sluice-dead-${name}`)?.value ?? []).toString();
    return [parsed<{ act: string }>(one).act, header('code'), header('attempts'), header('source')];
  });
  expect(facts.sort()).toEqual(
    [
      ['throw', 'PROCESSOR_FAILED'],
      ['loop', 'PROCESSOR_TIMEOUT'],
      ['eat', 'PROCESSOR_MEMORY'],
      ['exit', 'PROCESSOR_CRASHED'],
    ]
      .map(([act, code]) => [act, code, '2', 'processor:misbehaving'])
      .sort(),
  );
  client.close();
}, 120_000);

it('lets a slow processor slow nothing but itself, in bounded memory', async () => {
  const server = await startServer({ args: [...args, '--limit', `processingInFlightBytesMax=${4 * 1024 * 1024}`] });
  const client = connect({ url: server.url });
  for (const topic of ['plenty', 'few', 'elsewhere']) await client.admin.createTopic(topic, { partitions: 1 });
  await client.admin.put('processors', 'slow', { module: 'slow.js' });
  const metric = async (name: string) => {
    const page = await (await fetch(`${server.url}/metrics`)).text();
    return page
      .split('\n')
      .filter((line) => line.startsWith(name))
      .map((line) => Number(line.split(' ').at(-1)));
  };
  const send = async (topic: string) => {
    const producer = client.producer({ topic });
    const value = Buffer.alloc(1_000, 1);
    await Promise.all(Array.from({ length: 20_000 }, () => producer.send({ key: 'k', value })));
    await producer.close();
  };
  const [heapBefore = 0] = await metric('sluice_heap_bytes');
  for (let i = 0; i < 4; i++) {
    await send('plenty');
    await send('elsewhere');
    const used = (await metric('sluice_processing_credit_used_bytes')).reduce((sum, bytes) => sum + bytes, 0);
    expect(used).toBeLessThanOrEqual(4 * 1024 * 1024);
  }
  const [heapAfter = 0] = await metric('sluice_heap_bytes');
  expect(heapAfter - heapBefore).toBeLessThan(128 * 1024 * 1024);
  const { lag } = await statusOf(client, 'slow');
  expect(lag).toBeGreaterThan(40_000);
  await client.admin.delete('processors', 'slow');
  client.close();
}, 60_000);

it('applies named transformations without any code, with a look-up, a filter and an expression', async () => {
  const server = await startServer({ args });
  const client = connect({ url: server.url });
  await client.admin.createTopic('raw', { partitions: 2 });
  await client.admin.createTopic('clean', { partitions: 2 });
  await client.admin.createTopic('countries', { cleanup: 'compact' });
  await sendAll(client, 'countries', [{ name: 'Austria' }], () => 'AT');
  const put = (transformations: readonly object[]) =>
    client.admin.put('processors', 'clean', { input: 'raw', output: 'clean', transformations });
  await expect(put([{ type: 'uppercase' }])).rejects.toMatchObject({ code: 'TRANSFORM_INVALID' });
  await expect(put([{ type: 'levitate', field: 'a' }])).rejects.toMatchObject({ code: 'TRANSFORM_INVALID' });
  await put([
    { type: 'filter', condition: 'amount > 0' },
    { type: 'uppercase', field: 'code' },
    { type: 'lookup', table: 'countries', key: 'code', target: 'country' },
    { type: 'rename', field: 'amount', target: 'total' },
    { type: 'expression', expression: '$sum([total, 1])', target: 'next' },
  ]);
  const headers = { trace: 'abc' };
  const producer = client.producer({ topic: 'raw' });
  await producer.send({ key: 'k', value: { code: 'at', amount: 2 }, headers, timestamp: 77 });
  await producer.send({ key: 'k', value: { code: 'at', amount: 0 } });
  await producer.send({ key: 'k', value: null });
  await producer.close();
  await settled(client, 'clean');
  const [first, second, ...others] = await contents(client, 'clean');
  expect(parsed(first as ConsumedRecord)).toEqual({ code: 'AT', total: 2, next: 3, country: { name: 'Austria' } });
  expect([keyOf(first as ConsumedRecord), first?.timestamp]).toEqual(['k', 77]);
  expect(first?.headers.map(({ key, value }) => [key, Buffer.from(value ?? []).toString()])).toEqual([
    ['trace', 'abc'],
  ]);
  expect([second?.value, others]).toEqual([null, []]);
  client.close();
});
