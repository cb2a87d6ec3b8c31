/** The WebSocket protocol of the built server, frame by frame, as a stranger's client would speak it. */
import { expect, it } from 'vitest';
import { type Server, startServer, waitFor } from '#kit';
import { encodeBatch, stampBaseOffset } from '#record';
import { Peer } from './ws-peer.ts';

async function serverWithTopic(args: readonly string[] = [], spec: object = { partitions: 2 }): Promise<Server> {
  const server = await startServer({ args });
  const init = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(spec) };
  expect((await fetch(`${server.url}/v1/topics/t`, init)).ok).toBe(true);
  return server;
}

it.each(['json', 'msgpack'] as const)('produces and delivers records in %s', async (codec) => {
  const peer = await Peer.open(await serverWithTopic(), codec);
  expect(await peer.hear({ op: 'credit' })).toMatchObject({ bytes: expect.any(Number) });
  const value = codec === 'json' ? { n: 1 } : Buffer.from('{"n":1}');
  peer.say({ op: 'produce', id: 1, topic: 't', records: [{ key: 'k', value, headers: { h: 'x' }, partition: 1 }] });
  expect(await peer.hear({ op: 'produced', id: 1 })).toEqual({
    op: 'produced',
    id: 1,
    offsets: [{ partition: 1, offset: 0 }],
  });
  peer.say([
    {
      op: 'produce',
      id: 2,
      topic: 't',
      records: [
        { key: 'a', value: null, partition: 1 },
        { key: 'b', value: null, partition: 0 },
      ],
    },
    { op: 'subscribe', id: 9, topic: 't', from: 'earliest', permits: 10 },
  ]);
  expect(await peer.hear({ op: 'produced', id: 2 })).toMatchObject({
    offsets: [
      { partition: 1, offset: 1 },
      { partition: 0, offset: 0 },
    ],
  });
  expect(await peer.hear({ op: 'subscribed', sub: 9 })).toMatchObject({
    partitions: [{ partition: 0 }, { partition: 1 }],
  });
  const delivered = await peer.hear({ op: 'records', sub: 9, partition: 1, offset: 0 });
  const [record] = delivered['records'] as Record<string, unknown>[];
  if (codec === 'json') expect(record).toMatchObject({ offset: 0, key: 'k', value: { n: 1 }, headers: { h: 'x' } });
  else
    expect(record).toMatchObject({
      offset: 0,
      key: Buffer.from('k'),
      value: Buffer.from('{"n":1}'),
      headers: { h: Buffer.from('x') },
    });
  peer.socket.close();
});

it('stores a batch as it is and delivers the same bytes', async () => {
  const peer = await Peer.open(await serverWithTopic(), 'msgpack');
  const batch = encodeBatch(Array.from({ length: 50 }, (_, n) => ({ value: Buffer.from(`v${n}`), timestamp: n })));
  peer.say({ op: 'produce', id: 1, topic: 't', partition: 0, batch });
  peer.say({ op: 'produce', id: 2, topic: 't', partition: 0, batch });
  expect(await peer.hear({ op: 'produced', id: 2 })).toEqual({
    op: 'produced',
    id: 2,
    partition: 0,
    offset: 50,
    count: 50,
  });
  peer.say({ op: 'subscribe', id: 3, topic: 't', from: { 0: 60 }, partitions: [0], permits: 1_000, format: 'batch' });
  const delivered = await peer.hear({ op: 'records', sub: 3 });
  expect(delivered).toMatchObject({ offset: 60, next: 100, count: 40 });
  const expected = Buffer.from(batch);
  stampBaseOffset(expected, 0, 50);
  expect(Buffer.compare(delivered['batch'] as Buffer, expected)).toBe(0);
  peer.socket.close();
});

it('sends no more records than are permitted', async () => {
  const peer = await Peer.open(await serverWithTopic(), 'json');
  const records = Array.from({ length: 100 }, (_, n) => ({ value: n, partition: 0 }));
  peer.say({ op: 'produce', id: 1, topic: 't', records });
  await peer.hear({ op: 'produced', id: 1 });
  const received = () =>
    peer.received.flatMap((message) => (message.op === 'records' ? (message['records'] as unknown[]) : [])).length;
  peer.say({ op: 'subscribe', id: 2, topic: 't', from: 'earliest', permits: 30 });
  await waitFor(() => received() === 30, { what: 'what was permitted' });
  peer.say({ op: 'permit', sub: 2, records: 25 });
  await waitFor(() => received() === 55, { what: 'what was permitted then' });
  peer.say({ op: 'unsubscribe', sub: 2 });
  await peer.hear({ op: 'unsubscribed', sub: 2 });
  expect(received()).toBe(55);
  const offsets = peer.received.flatMap((message) =>
    message.op === 'records' ? (message['records'] as { offset: number }[]) : [],
  );
  expect(offsets.map(({ offset }) => offset)).toEqual(Array.from({ length: 55 }, (_, n) => n));
  peer.socket.close();
});

it('refuses a produce beyond the credit, by its id, and goes on', async () => {
  const limits = [
    '--limit',
    'connectionCreditBytes=65536',
    '--limit',
    'batchBytesMax=65536',
    '--limit',
    'recordBytesMax=60000',
  ];
  const peer = await Peer.open(await serverWithTopic(limits), 'msgpack');
  expect(await peer.hear({ op: 'credit' })).toMatchObject({ bytes: 65_536 });
  const value = Buffer.alloc(50_000);
  peer.say({ op: 'produce', id: 1, topic: 't', records: [{ value }] });
  peer.say({ op: 'produce', id: 2, topic: 't', records: [{ value }] });
  expect(await peer.hear({ op: 'error', id: 2 })).toMatchObject({ code: 'CREDIT_EXCEEDED', retryable: true });
  await peer.hear({ op: 'produced', id: 1 });
  await waitFor(() => peer.received.filter(({ op }) => op === 'credit').length === 2, { what: 'the credit back' });
  peer.say({ op: 'produce', id: 3, topic: 't', records: [{ value }] });
  await peer.hear({ op: 'produced', id: 3 });
  peer.socket.close();
});

