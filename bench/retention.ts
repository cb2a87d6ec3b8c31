/** Does throughput hold, and do disk and memory stay bounded, while much more goes through a topic than it keeps? Also with a consumer that stands still. */
import { connect } from '#client';
import { LoadConnection, loadBatch, maskedFrame, RawConnection, RECORD_BYTES } from './kit/load.ts';
import { options } from './kit/options.ts';
import { fixed, formatBytes, printResult, printTable, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const TOPIC = 'bench';
const PARTITIONS = 8;
const BATCH_BYTES = 65_536;
const SAMPLE_MS = 200;
const GIB = 1024 ** 3;

interface Outcome {
  readonly share: number;
  readonly perSecond: number;
  readonly diskMax: number;
  readonly heapMax: number;
  readonly rssMax: number;
}

async function passThrough(totalBytes: number, keepBytes: number, standstill: boolean): Promise<Outcome> {
  const server = new ServerProcess();
  await server.start();
  const client = connect({ url: server.url });
  await client.admin.createTopic(TOPIC, {
    partitions: PARTITIONS,
    retention_bytes: Math.floor(keepBytes / PARTITIONS),
  });
  client.close();
  const still = standstill ? await RawConnection.open(server.url) : undefined;
  still?.socket.write(
    maskedFrame({ op: 'subscribe', id: 1, topic: TOPIC, from: 'earliest', permits: 4_000_000, format: 'batch' }),
  );
  still?.socket.pause();
  const { batch, count } = loadBatch(BATCH_BYTES);
  const frames = Array.from({ length: PARTITIONS }, (_, partition) =>
    maskedFrame({ op: 'produce', id: 1, topic: TOPIC, partition, batch }),
  );
  const loads = await Promise.all(Array.from({ length: 4 }, () => LoadConnection.open(server.url, frames)));
  const batches = Math.ceil(totalBytes / batch.length);
  const tenths: number[] = [];
  let [diskMax, heapMax, rssMax] = [0, 0, 0];
  const startedAt = performance.now();
  for (const load of loads) load.start(32);
  for (let done = 0; done < batches; ) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    for (const load of loads) load.latencies.length = 0;
    done = loads.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
    while (tenths.length < 10 && done >= ((tenths.length + 1) * batches) / 10) tenths.push(performance.now());
    diskMax = Math.max(diskMax, server.diskBytes());
    heapMax = Math.max(heapMax, await server.metric('sluice_heap_bytes'));
    rssMax = Math.max(rssMax, await server.metric('process_resident_memory_bytes'));
  }
  const perSecond = (batches * count) / ((performance.now() - startedAt) / 1000);
  await Promise.all(loads.map((load) => load.drain()));
  still?.close();
  await server.stop();
  const first = (tenths[0] as number) - startedAt;
  const last = (tenths[9] as number) - (tenths[8] as number);
  return { share: first / last, perSecond, diskMax, heapMax, rssMax };
}

export async function run(): Promise<void> {
  const { gigabytes, keepGigabytes } = options({ gigabytes: 20, keepGigabytes: 1 });
  for (const standstill of [false, true]) {
    const one = await passThrough(gigabytes * GIB, keepGigabytes * GIB, standstill);
    printTable(
      `retention: ${gigabytes} GiB through a topic that keeps ${keepGigabytes} GiB${standstill ? ', with a consumer that stands still' : ''}, fsync before ack`,
      [
        ['records/s', whole(one.perSecond)],
        ['last tenth to first', fixed(one.share)],
        ['disk at most', formatBytes(one.diskMax)],
        ['heap and external', `at most ${formatBytes(one.heapMax)}`],
        ['resident (mapped segments counted)', `at most ${formatBytes(one.rssMax)}`],
      ],
    );
    printResult({
      bench: 'retention',
      consumer: standstill ? 'stands still' : 'none',
      records_per_s: Math.round(one.perSecond),
      last_tenth_to_first: Number(one.share.toFixed(2)),
      disk_bytes_max: one.diskMax,
      heap_bytes_max: one.heapMax,
      rss_bytes_max: one.rssMax,
      record_bytes: RECORD_BYTES,
      durability: 'fsync',
      ratio_to_native: null,
    });
  }
}
