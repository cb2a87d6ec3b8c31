/** How many records a second does one connection read from the past: as batches, as MessagePack records, and to many at once? */
import { connect } from '#client';
import { measureIngest } from './ingest.ts';
import { decodeAnswers, maskedFrame, RawConnection, RECORD_BYTES } from './kit/load.ts';
import { options } from './kit/options.ts';
import { printResult, printTable, spread, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const TOPIC = 'bench';
const PERMITS = 4_000_000;

/** Reads from the start until `records` were delivered; records a second. Each frame's count stands in its head. */
export async function read(
  url: string,
  records: number,
  format: 'batch' | 'records',
  topic: string = TOPIC,
): Promise<number> {
  const connection = await RawConnection.open(url);
  let received = 0;
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    connection.onMessage = (payload) => {
      for (const answer of decodeAnswers(payload)) {
        if (answer.op === 'error') throw new Error(JSON.stringify(answer));
        if (answer.op !== 'records') continue;
        const count = format === 'batch' ? (answer['count'] as number) : (answer['records'] as unknown[]).length;
        received += count;
        connection.socket.write(maskedFrame({ op: 'permit', sub: 1, records: count }));
      }
      if (received >= records) resolve();
    };
    connection.socket.write(maskedFrame({ op: 'subscribe', id: 1, topic, from: 'earliest', permits: PERMITS, format }));
  });
  const rate = received / ((performance.now() - startedAt) / 1000);
  connection.close();
  return rate;
}

export async function run(): Promise<void> {
  const { seconds, repeat, fanOut } = options({ seconds: 5, repeat: 3, fanOut: 100 });
  const server = new ServerProcess();
  await server.start();
  const client = connect({ url: server.url });
  await client.admin.createTopic(TOPIC, { partitions: 8 });
  await measureIngest(server, 65_536, seconds, 4, 32, 8);
  const stored = (await client.admin.partitions(TOPIC)).reduce((sum, { durable }) => sum + durable, 0);
  client.close();
  const batches: number[] = [];
  const records: number[] = [];
  for (let i = 0; i < repeat; i++) {
    batches.push(await read(server.url, stored, 'batch'));
    records.push(await read(server.url, Math.min(stored, 2_000_000), 'records'));
  }
  const each = Math.min(stored, 1_000_000);
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: fanOut }, () => read(server.url, each, 'batch')));
  const fanned = (each * fanOut) / ((performance.now() - startedAt) / 1000);
  await server.stop();
  printTable(`read: catch-up over one WebSocket, ${RECORD_BYTES}-byte records, ${whole(stored)} stored`, [
    [
      'as batches',
      `${whole(spread(batches).median)} records/s (${whole(spread(batches).min)} to ${whole(spread(batches).max)})`,
    ],
    ['as MessagePack records', `${whole(spread(records).median)} records/s (decoded by the reader)`],
    [`${fanOut} readers at once`, `${whole(fanned)} records/s in all`],
  ]);
  printResult({
    bench: 'read',
    records_per_s: Math.round(spread(batches).median),
    min: Math.round(spread(batches).min),
    max: Math.round(spread(batches).max),
    msgpack_records_per_s: Math.round(spread(records).median),
    fan_out: fanOut,
    fan_out_records_per_s: Math.round(fanned),
    record_bytes: RECORD_BYTES,
    durability: 'fsync',
    ratio_to_native: null,
  });
}