it('answers each bad message with a coded error and lives on', async () => {
  const server = await serverWithTopic();
  const peer = await Peer.open(server, 'json');
  const corrupt = Buffer.from(encodeBatch([{ value: Buffer.from('x') }]));
  corrupt[corrupt.length - 1] = (corrupt[corrupt.length - 1] as number) ^ 1;
  const cases: [Record<string, unknown>, string][] = [
    [{ op: 'nonsense' }, 'REQUEST_INVALID'],
    [{ op: 'produce', topic: 'nope', records: [{ value: 1 }] }, 'TOPIC_UNKNOWN'],
    [{ op: 'produce', topic: 't', records: [] }, 'REQUEST_INVALID'],
    [{ op: 'produce', topic: 't', records: [{ valeu: 1 }] }, 'REQUEST_INVALID'],
    [{ op: 'produce', topic: 't', records: [{ value: 1, partition: 7 }] }, 'PARTITION_UNKNOWN'],
    [{ op: 'produce', topic: 't', partition: 0, batch: corrupt.toString('base64') }, 'BATCH_CRC_MISMATCH'],
    [{ op: 'produce', topic: 't', partition: 0, batch: 'AAAA' }, 'BATCH_MALFORMED'],
    [{ op: 'produce', topic: 't', records: [{ value: 1 }], durability: 'maybe' }, 'REQUEST_INVALID'],
    [{ op: 'subscribe', topic: 't', from: { 0: 99 }, permits: 1 }, 'OFFSET_OUT_OF_RANGE'],
    [{ op: 'subscribe', topic: 't', from: 'earliest', permits: -1 }, 'REQUEST_INVALID'],
    [{ op: 'subscribe', topic: 't', from: 'earliest', permits: 1, mode: 'queue' }, 'REQUEST_INVALID'],
    [{ op: 'permit', sub: 77, records: 1 }, 'SUBSCRIPTION_UNKNOWN'],
  ];
  for (const [index, [message, code]] of cases.entries()) {
    peer.say({ ...message, id: 100 + index });
    expect(await peer.hear({ op: 'error', id: 100 + index }), JSON.stringify(message)).toMatchObject({ code });
  }
  peer.socket.send('{"op":');
  await peer.hear({ op: 'error', code: 'REQUEST_MALFORMED' });
  peer.say({ op: 'produce', id: 1, topic: 't', records: [{ value: 1, partition: 0 }] });
  expect(await peer.hear({ op: 'produced', id: 1 })).toMatchObject({ offsets: [{ offset: 0 }] });
  peer.socket.close();
});

it('survives hostile MessagePack', async () => {
  const server = await serverWithTopic();
  const hostile = [
    Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff, 0x01]),
    Buffer.from([0xc6, 0xff, 0xff, 0xff, 0xff]),
    Buffer.alloc(100_000, 0x91),
    Buffer.from([0xc7, 0x01, 0x72, 0x40]),
    Buffer.from([0xc1]),
    Buffer.alloc(0),
  ];
  for (const bytes of hostile) {
    const peer = await Peer.open(server, 'msgpack');
    peer.socket.send(bytes);
    await peer.hear({ op: 'error' });
    peer.socket.close();
  }
  const peer = await Peer.open(server, 'msgpack');
  peer.socket.send(Buffer.alloc(4 * 1024 * 1024));
  await waitFor(() => peer.closed !== undefined, { what: 'a message over the limit to end its connection' });
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
});

it('asks for a key once there is a client, and holds to its scopes', async () => {
  const server = await serverWithTopic();
  const makeClient = async (name: string, scopes: readonly string[], key?: string): Promise<string> => {
    const headers = {
      'content-type': 'application/json',
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    };
    const answer = await fetch(`${server.url}/v1/clients/${name}`, {
      method: 'PUT',
      headers,
      body: JSON.stringify({ scopes }),
    });
    expect(answer.status).toBe(201);
    return ((await answer.json()) as { key: string }).key;
  };
  const admin = await makeClient('boss', ['admin']);
  const app = await makeClient('app', ['produce:t'], admin);
  await expect(Peer.open(server, 'json')).rejects.toThrow('401');
  await expect(Peer.open(server, 'json', { authorization: `Bearer ${app}x` })).rejects.toThrow('401');
  const peer = await Peer.open(server, 'json', { authorization: `Bearer ${app}` });
  peer.say({ op: 'produce', id: 1, topic: 't', records: [{ value: 1 }] });
  await peer.hear({ op: 'produced', id: 1 });
  peer.say({ op: 'subscribe', id: 2, topic: 't', from: 'earliest', permits: 1 });
  expect(await peer.hear({ op: 'error', id: 2 })).toMatchObject({ code: 'FORBIDDEN' });
  peer.socket.close();
});

it('tells connections to come back when it goes down', async () => {
  const server = await serverWithTopic();
  const peer = await Peer.open(server, 'json');
  await peer.hear({ op: 'credit' });
  expect((await server.stop()).code).toBe(0);
  await waitFor(() => peer.closed !== undefined, { what: 'the connection to be closed' });
  expect(peer.closed).toBe(1012);
});
