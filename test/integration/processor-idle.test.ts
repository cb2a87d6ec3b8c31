/** Processors whose inputs fall silent, on the built server. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { connect } from '#client';
import { startServer, waitFor } from '#kit';

const PROCESSORS = fileURLToPath(new URL('../../dist/test/processors', import.meta.url));

it('closes the windows of a partition that has fallen silent once others go on, where idle_ms is set', async () => {
  const server = await startServer({ args: ['--processors', PROCESSORS, '--workers', '1'] });
  const client = connect({ url: server.url });
  for (const topic of ['entries', 'booked', 'totals']) await client.admin.createTopic(topic, { partitions: 2 });
  await client.admin.createTopic('minutes', { partitions: 1 });
  await client.admin.createTopic('owners', { cleanup: 'compact' });
  const producer = client.producer({ topic: 'entries' });
  const send = (partition: number, n: number, timestamp: number) => {
    const account = `a${partition}`;
    return producer.send({ partition, key: account, value: { n, account, amount: n }, timestamp });
  };
  /** The windows that have closed, each by a record. */
  const closed = async () => (await client.admin.partitions('minutes')).reduce((sum, { durable }) => sum + durable, 0);
  await send(0, 1, 60_000);
  await send(1, 2, 60_000);
  await send(1, 3, 600_000);
  await client.admin.put('processors', 'ledger', { module: 'ledger.js' });
  await waitFor(async () => (await closed()) === 1, { what: 'the window of the partition that goes on' });
  const lag = async () => (await client.admin.call<{ lag: number }>('GET', '/v1/processors/ledger/status')).lag;
  await waitFor(async () => (await lag()) === 0, { what: 'everything to be read' });
  expect(await closed()).toBe(1);

  await client.admin.put('processors', 'ledger', { module: 'ledger.js', idle_ms: 100 });
  let n = 4;
  const followed = async () => {
    await send(1, n, 600_000 + n++);
    return (await closed()) === 2;
  };
  await waitFor(followed, { what: 'the window of the silent partition', timeoutMs: 60_000 });
  const refused = client.admin.put('processors', 'ledger', { module: 'ledger.js', idle_ms: 1 });
  await expect(refused).rejects.toMatchObject({ status: 400 });
  await producer.close();
  client.close();
});
