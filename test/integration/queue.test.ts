/** Queues over WebSocket, message by message, on the built server: what is said, and what a kill leaves. */
import { expect, it } from 'vitest';
import { freePort, type Server, startServer, tempDir, waitFor } from '#kit';
import { type Message, Peer } from './ws-peer.ts';

interface Delivered {
  partition: number;
  offset: number;
  attempt: number;
  key: unknown;
  value: unknown;
}

async function serverWithTopic(partitions = 2, options: Parameters<typeof startServer>[0] = {}): Promise<Server> {
  const server = await startServer(options);
  const init = {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ partitions }),
  };
  expect((await fetch(`${server.url}/v1/topics/t`, init)).ok).toBe(true);
  return server;
}

async function produce(server: Server, records: readonly object[]): Promise<void> {
  const answer = await fetch(`${server.url}/v1/topics/t/records`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ records }),
  });
  expect(answer.status).toBe(200);
}

function delivered(peer: Peer): Delivered[] {
  return peer.received.flatMap((message) => (message.op === 'records' ? (message['records'] as Delivered[]) : []));
}

/** What was delivered, once there is so much. */
async function receive(peer: Peer, count: number): Promise<Delivered[]> {
  return waitFor(() => delivered(peer).length >= count && delivered(peer), { what: `${count} records` });
}

const subscribe = (more: object = {}) => ({
  op: 'subscribe',
  id: 1,
  mode: 'queue',
  topic: 't',
  group: 'g',
  from: 'earliest',
  permits: 100,
  ...more,
});

it.each(['json', 'msgpack'] as const)('hands out, hears of and hands out again, in %s', async (codec) => {
  const server = await serverWithTopic();
  await produce(server, [
    { key: 'a', value: 1, partition: 0, headers: { h: 'x' } },
    { key: 'a', value: 2, partition: 0 },
    { key: 'b', value: 3, partition: 1 },
  ]);
  const peer = await Peer.open(server, codec);
  peer.say(subscribe({ backoff_ms: 20 }));
  expect(await peer.hear({ op: 'subscribed', sub: 1 })).toEqual({ op: 'subscribed', sub: 1, partitions: [] });
  const first = await receive(peer, 2);
  const text = (value: unknown) => (codec === 'json' ? value : JSON.parse(Buffer.from(value as Uint8Array).toString()));
  expect(first.map(({ value }) => text(value)).sort()).toEqual([1, 3]);
  expect(first.find(({ partition }) => partition === 0)).toMatchObject({
    offset: 0,
    attempt: 1,
    key: codec === 'json' ? 'a' : Buffer.from('a'),
    headers: { h: codec === 'json' ? 'x' : Buffer.from('x') },
    timestamp: expect.any(Number),
  });
  peer.say({ op: 'nack', sub: 1, partition: 0, offset: 0, id: 10 });
  expect(await peer.hear({ id: 10 })).toEqual({ op: 'nacked', id: 10 });
  const again = await receive(peer, 3);
  expect(again[2]).toMatchObject({ partition: 0, offset: 0, attempt: 2 });
  peer.say({ op: 'extend', sub: 1, partition: 0, offset: 0, id: 11 });
  expect(await peer.hear({ id: 11 })).toEqual({ op: 'extended', id: 11 });
  peer.say({ op: 'ack', sub: 1, partition: 0, offsets: [0, 0], id: 12 });
  expect(await peer.hear({ id: 12 })).toEqual({ op: 'acked', id: 12 });
  expect(text((await receive(peer, 4))[3]?.value)).toBe(2);
  peer.say([
    { op: 'ack', sub: 1, partition: 0, offset: 1 },
    { op: 'ack', sub: 1, partition: 1, offset: 0, id: 13 },
  ]);
  await peer.hear({ op: 'acked', id: 13 });
  const group = (await (await fetch(`${server.url}/v1/groups/g`)).json()) as object;
  expect(group).toMatchObject({
    mode: 'queue',
    members: [{ topics: ['t'] }],
    partitions: [
      { partition: 0, committed: 2, lag: 0, member: null },
      { partition: 1, committed: 1, lag: 0, member: null },
    ],
    queues: [{ topic: 't', in_flight: 0, away: 0, delayed: 0, waiting: 0 }],
  });
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain('sluice_queue_handed_out_total{group="g",topic="t"} 4');
  expect(metrics).toContain('sluice_queue_redelivered_total{group="g",topic="t"} 1');
  expect(metrics).toContain('sluice_queue_acknowledged_total{group="g",topic="t"} 3');
  expect(metrics).toContain('sluice_queue_in_flight{group="g",topic="t"} 0');
  peer.socket.close();
});

