/**
 * Connector kafka against the broker that librdkafka imitates in `kcat`: it speaks Kafka's protocol with groups and offsets, keeps
 * records in memory, and knows no users, replicas or transactions.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Connection, Page, Row } from '#connector';
import {
  connectorSuite,
  follow,
  following,
  lackingServer,
  queueSuite,
  startCutProxy,
  startKafkaMock,
  waitFor,
} from '#kit';
import kafka from '../../../connectors/kafka/index.ts';

const FIELDS = { _key: 'string', _partition: 'int32', _offset: 'int64', _deleted: 'boolean', _headers: 'json' };

describe.skipIf(lackingServer('kcat'))('against an imitated broker', () => {
  let server: Awaited<ReturnType<typeof startKafkaMock>>;
  let places = 0;

  beforeAll(async () => {
    server = await startKafkaMock();
  });

  function newTopic(): string {
    const name = `topic-${++places}`;
    server.makeTopic(name);
    return name;
  }

  const open = (more: object = {}): Promise<Connection> =>
    kafka.open(kafka.spec.parse({ brokers: [server.broker], ...more }), { endpoint: 'test' });
  const request = (stream: string) => ({ streams: [stream], snapshot: true, pageRecordsMax: 7, consumer: 'test' });

  queueSuite(
    kafka,
    async () => {
      const config = { brokers: [server.broker] };
      return {
        config,
        bad: {
          'nobody there': { config: { brokers: ['127.0.0.1:1'] }, code: 'ENDPOINT_UNREACHABLE' },
          'no password': { config: { ...config, sasl: 'plain', user: 'x' }, code: 'ENDPOINT_INVALID' },
        },
        create: async () => ({
          stream: newTopic(),
          types: FIELDS,
          beside: { _partition: 1 },
          exact: [{ name: 'line\n🦥', n: 1.5, on: true, nothing: null }, { list: '[1,{"a":null}]' }, {}],
          poison: { n: 7, _partition: 99 },
        }),
      };
    },
    { places: true },
  );

  connectorSuite(
    kafka,
    async () => ({
      config: { brokers: [server.broker] },
      bad: {},
      create: async () => ({
        stream: newTopic(),
        types: FIELDS,
        key: [],
        cursor: '_offset',
        // Offsets are given by the partition.
        row: (i): Row => ({ _key: `k${i}`, _partition: 2, _offset: BigInt(i), n: i }),
        changed: (row: Row) => row,
        exact: ['a', 'b'].map((text, i) => ({ _partition: 0, _offset: BigInt(i), _headers: '{"x":"y"}', text })),
        poison: { _partition: 77, n: 1 },
      }),
    }),
    ['full', 'incremental', 'changes', 'append'],
  );

  test('spreads keys over partitions, carries deletions, and reads all partitions on', async () => {
    const stream = newTopic();
    const connection = await open();
    const append = (rows: Row[]) => connection.write?.({ stream, mode: 'append', keys: [] }, rows);
    await append([
      ...Array.from({ length: 40 }, (_, n) => ({ _key: `k${n % 10}`, n })),
      { _key: 'k1', _deleted: true },
    ]);
    const { changes, state } = await follow(following(connection, request(stream)), (all) => all.length >= 41);
    expect(new Set(changes.map(({ after }) => after?.['_partition'])).size).toBeGreaterThan(1);
    expect(changes.filter(({ after }) => after?.['_deleted'] === true)).toHaveLength(1);
    const ofKey = changes.filter(({ after }) => after?.['_key'] === 'k3').map(({ after }) => after?.['n']);
    expect(ofKey).toEqual([3, 13, 23, 33]);
    await append([{ _key: 'k3', n: 43 }]);
    const next = await follow(following(connection, { ...request(stream), state }), (all) => all.length >= 1);
    expect(next.changes.map(({ after }) => after?.['n'])).toEqual([43]);
    const pages: Page[] = [];
    for await (const page of connection.read?.({ stream, mode: 'full', pageRecordsMax: 10 }) ?? []) pages.push(page);
    expect(pages.flatMap(({ records }) => records)).toHaveLength(42);
    await expect(
      following(connection, { ...request(stream), state: { offsets: { [stream]: { 0: 'x' } } } }).next(),
    ).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    });
    await connection.close();
  });

  test('begins with what comes from now on without a snapshot', async () => {
    const stream = newTopic();
    const connection = await open();
    const append = (n: number) => connection.write?.({ stream, mode: 'append', keys: [] }, [{ n }]);
    await append(1);
    const reader = following(connection, { ...request(stream), snapshot: false });
    await reader.next();
    await append(2);
    const { changes } = await follow(reader, (all) => all.length > 0);
    expect(changes.map(({ after }) => after?.['n'])).toEqual([2]);
    await reader.return?.();
    await connection.close();
  });

  test('says that it cannot get there, and does when the way is there', async () => {
    const proxy = await startCutProxy(Number(server.broker.split(':')[1]));
    await proxy.cut();
    const brokers = [`127.0.0.1:${proxy.port}`];
    await expect(open({ brokers })).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    await proxy.mend();
    const connection = await waitFor(() => open({ brokers }), { what: 'it to connect' });
    await connection.close();
  });
});
