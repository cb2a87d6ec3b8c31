/** Connector redis on a real server of its own. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Row } from '#connector';
import { connectorSuite, lackingServer, type Place, type PrivateServer, startRedis, waitFor } from '#kit';
import redis from '../../../connectors/redis/index.ts';

describe.skipIf(lackingServer('redis-server'))('on a real server', () => {
  let server: PrivateServer;
  let admin: Redis;
  let places = 0;

  beforeAll(async () => {
    server = await startRedis();
    admin = new Redis({ port: server.port, host: server.host, password: server.password, maxRetriesPerRequest: null });
    admin.on('error', () => undefined);
    await waitFor(() => admin.ping(), { what: 'redis to answer' });
  });
  afterAll(() => admin.disconnect());

  function place(create: (name: string) => Place['create'], more: (name: string) => object): Place {
    const { host, port, password } = server;
    const name = `odd[*?]${++places}:`;
    const config = { host, port, password, ...more(name) };
    return {
      config,
      bad: {
        'a wrong password': { config: { ...config, password: 'loud' }, code: 'ENDPOINT_REFUSED' },
        'no password': { config: { ...config, password: undefined }, code: 'ENDPOINT_REFUSED' },
        'nobody there': { config: { ...config, port: 1 }, code: 'ENDPOINT_UNREACHABLE' },
        'one name twice': { config: { ...config, hashes: { x: 'x' }, streams: { x: 'x' } }, code: 'ENDPOINT_INVALID' },
      },
      create: create(name),
    };
  }

  connectorSuite(
    redis,
    async () =>
      place(
        (prefix) => async () => {
          // Of another type and another prefix: neither is a record.
          await admin.set(`${prefix}text`, 'x');
          await admin.hset(`odd1${prefix}`, 'a', '1');
          const row = (i: number): Row => ({ _key: `k${i}`, name: `n${i}`, note: 'x' });
          return {
            stream: 'people',
            types: { _key: 'string', name: 'string', note: 'string' },
            key: ['_key'],
            row,
            changed: (one) => ({ ...one, note: 'changed' }),
            exact: [
              { _key: '', name: '' },
              { _key: 'spaced key:🦥', name: 'x\u0000\r\n"', other: '1' },
              { _key: 'raw', name: new Uint8Array([0, 255, 13, 10]) },
            ],
            poison: { _key: 'text', name: 'a hash where a text is' },
          };
        },
        (prefix) => ({ hashes: { people: prefix } }),
      ),
    ['full', 'lookup', 'upsert', 'delete'],
  );

  connectorSuite(
    redis,
    async () =>
      place(
        () => async () => ({
          stream: 'events',
          types: { _id: 'string', what: 'string' },
          key: ['_id'],
          cursor: '_id',
          row: (i) => ({ _id: `${i + 1}-0`, what: `w${i}` }),
          changed: (one) => one,
          exact: [
            { _id: '1-1', what: '', 'odd name': 'x' },
            { _id: '1-2', what: new Uint8Array([255, 0]) },
          ],
          poison: { _id: '0-0', what: 'before all' },
        }),
        (key) => ({ streams: { events: key } }),
      ),
    ['full', 'incremental', 'append'],
  );
});
