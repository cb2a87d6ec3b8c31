/** Connector nats on a real server of its own, with JetStream. */
import { AckPolicy, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Connection, Page } from '#connector';
import {
  connectorSuite,
  follow,
  following,
  lackingServer,
  type PrivateServer,
  queueSuite,
  startCutProxy,
  startNats,
  waitFor,
} from '#kit';
import nats from '../../../connectors/nats/index.ts';

const FIELDS = { _seq: 'int64', _subject: 'string', _id: 'string', _headers: 'json' };

describe.skipIf(lackingServer('nats-server'))('on a real server', () => {
  let server: PrivateServer;
  let admin: NatsConnection;
  let places = 0;

  beforeAll(async () => {
    server = await startNats();
    const options = { servers: `127.0.0.1:${server.port}`, user: server.user, pass: server.password };
    admin = await waitFor(() => connect(options), { what: 'nats to answer' });
  });
  afterAll(() => admin?.close());

  function settings(more: object = {}) {
    const { host, port, user, password } = server;
    return { servers: [`${host}:${port}`], user, password, ...more };
  }

  async function newStream(retention: RetentionPolicy = RetentionPolicy.Limits): Promise<string> {
    const name = `stream${++places}`;
    const manager = await jetstreamManager(admin);
    await manager.streams.add({ name, subjects: [`in.${name}`], retention, max_msg_size: 500_000 });
    return name;
  }

  const open = (more: object = {}): Promise<Connection> =>
    nats.open(nats.spec.parse(settings(more)), { endpoint: 'test' });
  const request = (stream: string) => ({ streams: [stream], snapshot: true, pageRecordsMax: 7, consumer: 'test' });

  for (const retention of [RetentionPolicy.Limits, RetentionPolicy.Workqueue]) {
    queueSuite(
      nats,
      async () => {
        const config = settings();
        return {
          config,
          bad: {
            'a wrong password': { config: { ...config, password: 'loud' }, code: 'ENDPOINT_REFUSED' },
            'nobody there': { config: { ...config, servers: ['127.0.0.1:1'] }, code: 'ENDPOINT_UNREACHABLE' },
          },
          create: async () => ({
            stream: await newStream(retention),
            types: FIELDS,
            exact: [{ name: 'line\n🦥', n: 1.5, on: true, nothing: null }, { list: '[1,{"a":null}]' }, {}],
            poison: { n: 7, text: 'x'.repeat(600_000) },
          }),
        };
      },
      { places: retention === RetentionPolicy.Limits },
    );
  }

  connectorSuite(
    nats,
    async () => ({
      config: settings(),
      bad: {},
      create: async () => {
        const stream = await newStream();
        let seq = 0n;
        return {
          stream,
          types: FIELDS,
          key: [],
          cursor: '_seq',
          // Numbers and subjects are given by the stream.
          row: (i) => ({ _seq: BigInt(i + 1), _subject: `in.${stream}`, n: i }),
          changed: (row) => row,
          exact: ['a', 'b'].map((text) => ({
            _seq: ++seq,
            _subject: `in.${stream}`,
            _id: text,
            _headers: '{"x":"y"}',
            text,
          })),
          poison: { n: 1, _subject: 'elsewhere' },
        };
      },
    }),
    ['full', 'incremental', 'changes', 'append'],
  );

  test('stores a message with an id once, and says what subjects it takes', async () => {
    const stream = await newStream();
    const connection = await open();
    const append = (rows: object[]) => connection.write?.({ stream, mode: 'append', keys: [] }, rows as never);
    for (let i = 0; i < 2; i++) await append([{ _id: 'one', n: 1 }]);
    expect(await append([{ n: 2, _subject: 'in.>' }])).toMatchObject([{ ok: false }]);
    const pages: Page[] = [];
    for await (const page of connection.read?.({ stream, mode: 'full', pageRecordsMax: 9 }) ?? []) pages.push(page);
    expect(pages.flatMap(({ records }) => records.map(({ n }) => n))).toEqual([1]);
    await connection.close();
  });

  test('says when what it was to go on from is gone', async () => {
    const stream = await newStream();
    const connection = await open();
    const rows = Array.from({ length: 10 }, (_, n) => ({ n }));
    await connection.write?.({ stream, mode: 'append', keys: [] }, rows);
    const manager = await jetstreamManager(admin);
    await manager.streams.purge(stream, { seq: 6 });
    const gone = following(connection, { ...request(stream), state: { seqs: { [stream]: 3 } } });
    await expect(gone.next()).rejects.toMatchObject({ code: 'ENDPOINT_FAILED' });
    const kept = await follow(
      following(connection, { ...request(stream), state: { seqs: { [stream]: 7 } } }),
      (all) => all.length >= 3,
    );
    expect(kept.changes.map(({ after }) => after?.['n'])).toEqual([7, 8, 9]);
    await connection.close();
  });

  test('begins with what comes from now on without a snapshot, and leaves no consumers', async () => {
    const stream = await newStream();
    const connection = await open();
    const append = (n: number) => connection.write?.({ stream, mode: 'append', keys: [] }, [{ n }]);
    await append(1);
    const reader = following(connection, { ...request(stream), snapshot: false });
    await reader.next();
    await append(2);
    const { changes } = await follow(reader, (all) => all.length > 0);
    expect(changes.map(({ after }) => after?.['n'])).toEqual([2]);
    await reader.return?.();
    const manager = await jetstreamManager(admin);
    expect(await manager.consumers.list(stream).next()).toEqual([]);
    await manager.consumers.add(stream, { durable_name: 'of-others', ack_policy: AckPolicy.None });
    await connection.forget?.('test');
    await connection.close();
  });

  test('says that it was cut off, and goes on when the way is there again', async () => {
    const stream = await newStream();
    const proxy = await startCutProxy(server.port);
    const connection = await open({ servers: [`127.0.0.1:${proxy.port}`] });
    const append = (n: number) => connection.write?.({ stream, mode: 'append', keys: [] }, [{ n }]);
    await append(1);
    const reader = following(connection, request(stream));
    const { state } = await follow(reader, (all) => all.length > 0);
    await proxy.cut();
    await expect(reader.next()).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    await proxy.mend();
    await waitFor(async () => (await append(2)) !== undefined, { what: 'it to connect again' });
    const { changes } = await follow(following(connection, { ...request(stream), state }), (all) => all.length > 0);
    expect(changes.map(({ after }) => after?.['n'])).toEqual([2]);
    await connection.close();
  });
});
