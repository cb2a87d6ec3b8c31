/**
 * At a fixed rate, how long until a record is acknowledged, and until a consumer has it? Open loop: batches are due
 * by the clock, and a late one is counted from when it was due, so that a stall is seen by all it delays. The first
 * seconds, in which both processes compile what they run, are not counted.
 */
import { connect } from '#client';
import { decodeAnswers, loadBatch, maskedFrame, RawConnection, RECORD_BYTES } from './kit/load.ts';
import { options } from './kit/options.ts';
import { fixed, percentile, printResult, printTable, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const TOPIC = 'bench';
const PARTITIONS = 8;
const TICK_MS = 1;
const WARM_UP_SECONDS = 2;
const PERMITS = 4_000_000;

export async function run(): Promise<void> {
  const { seconds, rate, recordsPerBatch } = options({ seconds: 60, rate: 100_000, recordsPerBatch: 20 });
  const server = new ServerProcess();
  await server.start();
  const client = connect({ url: server.url });
  await client.admin.createTopic(TOPIC, { partitions: PARTITIONS });
  client.close();
  const { batch, count } = loadBatch(61 + recordsPerBatch * (RECORD_BYTES + 8));
  const frames = Array.from({ length: PARTITIONS }, (_, partition) =>
    maskedFrame({ op: 'produce', id: 1, topic: TOPIC, partition, batch }),
  );
  const producer = await RawConnection.open(server.url);
  const consumer = await RawConnection.open(server.url);
  const dueAt: number[] = [];
  const dueInPartition: number[][] = Array.from({ length: PARTITIONS }, () => []);
  const ackMs: number[] = [];
  const deliverMs: number[] = [];
  const lateMs: number[] = [];
  const delivered = new Array<number>(PARTITIONS).fill(0);
  producer.onMessage = (payload) => {
    const now = performance.now();
    for (const { op } of decodeAnswers(payload))
      if (op === 'produced') ackMs.push(now - (dueAt[ackMs.length] as number));
  };
  consumer.onMessage = (payload) => {
    const now = performance.now();
    for (const answer of decodeAnswers(payload)) {
      if (answer.op !== 'records') continue;
      const partition = answer['partition'] as number;
      const records = answer['count'] as number;
      for (let i = 0; i < records / count; i++) {
        deliverMs.push(now - (dueInPartition[partition]?.[delivered[partition] as number] as number));
        delivered[partition] = (delivered[partition] as number) + 1;
      }
      consumer.socket.write(maskedFrame({ op: 'permit', sub: 1, records }));
    }
  };
  consumer.socket.write(
    maskedFrame({ op: 'subscribe', id: 1, topic: TOPIC, from: 'earliest', permits: PERMITS, format: 'batch' }),
  );
  await server.metric('sluice_event_loop_delay_p99_seconds');
  const warmUp = Math.floor((rate * WARM_UP_SECONDS) / count);
  const total = warmUp + Math.floor((rate * seconds) / count);
  const everyMs = (1000 * count) / rate;
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    const tick = () => {
      const now = performance.now();
      producer.socket.cork();
      while (dueAt.length < total && startedAt + dueAt.length * everyMs <= now) {
        const due = startedAt + dueAt.length * everyMs;
        const partition = dueAt.length % PARTITIONS;
        dueAt.push(due);
        lateMs.push(now - due);
        dueInPartition[partition]?.push(due);
        producer.socket.write(frames[partition] as Buffer);
      }
      producer.socket.uncork();
      if (dueAt.length < total) setTimeout(tick, TICK_MS);
      else resolve();
    };
    tick();
  });
  while (ackMs.length < total || deliverMs.length < total) await new Promise((resolve) => setTimeout(resolve, 10));
  for (const samples of [ackMs, lateMs, deliverMs]) samples.splice(0, warmUp);
  const loopDelayMs = (await server.metric('sluice_event_loop_delay_p99_seconds')) * 1000;
  producer.close();
  consumer.close();
  await server.stop();
  printTable(
    `latency: open loop, ${whole(rate)} records/s for ${seconds} s, ${RECORD_BYTES}-byte records, ${count} a batch, fsync before ack`,
    [
      [
        'acknowledged',
        `p50 ${fixed(percentile(ackMs, 0.5))} ms, p99 ${fixed(percentile(ackMs, 0.99))} ms, p99.9 ${fixed(percentile(ackMs, 0.999))} ms`,
      ],
      ['at the consumer', `p50 ${fixed(percentile(deliverMs, 0.5))} ms, p99 ${fixed(percentile(deliverMs, 0.99))} ms`],
      ['sent after due', `p99 ${fixed(percentile(lateMs, 0.99))} ms, the load's own part of the above`],
      ['server event loop', `delay p99 ${fixed(loopDelayMs)} ms`],
    ],
  );
  printResult({
    bench: 'latency',
    records_per_s: rate,
    p50_ms: percentile(ackMs, 0.5),
    p99_ms: percentile(ackMs, 0.99),
    p999_ms: percentile(ackMs, 0.999),
    deliver_p50_ms: percentile(deliverMs, 0.5),
    deliver_p99_ms: percentile(deliverMs, 0.99),
    event_loop_delay_p99_ms: loopDelayMs,
    late_p99_ms: percentile(lateMs, 0.99),
    seconds,
    record_bytes: RECORD_BYTES,
    durability: 'fsync',
    ratio_to_native: null,
  });
}