it('hands out no more than is permitted', async () => {
  const server = await serverWithTopic();
  await produce(
    server,
    Array.from({ length: 50 }, (_, value) => ({ value })),
  );
  const peer = await Peer.open(server, 'json');
  peer.say(subscribe({ permits: 20 }));
  await receive(peer, 20);
  peer.say({ op: 'permit', sub: 1, records: 15 });
  await receive(peer, 35);
  peer.say({ op: 'unsubscribe', sub: 1 });
  await peer.hear({ op: 'unsubscribed', sub: 1 });
  expect(delivered(peer)).toHaveLength(35);
  const other = await Peer.open(server, 'json');
  other.say(subscribe());
  const all = await receive(other, 50);
  expect(new Set(all.map(({ attempt }) => attempt))).toEqual(new Set([1]));
  for (const one of [peer, other]) one.socket.close();
});

it('answers what does not fit with a coded error, and goes on', async () => {
  const server = await serverWithTopic();
  await produce(server, [{ value: 1, partition: 0 }]);
  const peer = await Peer.open(server, 'json');
  const cases: [Message, string][] = [
    [{ ...subscribe({ id: 100 }), group: undefined } as unknown as Message, 'REQUEST_INVALID'],
    [subscribe({ id: 101, format: 'batch' }) as Message, 'REQUEST_INVALID'],
    [subscribe({ id: 102, partitions: [0] }) as Message, 'REQUEST_INVALID'],
    [subscribe({ id: 103, visibility_ms: 0 }) as Message, 'REQUEST_INVALID'],
    [subscribe({ id: 104, max_attempts: -1 }) as Message, 'REQUEST_INVALID'],
    [subscribe({ id: 105, topic: 'none' }) as Message, 'TOPIC_UNKNOWN'],
    [subscribe({ id: 106, from: 'somewhere' }) as Message, 'REQUEST_INVALID'],
  ];
  for (const [message, code] of cases) {
    peer.say(message);
    expect(await peer.hear({ op: 'error', id: message['id'] }), JSON.stringify(message)).toMatchObject({ code });
  }
  peer.say(subscribe());
  await receive(peer, 1);
  peer.say({ op: 'ack', sub: 1, partition: 0, offset: 7, id: 200 });
  expect(await peer.hear({ id: 200 })).toMatchObject({ code: 'MEMBER_FENCED', partition: 0, offset: 7 });
  peer.say({ op: 'ack', sub: 1, partition: 0, offsets: [7, 0, 8], id: 201 });
  expect(await peer.hear({ id: 201 })).toMatchObject({ code: 'MEMBER_FENCED', offset: 7, refused: 2 });
  peer.say({ op: 'nack', sub: 1, partition: 0, offset: 0, delay_ms: -1, id: 202 });
  expect(await peer.hear({ id: 202 })).toMatchObject({ code: 'REQUEST_INVALID' });
  peer.say({ op: 'subscribe', id: 2, topic: 't', group: 'g', permits: 1 });
  expect(await peer.hear({ op: 'error', id: 2 })).toMatchObject({ code: 'GROUP_MODE_CONFLICT', mode: 'queue' });
  peer.say({ op: 'subscribe', id: 3, topic: 't', group: 'h', permits: 0 });
  await peer.hear({ op: 'assigned', sub: 3 });
  peer.say({ op: 'nack', sub: 3, partition: 0, offset: 0, id: 203 });
  expect(await peer.hear({ id: 203 })).toMatchObject({ code: 'REQUEST_INVALID' });
  peer.say({ op: 'ack', sub: 1, partition: 0, offset: 0, id: 204 });
  await peer.hear({ op: 'acked', id: 204 });
  peer.socket.close();
});

