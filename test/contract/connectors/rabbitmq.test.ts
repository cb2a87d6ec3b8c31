/** Connector rabbitmq on a real broker of its own. */
import { type ChannelModel, connect } from 'amqplib';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Row } from '#connector';
import {
  follow,
  following,
  lackingServer,
  type PrivateServer,
  queueSuite,
  startCutProxy,
  startRabbitmq,
  waitFor,
} from '#kit';
import rabbitmq from '../../../connectors/rabbitmq/index.ts';

describe.skipIf(lackingServer('rabbitmq-server', 'epmd'))('on a real broker', () => {
  let server: PrivateServer;
  let admin: ChannelModel;
  let places = 0;

  beforeAll(async () => {
    server = await startRabbitmq();
    const { port, user, password } = server;
    const options = { hostname: '127.0.0.1', port, username: user, password };
    admin = await waitFor(() => connect(options), { what: 'rabbitmq to answer', timeoutMs: 50_000, everyMs: 100 });
    // The broker is killed at the end.
    admin.on('error', () => undefined);
  });

  function settings(more: object = {}) {
    const { host, port, user, password } = server;
    return { host, port, user, password, ...more };
  }

  async function newQueue(): Promise<string> {
    const channel = await admin.createChannel();
    const { queue } = await channel.assertQueue(`queue ${++places}`, { durable: true });
    await channel.close();
    return queue;
  }

  const open = (more: object) => rabbitmq.open(rabbitmq.spec.parse(settings(more)), { endpoint: 'test' });
  const request = (stream: string) => ({ streams: [stream], snapshot: true, pageRecordsMax: 7, consumer: 'test' });

  queueSuite(rabbitmq, async () => {
    const stream = await newQueue();
    const config = settings({ queues: [stream] });
    return {
      config,
      bad: {
        'a wrong password': { config: { ...config, password: 'loud' }, code: 'ENDPOINT_REFUSED' },
        'no such virtual host': { config: { ...config, vhost: 'nowhere' }, code: 'ENDPOINT_REFUSED' },
        'nobody there': { config: { ...config, port: 1 }, code: 'ENDPOINT_UNREACHABLE' },
        'one name twice': { config: { ...config, exchanges: [stream] }, code: 'ENDPOINT_INVALID' },
      },
      create: async () => ({
        stream,
        types: { _id: 'string', _key: 'string', _headers: 'json' },
        exact: [
          { name: 'line\n🦥', n: 1.5, on: true, nothing: null },
          { list: '[1,{"a":null}]', text: 'x'.repeat(200_000) },
          {},
        ],
        poison: { n: 7, _headers: 'no object' },
      }),
    };
  });

  test('carries ids, headers and bytes, and what is no JSON', async () => {
    const stream = await newQueue();
    const channel = await admin.createChannel();
    channel.sendToQueue(stream, Buffer.from('no json'));
    channel.sendToQueue(stream, Buffer.from([255, 0]));
    channel.sendToQueue(stream, Buffer.from('[1]'), {
      headers: { deep: { n: 1 }, raw: Buffer.from('x') },
      timestamp: 1_000,
    });
    const connection = await open({ queues: [stream] });
    const sent = [{ n: 1, _id: 'the id', _headers: '{"a":"b"}' }];
    expect(await connection.write?.({ stream, mode: 'append', keys: [] }, sent)).toEqual([{ ok: true }]);
    const { changes } = await follow(following(connection, request(stream)), (all) => all.length >= 4);
    expect(changes.map(({ after }) => ({ ...after }))).toEqual([
      { _body: 'no json' },
      { _body: new Uint8Array([255, 0]) },
      { value: '[1]', _headers: '{"deep":{"n":1},"raw":"eA=="}' },
      { n: 1, _id: 'the id', _headers: '{"a":"b"}' },
    ]);
    expect(changes[2]?.at).toBe('1970-01-01T00:16:40.000Z');
    await connection.close();
    const raw = await open({ queues: [stream], format: 'bytes' });
    const bytes: Row[] = [{ body: new Uint8Array([0, 255]) }];
    expect(await raw.write?.({ stream, mode: 'append', keys: [] }, bytes)).toEqual([{ ok: true }]);
    await raw.close();
  });

  test('appends to exchanges by key, and rejects what no queue takes', async () => {
    const queue = await newQueue();
    const channel = await admin.createChannel();
    await channel.assertExchange('orders', 'topic', { durable: true });
    await channel.bindQueue(queue, 'orders', 'eu.*');
    const connection = await open({ queues: [queue], exchanges: ['orders'] });
    const rows = [
      { n: 1, _key: 'eu.tea' },
      { n: 2, _key: 'us.tea' },
      { n: 3, _key: 'eu.pot' },
    ];
    const results = await connection.write?.({ stream: 'orders', mode: 'append', keys: [] }, rows);
    expect(results?.map(({ ok }) => ok)).toEqual([true, false, true]);
    const { changes } = await follow(following(connection, request(queue)), (all) => all.length >= 2);
    expect(changes.map(({ after }) => after?.['_key'])).toEqual(['eu.tea', 'eu.pot']);
    await expect(following(connection, request('orders')).next()).rejects.toMatchObject({
      code: 'ENDPOINT_UNSUPPORTED',
    });
    await connection.close();
  });

  test('holds no more than a few pages of a long queue', async () => {
    const stream = await newQueue();
    const connection = await open({ queues: [stream] });
    const rows = Array.from({ length: 2_000 }, (_, n) => ({ n }));
    await connection.write?.({ stream, mode: 'append', keys: [] }, rows);
    const reader = following(connection, request(stream));
    await reader.next();
    const channel = await admin.createChannel();
    const { messageCount } = await channel.checkQueue(stream);
    expect(messageCount).toBeGreaterThanOrEqual(2_000 - 14);
    await connection.close();
  });

  test('says that it was cut off, and goes on when the way is there again', async () => {
    const stream = await newQueue();
    const proxy = await startCutProxy(server.port);
    const connection = await open({ queues: [stream], port: proxy.port });
    const append = (n: number) => connection.write?.({ stream, mode: 'append', keys: [] }, [{ n }]);
    await append(1);
    const reader = following(connection, request(stream));
    const first = await follow(reader, (all) => all.length > 0);
    expect(first.changes.map(({ after }) => after?.['n'])).toEqual([1]);
    await proxy.cut();
    await expect(reader.next()).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    await expect(append(2)).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    await proxy.mend();
    await waitFor(async () => (await append(2)) !== undefined, { what: 'it to connect again' });
    const { changes } = await follow(following(connection, request(stream)), (all) =>
      all.some(({ after }) => after?.['n'] === 2),
    );
    // The first page was not acknowledged.
    expect(changes.map(({ after }) => after?.['n'])).toContain(1);
    await connection.close();
  });

  // Starting it again takes its time.
  const full = process.env['SLUICE_TORTURE'] === 'full';
  test.runIf(full)('loses nothing that was confirmed when the broker is killed', async () => {
    const stream = await newQueue();
    const connection = await open({ queues: [stream] });
    const rows = Array.from({ length: 500 }, (_, n) => ({ n }));
    const results = (await connection.write?.({ stream, mode: 'append', keys: [] }, rows)) ?? [];
    expect(results.every(({ ok }) => ok)).toBe(true);
    await admin.close();
    await server.kill();
    await expect(connection.check()).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    server.start();
    await waitFor(() => connection.check().then(() => true), {
      what: 'it to be back',
      timeoutMs: 50_000,
      everyMs: 100,
    });
    const { changes } = await follow(following(connection, request(stream)), (all) => all.length >= 500);
    expect(new Set(changes.map(({ after }) => after?.['n'])).size).toBe(500);
    await connection.close();
  });
});
