/** What do many partitions, many topics and many idle consumers cost in memory and start-up, and how long does a large store take to recover? */
import { connect } from '#client';
import { LoadConnection, loadBatch, maskedFrame, RawConnection } from './kit/load.ts';
import { options } from './kit/options.ts';
import { fixed, formatBytes, printResult, printTable, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const GIB = 1024 ** 3;

async function fill(server: ServerProcess, bytes: number): Promise<void> {
  const { batch } = loadBatch(65_536);
  const frames = Array.from({ length: 8 }, (_, partition) =>
    maskedFrame({ op: 'produce', id: 1, topic: 'large', partition, batch }),
  );
  const loads = await Promise.all(Array.from({ length: 4 }, () => LoadConnection.open(server.url, frames)));
  for (const load of loads) load.start(32);
  const batches = bytes / batch.length;
  while (loads.reduce((sum, { acknowledged }) => sum + acknowledged, 0) < batches)
    await new Promise((resolve) => setTimeout(resolve, 50));
  await Promise.all(loads.map((load) => load.drain()));
}

export async function run(): Promise<void> {
  const { topics, partitions, consumers, gigabytes } = options({
    topics: 1_000,
    partitions: 1_000,
    consumers: 2_000,
    gigabytes: 10,
  });
  const server = new ServerProcess();
  const emptyStartMs = await server.start();
  const emptyRss = await server.metric('process_resident_memory_bytes');
  const client = connect({ url: server.url });
  await client.admin.createTopic('wide', { partitions });
  await client.admin.createTopic('large', { partitions: 8 });
  for (let i = 0; i < topics; i++) await client.admin.createTopic(`topic-${i}`);
  const topicsRss = await server.metric('process_resident_memory_bytes');
  const idle: RawConnection[] = [];
  for (let i = 0; i < consumers; i++) {
    const connection = await RawConnection.open(server.url);
    connection.socket.write(
      maskedFrame({ op: 'subscribe', id: 1, topic: `topic-${i % topics}`, from: 'latest', permits: 1_000 }),
    );
    idle.push(connection);
  }
  const idleRss = await server.metric('process_resident_memory_bytes');
  const idleHeap = await server.metric('sluice_heap_bytes');
  for (const connection of idle) connection.close();
  await fill(server, gigabytes * GIB);
  client.close();
  await server.kill();
  const recoveryMs = await server.start();
  await server.stop();
  printTable(
    `scale: a topic of ${whole(partitions)} partitions, ${whole(topics)} topics, ${whole(consumers)} idle WebSocket consumers`,
    [
      ['start, empty', `${fixed(emptyStartMs, 0)} ms, ${formatBytes(emptyRss)} resident`],
      ['with the topics', `${formatBytes(topicsRss)} resident`],
      ['with the consumers', `${formatBytes(idleRss)} resident, ${formatBytes(idleHeap)} heap and external`],
      [`start after SIGKILL with ${gigabytes} GiB`, `${fixed(recoveryMs, 0)} ms, process start included`],
    ],
  );
  printResult({
    bench: 'scale',
    topics,
    partitions,
    consumers,
    start_ms: Math.round(emptyStartMs),
    rss_bytes_empty: emptyRss,
    rss_bytes_topics: topicsRss,
    rss_bytes_consumers: idleRss,
    heap_bytes_consumers: idleHeap,
    stored_gib: gigabytes,
    recovery_ms: Math.round(recoveryMs),
    durability: 'fsync',
    ratio_to_native: null,
  });
}
