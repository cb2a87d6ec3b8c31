/** Consumers that stop reading cost their own delay and nothing else: memory stays bounded, producers go on. */
import { expect, it } from 'vitest';
import WebSocket from 'ws';
import { connect } from '#client';
import { startServer } from '#kit';
import { rounds } from './length.ts';

const MEMORY_BYTES_MAX = 300 * 1024 * 1024;
const RECORDS = 60_000;

it('holds nothing for consumers that stand still', async () => {
  const consumers = rounds(200, 1_000);
  const server = await startServer();
  const client = connect({ url: server.url });
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
  const metrics = await client.admin.call<string>('GET', '/metrics');
  const used = Number(/^sluice_heap_bytes (\d+)/m.exec(metrics)?.[1]);
  expect(used).toBeGreaterThan(0);
  expect(used).toBeLessThan(MEMORY_BYTES_MAX);
  for (const socket of sockets) socket.terminate();
  client.close();
  await server.stop();
});
