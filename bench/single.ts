/** How many records a second, one in each WebSocket message, pipelined, fsync before each acknowledgement? */
import { randomBytes } from 'node:crypto';
import { connect } from '#client';
import { type Cores, coresText, countCores } from './kit/cpu.ts';
import { LoadConnection, maskedFrame, RECORD_BYTES } from './kit/load.ts';
import { options } from './kit/options.ts';
import { fixed, percentile, printResult, printTable, spread, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const TOPIC = 'bench';
const FRAMES = 64;

export async function run(): Promise<void> {
  const { seconds, repeat, connections, window } = options({ seconds: 5, repeat: 3, connections: 2, window: 4096 });
  const rates: number[] = [];
  const p50: number[] = [];
  const p99: number[] = [];
  const cores: Cores[] = [];
  for (let i = 0; i < repeat; i++) {
    const server = new ServerProcess();
    await server.start();
    const client = connect({ url: server.url });
    await client.admin.createTopic(TOPIC, { partitions: 8 });
    client.close();
    const value = randomBytes(RECORD_BYTES);
    const frames = Array.from({ length: FRAMES }, (_, n) =>
      maskedFrame({ op: 'produce', id: n, topic: TOPIC, records: [{ key: `key-${n}`, value }] }),
    );
    const loads = await Promise.all(Array.from({ length: connections }, () => LoadConnection.open(server.url, frames)));
    for (const load of loads) load.start(window);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const before = loads.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
    for (const load of loads) load.latencies.length = 0;
    const coresUsed = countCores(server);
    const startedAt = performance.now();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const done = loads.reduce((sum, { acknowledged }) => sum + acknowledged, 0) - before;
    cores.push(coresUsed());
    rates.push(done / ((performance.now() - startedAt) / 1000));
    const latencies = loads.flatMap((load) => load.latencies);
    p50.push(percentile(latencies, 0.5));
    p99.push(percentile(latencies, 0.99));
    await Promise.all(loads.map((load) => load.drain()));
    await server.stop();
  }
  const rate = spread(rates);
  printTable(
    `single: one ${RECORD_BYTES}-byte record a WebSocket message, ${connections} connections, fsync before ack`,
    [
      ['records/s', `${whole(rate.median)} (${whole(rate.min)} to ${whole(rate.max)}, ${repeat} runs)`],
      ['ack p50, p99', `${fixed(spread(p50).median)} ms, ${fixed(spread(p99).median)} ms`],
      ['processor', coresText(cores)],
    ],
  );
  printResult({
    bench: 'single',
    records_per_s: Math.round(rate.median),
    min: Math.round(rate.min),
    max: Math.round(rate.max),
    p50_ms: spread(p50).median,
    p99_ms: spread(p99).median,
    record_bytes: RECORD_BYTES,
    durability: 'fsync',
    ratio_to_native: null,
  });
}
