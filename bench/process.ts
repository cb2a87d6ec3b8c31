/** How many records a second does a stateless processor take from one topic to another, exactly once? */
import { Packr } from 'msgpackr';
import { connect } from '#client';
import { options } from './kit/options.ts';
import { fill, PROCESSORS, timeProcessor } from './kit/processing.ts';
import { redisMap } from './kit/redis-map.ts';
import { fixed, printResult, printTable, spread, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';
import { read } from './read.ts';

const PARTITIONS = 8;
const BATCH_RECORDS = 500;
const packr = new Packr({ useRecords: false });

/** An order whose JSON has about 100 bytes. */
export function order(n: number): object {
  return {
    id: 1_000_000 + n,
    customer: `customer-${n % 5_000}`,
    amount: (n % 10_000) / 100,
    note: 'as agreed by telephone, deliver',
  };
}

const encoders = {
  map: (n: number) => Buffer.from(JSON.stringify(order(n))),
  'map-msgpack': (n: number) => Buffer.from(packr.pack(order(n))),
};

interface Run {
  readonly perSecond: number;
  /** Of a plain read of the same topic by one connection, as batches. */
  readonly readPerSecond: number;
}

async function measure(module: keyof typeof encoders, workers: number, records: number): Promise<Run> {
  const server = new ServerProcess(['--processors', PROCESSORS, '--workers', String(workers)]);
  await server.start();
  const client = connect({ url: server.url });
  await client.admin.createTopic('in', { partitions: PARTITIONS });
  await client.admin.createTopic('out', { partitions: PARTITIONS });
  const encode = encoders[module];
  await fill(server.url, 'in', PARTITIONS, records / BATCH_RECORDS, (batch) =>
    Array.from({ length: BATCH_RECORDS }, (_, i) => ({ value: encode(batch * BATCH_RECORDS + i), timestamp: 1 })),
  );
  const readPerSecond = await read(server.url, records, 'batch', 'in');
  // The first deployment starts the threads and compiles; what is measured is the second.
  await timeProcessor(client, 'warm', { module: `${module}.js` });
  await client.admin.delete('processors', 'warm');
  const seconds = await timeProcessor(client, 'map', { module: `${module}.js` });
  const stored = (await client.admin.partitions('out')).reduce((sum, { durable }) => sum + durable, 0);
  client.close();
  await server.stop();
  if (stored !== records * 2) throw new Error(`${stored} records came out of two runs over ${records}`);
  return { perSecond: records / seconds, readPerSecond };
}

export async function run(): Promise<void> {
  const { records, repeat, redisRecords } = options({ records: 1_000_000, repeat: 3, redisRecords: 100_000 });
  const one: Run[] = [];
  const two: Run[] = [];
  const packed: Run[] = [];
  for (let i = 0; i < repeat; i++) {
    one.push(await measure('map', 1, records));
    two.push(await measure('map', 2, records));
    packed.push(await measure('map-msgpack', 1, records));
  }
  const rateOf = (runs: readonly Run[]) => spread(runs.map(({ perSecond }) => perSecond));
  const [json, json2, msgpack] = [rateOf(one), rateOf(two), rateOf(packed)];
  const plain = spread([...one, ...two].map(({ readPerSecond }) => readPerSecond));
  const redis = await redisMap(redisRecords, (n) => JSON.stringify(order(n)));
  printTable(`process: map over ${whole(records)} values of 100 bytes, log to log, exactly once, fsync`, [
    ['JSON, one worker', `${whole(json.median)} records/s (${whole(json.min)} to ${whole(json.max)}, ${repeat} runs)`],
    ['JSON, two workers', `${whole(json2.median)} records/s, ${fixed(json2.median / json.median)} times one`],
    ['plain read of the same topic', `${whole(plain.median)} records/s, one connection, as batches`],
    ['MessagePack, one worker', `${whole(msgpack.median)} records/s`],
    [
      'Redis Streams group, Node, appendfsync always',
      redis === undefined
        ? 'redis-server is not here'
        : `${whole(redis)} records/s, ours ${fixed(json.median / redis, 1)} times`,
    ],
  ]);
  printResult({
    bench: 'process',
    records_per_s: Math.round(json.median),
    min: Math.round(json.min),
    max: Math.round(json.max),
    two_workers_records_per_s: Math.round(json2.median),
    two_workers_ratio: Number((json2.median / json.median).toFixed(2)),
    read_records_per_s: Math.round(plain.median),
    msgpack_records_per_s: Math.round(msgpack.median),
    redis_records_per_s: redis === undefined ? null : Math.round(redis),
    ratio_to_redis: redis === undefined ? null : Number((json.median / redis).toFixed(1)),
    record_bytes: 100,
    durability: 'fsync',
  });
}
