/** How many records a second does a keyed count over a million keys take, and how soon is its state back after a kill? */
import { connect } from '#client';
import { options } from './kit/options.ts';
import { drained, fill, PROCESSORS, timeProcessor } from './kit/processing.ts';
import { fixed, formatBytes, printResult, printTable, spread, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const PARTITIONS = 8;
const BATCH_RECORDS = 500;
/** Steps through all keys in an order that is not theirs. */
const STRIDE = 611_953;

interface Run {
  readonly perSecond: number;
  readonly restoreSeconds: number;
  readonly stateBytes: number;
  readonly keys: number;
}

interface Status {
  readonly partitions: readonly { readonly state_entries: number; readonly state_bytes: number }[];
}

async function measure(records: number, keys: number, workers: number): Promise<Run> {
  const server = new ServerProcess(['--processors', PROCESSORS, '--workers', String(workers)]);
  await server.start();
  const client = connect({ url: server.url });
  await client.admin.createTopic('in', { partitions: PARTITIONS });
  await fill(server.url, 'in', PARTITIONS, records / BATCH_RECORDS, (batch) =>
    Array.from({ length: BATCH_RECORDS }, (_, i) => {
      const n = batch * BATCH_RECORDS + i;
      return { key: Buffer.from(`key-${(n * STRIDE) % keys}`), value: Buffer.alloc(90, n), timestamp: 1 };
    }),
  );
  const seconds = await timeProcessor(client, 'count', { module: 'count.js' });
  await server.kill();
  // One more record for each partition: it is counted when the state is back.
  const startedAt = performance.now();
  await server.start();
  await fill(server.url, 'in', PARTITIONS, PARTITIONS, () => [{ key: Buffer.from('last'), timestamp: 1 }]);
  await drained(client, 'count');
  const restoreSeconds = (performance.now() - startedAt) / 1000;
  const { partitions } = await client.admin.call<Status>('GET', '/v1/processors/count/status');
  client.close();
  await server.stop();
  return {
    perSecond: records / seconds,
    restoreSeconds,
    stateBytes: partitions.reduce((sum, { state_bytes }) => sum + state_bytes, 0),
    keys: partitions.reduce((sum, { state_entries }) => sum + state_entries, 0),
  };
}

export async function run(): Promise<void> {
  const { records, keys, repeat, workers } = options({ records: 2_000_000, keys: 1_000_000, repeat: 3, workers: 1 });
  const runs: Run[] = [];
  for (let i = 0; i < repeat; i++) runs.push(await measure(records, keys, workers));
  const rate = spread(runs.map(({ perSecond }) => perSecond));
  const restore = spread(runs.map(({ restoreSeconds }) => restoreSeconds));
  const last = runs.at(-1) as Run;
  printTable(`aggregate: count by key over ${whole(keys)} keys, ${workers} worker(s), exactly once, fsync`, [
    ['records/s', `${whole(rate.median)} (${whole(rate.min)} to ${whole(rate.max)}, ${repeat} runs)`],
    ['kill -9 to counting again', `${fixed(restore.median)} s (the start of the server included)`],
    ['state', `${whole(last.keys)} entries, about ${formatBytes(last.stateBytes)} in the worker`],
  ]);
  printResult({
    bench: 'aggregate',
    records_per_s: Math.round(rate.median),
    min: Math.round(rate.min),
    max: Math.round(rate.max),
    restore_s: Number(restore.median.toFixed(2)),
    keys,
    workers,
    record_bytes: 100,
    durability: 'fsync',
  });
}
