/** Connector mqtt on a real mosquitto of its own. */
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Connection } from '#connector';
import {
  follow,
  following,
  lackingServer,
  type PrivateServer,
  queueSuite,
  startCutProxy,
  startMosquitto,
  waitFor,
} from '#kit';
import mqtt from '../../../connectors/mqtt/index.ts';

describe.skipIf(lackingServer('mosquitto', 'mosquitto_passwd'))('on a real broker', () => {
  let server: PrivateServer;
  let admin: MqttClient;
  let places = 0;

  beforeAll(async () => {
    server = await startMosquitto();
    const options = { host: '127.0.0.1', port: server.port, username: server.user, password: server.password };
    admin = await waitFor(() => connectAsync({ ...options, reconnectPeriod: 0, connectTimeout: 1_000 }), {
      what: 'mosquitto to answer',
    });
  });
  afterAll(() => admin?.endAsync());

  function settings(more: object = {}) {
    const { host, port, user, password } = server;
    return { host, port, user, password, topics: {}, ...more };
  }

  const open = (more: object): Promise<Connection> =>
    mqtt.open(mqtt.spec.parse(settings(more)), { endpoint: `test${++places}` });
  const request = (stream: string) => ({ streams: [stream], snapshot: true, pageRecordsMax: 7, consumer: 'test' });

  queueSuite(
    mqtt,
    async () => {
      const config = settings({ topics: { orders: `shop/${++places}/orders` } });
      return {
        config,
        bad: {
          'a wrong password': { config: { ...config, password: 'loud' }, code: 'ENDPOINT_REFUSED' },
          'no password': { config: { ...config, user: undefined, password: undefined }, code: 'ENDPOINT_REFUSED' },
          'nobody there': { config: { ...config, port: 1 }, code: 'ENDPOINT_UNREACHABLE' },
        },
        create: async () => ({
          stream: 'orders',
          types: { _topic: 'string', _retained: 'boolean', _headers: 'json' },
          exact: [
            { name: 'line\n🦥', n: 1.5, on: true, nothing: null },
            { list: '[1,{"a":null}]', text: 'x'.repeat(200_000) },
            {},
          ],
          poison: { n: 7, _topic: 'a/+/b' },
        }),
      };
    },
    { keeps: false },
  );

  test('tells topics apart, and carries headers, retained messages and bytes', async () => {
    const own = `rooms/${++places}`;
    await admin.publishAsync(`${own}/kitchen`, 'no json', { retain: true, qos: 1 });
    const connection = await open({ topics: { all: `${own}/#`, kitchen: `${own}/kitchen` } });
    const reader = following(connection, { ...request('all'), streams: ['all', 'kitchen'] });
    const first = await follow(reader, (all) => all.length >= 2);
    expect(first.changes.map(({ stream, after }) => [stream, after?.['_body'], after?.['_retained']])).toEqual(
      expect.arrayContaining([
        ['all', 'no json', true],
        ['kitchen', 'no json', true],
      ]),
    );
    const rows = [{ n: 1, _topic: `${own}/hall`, _headers: '{"a":"b"}' }, { n: 2 }];
    const results = await connection.write?.({ stream: 'all', mode: 'append', keys: [] }, rows);
    expect(results?.map(({ ok }) => ok)).toEqual([true, false]);
    const { changes } = await follow(reader, (all) => all.some(({ after }) => after?.['n'] === 1));
    expect(changes.find(({ after }) => after?.['n'] === 1)?.after).toEqual({
      n: 1,
      _topic: `${own}/hall`,
      _headers: '{"a":"b"}',
    });
    await reader.return?.();
    await connection.close();
  });

  test('holds no more than a few pages, and the session keeps the rest while it is away', async () => {
    const topic = `long/${++places}`;
    const connection = await open({ topics: { long: topic } });
    const reader = following(connection, request('long'));
    await reader.next();
    await reader.return?.();
    for (let n = 0; n < 500; n++) void admin.publishAsync(topic, JSON.stringify({ n }), { qos: 1 });
    await admin.publishAsync(topic, JSON.stringify({ n: 500 }), { qos: 1 });
    const again = following(connection, request('long'));
    const { changes } = await follow(again, (all) => all.length >= 501);
    expect(changes.map(({ after }) => after?.['n'])).toEqual(Array.from({ length: 501 }, (_, n) => n));
    await again.return?.();
    await connection.forget?.('test');
    await admin.publishAsync(topic, '{"n":501}', { qos: 1 });
    const anew = following(connection, request('long'));
    expect((await anew.next()).value.changes).toEqual([]);
    await anew.return?.();
    await connection.close();
  });

  test('says that it was cut off, and goes on when the way is there again', async () => {
    const topic = `cut/${++places}`;
    const proxy = await startCutProxy(server.port);
    const connection = await open({ topics: { cut: topic }, port: proxy.port });
    const reader = following(connection, request('cut'));
    await reader.next();
    await proxy.cut();
    await expect(reader.next()).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    const append = (n: number) => connection.write?.({ stream: 'cut', mode: 'append', keys: [] }, [{ n }]);
    await expect(append(1)).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    await admin.publishAsync(topic, '{"n":2}', { qos: 1 });
    await proxy.mend();
    await waitFor(async () => (await append(3)) !== undefined, { what: 'it to connect again' });
    const { changes } = await follow(following(connection, request('cut')), (all) => all.length >= 2);
    expect(changes.map(({ after }) => after?.['n'])).toEqual([2, 3]);
    await connection.close();
  });
});
