/**
 * Consumers that stop reading cost their own delay and nothing else: what is held for one is bounded, producers go on.
 * In the heap it is a position, beside it what waits for its socket: `socketBufferBytesMax` and the frame that reached it.
 */
import { expect, it } from 'vitest';
import WebSocket from 'ws';
import { connect } from '#client';
import { resolveLimits } from '#kernel';
import { startServer, waitFor } from '#kit';
import { rounds } from './length.ts';

/** Held, not garbage: it may be more for a while. Most of it is what a server holds without any consumer. */
const HEAP_BYTES_MAX = 96 * 1024 * 1024;
/** 256 KiB of batches, their values in base64. */
const FRAME_BYTES_MAX = 512 * 1024;
const RECORDS = 60_000;

it('holds next to nothing for consumers that stand still', async () => {
  const consumers = rounds(200, 1_000);
  const server = await startServer();
  const client = connect({ url: server.url });
  const metric = async (name: string) => {
    const metrics = await client.admin.call<string>('GET', '/metrics');
    return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(metrics)?.[1]);
  };
  await client.admin.createTopic('t', { partitions: 4 });
  const sockets = await Promise.all(
    Array.from({ length: consumers }, async () => {
      const socket = new WebSocket(server.wsUrl, 'sluice.v1.json');
      await new Promise((resolve, reject) => {
        socket.once('open', resolve);
        socket.once('error', reject);
      });
      socket.send(JSON.stringify({ op: 'subscribe', id: 1, topic: 't', from: 'earliest', permits: 1_000_000 }));
      socket.pause();
      return socket;
    }),
  );
  const producer = client.producer({ topic: 't' });
  await producer.prepare();
  const value = Buffer.alloc(1_000, 'x');
  for (let i = 0; i < RECORDS; i++) if (!producer.push(null, value)) await producer.ready();
  await producer.close();
  const stored = (await client.admin.partitions('t')).reduce((sum, { durable }) => sum + durable, 0);
  expect(stored).toBe(RECORDS);
  const { socketBufferBytesMax } = resolveLimits();
  const full = () => metric('sluice_ws_buffered_bytes').then((bytes) => bytes >= consumers * socketBufferBytesMax);
  await waitFor(full, { what: 'all sockets to be full', timeoutMs: 120_000, everyMs: 50 });
  const delivered = await metric('sluice_ws_records_delivered_total');
  expect(delivered).toBeLessThan(consumers * RECORDS);
  expect(await metric('sluice_ws_buffered_bytes')).toBeLessThan(consumers * (socketBufferBytesMax + FRAME_BYTES_MAX));
  const settled = () => metric('sluice_heap_bytes').then((bytes) => bytes < HEAP_BYTES_MAX);
  await waitFor(settled, { what: 'the heap to be small', timeoutMs: 120_000, everyMs: 50 });
  for (const socket of sockets) socket.terminate();
  client.close();
  await server.stop();
});