it('gives what a broken connection had to others after a backoff, and what a closed one had at once', async () => {
  const server = await serverWithTopic(1);
  await produce(server, [{ key: 'a', value: 1 }]);
  const broken = await Peer.open(server, 'json');
  broken.say(subscribe({ backoff_ms: 10 }));
  await receive(broken, 1);
  const closed = await Peer.open(server, 'json');
  closed.say(subscribe());
  await closed.hear({ op: 'subscribed', sub: 1 });
  broken.socket.terminate();
  expect(await receive(closed, 1)).toMatchObject([{ value: 1, attempt: 2 }]);
  const last = await Peer.open(server, 'json');
  last.say(subscribe());
  await last.hear({ op: 'subscribed', sub: 1 });
  closed.socket.close();
  expect(await receive(last, 1)).toMatchObject([{ value: 1, attempt: 2 }]);
  last.socket.close();
});

it('keeps what was acknowledged through a kill, hands out the rest again, and delayed records in time', async () => {
  const [dataDir, port] = [await tempDir(), await freePort()];
  let server = await serverWithTopic(2, { dataDir, port });
  const total = 3_000;
  await produce(
    server,
    Array.from({ length: total }, (_, n) => ({ key: `k${n % 50}`, value: n })),
  );
  const dueAt = Date.now() + 4_000;
  await produce(server, [
    { key: 'k1', value: 'due', headers: { 'deliver-at': String(dueAt) } },
    { key: 'k2', value: 'far', headers: { 'deliver-at': new Date(dueAt + 3_600_000).toISOString() } },
  ]);
  const peer = await Peer.open(server, 'json');
  peer.say(subscribe({ permits: 1_000_000, backoff_ms: 60_000 }));
  const acknowledged = new Set<unknown>();
  let refused: Delivered | undefined;
  for (let seen = 0; seen < total / 2; ) {
    const some = (await receive(peer, seen + 1)).slice(seen);
    seen += some.length;
    refused ??= some[0];
    const done = some.filter((record) => record !== refused);
    peer.say(done.map(({ partition, offset }) => ({ op: 'ack', sub: 1, partition, offset })));
    for (const { value } of done) acknowledged.add(value);
  }
  const { partition, offset, key } = refused as Delivered;
  peer.say({ op: 'nack', sub: 1, partition, offset, delay_ms: 500, id: 5 });
  await peer.hear({ op: 'nacked', id: 5 });
  await server.kill();
  await waitFor(() => peer.closed !== undefined, { what: 'the connection to end' });
  const known = new Set(delivered(peer).map(({ value }) => value));

  server = await startServer({ dataDir, port });
  const again = await Peer.open(server, 'json');
  again.say(subscribe({ permits: 1_000_000 }));
  const values: unknown[] = [];
  const wanted = total - acknowledged.size + 1;
  for (let seen = 0; values.length < wanted; ) {
    const some = (await receive(again, seen + 1)).slice(seen);
    seen += some.length;
    for (const record of some) {
      if (record.value === 'due') expect(Date.now()).toBeGreaterThanOrEqual(dueAt);
      if (record.partition === partition && record.offset === offset) expect(record.attempt).toBe(2);
      else if (record.key === key) expect(values).toContain((refused as Delivered).value);
      values.push(record.value);
    }
    again.say(some.map((record) => ({ op: 'ack', sub: 1, partition: record.partition, offset: record.offset })));
  }
  expect(values.filter((value) => acknowledged.has(value))).toEqual([]);
  expect(new Set(values).size).toBe(wanted);
  expect(values).toContain('due');
  expect(known.size).toBeLessThan(total);
  expect(values).not.toContain('far');
  again.socket.close();
});
