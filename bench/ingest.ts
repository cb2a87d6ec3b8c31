/** How many records a second go from WebSocket batches to the disk, fsync before each acknowledgement? */
import { connect } from '#client';
import { type Cores, coresText, countCores } from './kit/cpu.ts';
import { LoadConnection, loadBatch, maskedFrame, RECORD_BYTES } from './kit/load.ts';
import { nativeIngest } from './kit/native.ts';
import { options } from './kit/options.ts';
import { fixed, percentile, printResult, printTable, spread, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const TOPIC = 'bench';

interface Run {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cores: Cores;
}

export async function measureIngest(
  server: ServerProcess,
  batchBytes: number,
  seconds: number,
  connections: number,
  window: number,
  partitions: number,
): Promise<Run> {
  const { batch, count } = loadBatch(batchBytes);
  const frames = Array.from({ length: partitions }, (_, partition) =>
    maskedFrame({ op: 'produce', id: 1, topic: TOPIC, partition, batch }),
  );
  const loads = await Promise.all(
    Array.from({ length: connections }, (_, i) =>
      LoadConnection.open(server.url, [...frames.slice(i % partitions), ...frames.slice(0, i % partitions)]),
    ),
  );
  for (const load of loads) load.start(window);
  await sleep(1);
  const before = loads.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  for (const load of loads) load.latencies.length = 0;
  const coresUsed = countCores(server);
  const startedAt = performance.now();
  await sleep(seconds);
  const cores = coresUsed();
  const elapsed = (performance.now() - startedAt) / 1000;
  const done = loads.reduce((sum, { acknowledged }) => sum + acknowledged, 0) - before;
  const latencies = loads.flatMap((load) => load.latencies);
  await Promise.all(loads.map((load) => load.drain()));
  const perSecond = (done * count) / elapsed;
  return { perSecond, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), cores };
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

export async function run(): Promise<void> {
  const { seconds, repeat, batchBytes, connections, windowBytes, partitions } = options({
    seconds: 5,
    repeat: 3,
    batchBytes: 0,
    connections: 4,
    windowBytes: 4_194_304,
    partitions: 8,
  });
  const sizes = batchBytes === 0 ? [65_536, 16_384, 4_096] : [batchBytes];
  for (const size of sizes) {
    const runs: Run[] = [];
    const native: number[] = [];
    for (let i = 0; i < repeat; i++) {
      const server = new ServerProcess();
      await server.start();
      const client = connect({ url: server.url });
      // Retention keeps the disk small; segments roll and are unlinked as in production.
      await client.admin.createTopic(TOPIC, { partitions, retention_bytes: 128 * 1024 * 1024 });
      client.close();
      runs.push(await measureIngest(server, size, seconds, connections, Math.ceil(windowBytes / size), partitions));
      await server.stop();
      const ceiling = nativeIngest(size, seconds);
      if (ceiling !== undefined) native.push(ceiling);
    }
    const perSecond = spread(runs.map((one) => one.perSecond));
    const ceiling = native.length === 0 ? undefined : spread(native).median;
    const ratio = ceiling === undefined ? null : Number((perSecond.median / ceiling).toFixed(2));
    printTable(
      `ingest: WebSocket batches of ${size} bytes, ${RECORD_BYTES}-byte records, ${partitions} partitions, fsync before ack`,
      [
        [
          'records/s',
          `${whole(perSecond.median)} (${whole(perSecond.min)} to ${whole(perSecond.max)}, ${repeat} runs)`,
        ],
        [
          'ack p50, p99',
          `${fixed(spread(runs.map((one) => one.p50)).median)} ms, ${fixed(spread(runs.map((one) => one.p99)).median)} ms`,
        ],
        ['processor', coresText(runs.map(({ cores }) => cores))],
        [
          'native ceiling',
          ceiling === undefined ? 'not built (make and gcc are needed)' : `${whole(ceiling)} records/s, ratio ${ratio}`,
        ],
      ],
    );
    printResult({
      bench: 'ingest',
      records_per_s: Math.round(perSecond.median),
      min: Math.round(perSecond.min),
      max: Math.round(perSecond.max),
      p50_ms: spread(runs.map((one) => one.p50)).median,
      p99_ms: spread(runs.map((one) => one.p99)).median,
      batch_bytes: size,
      record_bytes: RECORD_BYTES,
      durability: 'fsync',
      ratio_to_native: ratio,
    });
  }
}
