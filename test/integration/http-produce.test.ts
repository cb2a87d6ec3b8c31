/** Producing in every content type, and what is stored of it. */
import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { encodeBatch, partitionForKey } from '#record';
import { type Fixture, problemOf, serve } from './http-fixture.ts';

const PATH = '/v1/topics/t/records';

function post(
  server: Fixture,
  body: string | Uint8Array,
  type: string,
  query = '',
  headers: Record<string, string> = {},
) {
  return server.send('POST', `${PATH}${query}`, body, { 'content-type': type, ...headers });
}

/** What is stored of the one record in partition 0. */
async function stored(server: Fixture) {
  const [record, ...others] = await server.records(0);
  expect(others).toEqual([]);
  return record;
}

test('a JSON value is stored and given back exactly as it was sent', async () => {
  const server = await serve();
  const value = '{"n":12345678901234567890,"x":1.0,"é":"\\u00e9","b":[ 1,2 ],"a":{"value":0}}';
  const answer = await post(server, `{ "records" : [ {"value": ${value} , "partition":0} ] }`, 'application/json');
  expect(await answer.json()).toEqual({ offsets: [{ partition: 0, offset: 0 }] });
  const page = await (await server.get('/v1/topics/t/partitions/0/records')).text();
  expect(page).toContain(`"value":${value},`);
});

test('keys decide the partition, a named partition comes first, and offsets are answered in order', async () => {
  const server = await serve();
  const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
  const answer = await server.produce(keys.map((key) => ({ key, value: key })));
  const { offsets } = (await answer.json()) as { offsets: { partition: number; offset: number }[] };
  expect(offsets.map(({ partition }) => partition)).toEqual(keys.map((key) => partitionForKey(Buffer.from(key), 2)));
  for (const partition of [0, 1]) {
    const mine = offsets.filter((place) => place.partition === partition).map(({ offset }) => offset);
    expect(mine).toEqual(mine.map((_, i) => i));
  }
  const named = await server.produce([{ key: 'a', value: 1, partition: 1 }]);
  expect(await named.json()).toMatchObject({ offsets: [{ partition: 1 }] });
});

test('records without a key take turns over the partitions, one request after the other', async () => {
  const server = await serve();
  for (let i = 0; i < 6; i++) await server.produce([{ value: i }]);
  expect([server.log.partition('t', 0).tail, server.log.partition('t', 1).tail]).toEqual([3, 3]);
});

test('bytes, headers, times and tombstones go in and come out', async () => {
  const server = await serve();
  const key = Buffer.from([0xff, 0x00]).toString('base64');
  const headers = { text: 'é', bytes: { base64: '/w==' }, none: null };
  await server.produce([
    { key_base64: key, value_base64: '/w==', headers, timestamp: 1_700_000_000_000, partition: 0 },
    { key: 'gone', value: null, partition: 0 },
    { partition: 0 },
  ]);
  const [first, second, third] = await server.records(0);
  expect(first).toEqual({
    offset: 0,
    timestamp: 1_700_000_000_000,
    key_base64: key,
    value_base64: '/w==',
    headers,
  });
  expect(second).toMatchObject({ key: 'gone', value: null, headers: {} });
  expect(third).toMatchObject({ key: null, value: null });
});

test('a request is stored whole or not at all', async () => {
  const server = await serve();
  const answer = await server.produce([
    { key: 'a', value: 1 },
    { key: 'b', value: 2 },
    { value: 3, partition: 9 },
  ]);
  expect((await problemOf(answer)).code).toBe('PARTITION_UNKNOWN');
  expect(server.log.partition('t', 0).tail + server.log.partition('t', 1).tail).toBe(0);
});

test('a request larger than a batch becomes several, in order', async () => {
  const server = await serve();
  const text = 'x'.repeat(300_000);
  const answer = await server.produce(Array.from({ length: 10 }, (_, i) => ({ value: `${i}${text}`, partition: 0 })));
  const { offsets } = (await answer.json()) as { offsets: { offset: number }[] };
  expect(offsets.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const firsts: string[] = [];
  for (let next = 0; next < 10; ) {
    const answer = await server.get(`/v1/topics/t/partitions/0/records?offset=${next}`);
    const page = (await answer.json()) as { next: number; records: { value: string }[] };
    firsts.push(...page.records.map(({ value }) => value[0] as string));
    next = page.next;
  }
  expect(firsts.join('')).toBe('0123456789');
});

test('lines of JSON are records; an error names the line', async () => {
  const server = await serve();
  const lines = '{"key":"a","value":{"n":1},"partition":0}\n\n{"value":[2],"partition":0}\r\n{"value":3,"partition":0}';
  expect((await post(server, lines, 'application/x-ndjson')).status).toBe(200);
  expect((await server.records(0)).map(({ value }) => value)).toEqual([{ n: 1 }, [2], 3]);
  const wrong = await problemOf(await post(server, '{"value":1}\n{"value":', 'application/x-ndjson; charset=utf-8'));
  expect(wrong).toMatchObject({ code: 'REQUEST_MALFORMED', detail: expect.stringContaining('line 2') });
});

test('MessagePack carries bytes and text as they are', async () => {
  const server = await serve();
  const body = new Packr({ useRecords: false }).pack({
    records: [
      { key: 'k', value: Buffer.from([0xff]), headers: { h: Buffer.from([1]) }, partition: 0 },
      { key: Buffer.from('b'), value: 'plain text', partition: 0 },
    ],
  });
  expect((await post(server, body, 'application/msgpack')).status).toBe(200);
  const [first, second] = await server.records(0);
  expect(first).toMatchObject({ key: 'k', value_base64: '/w==', headers: { h: '\u0001' } });
  expect(second).toMatchObject({ key: 'b', value_base64: Buffer.from('plain text').toString('base64') });
});

test('a record batch is stored byte for byte, but for its offset', async () => {
  const server = await serve();
  const batch = encodeBatch([{ key: Buffer.from('k'), value: Buffer.from('1') }, { value: Buffer.from('2') }], {
    compression: 'gzip',
    now: 1_000,
  });
  await server.produce([{ value: 0, partition: 1 }]);
  const answer = await post(server, batch, 'application/vnd.sluice.batch', '?partition=1');
  expect(await answer.json()).toEqual({ partition: 1, offset: 1, count: 2, duplicate: false });
  const read = await server.get('/v1/topics/t/partitions/1/records?offset=1', {
    accept: 'application/vnd.sluice.batch',
  });
  const bytes = Buffer.from(await read.arrayBuffer());
  expect(bytes.subarray(8).equals(Buffer.from(batch).subarray(8))).toBe(true);
  expect(read.headers.get('sluice-next-offset')).toBe('3');
  expect(read.headers.get('sluice-durable-offset')).toBe('3');
});

test.each([
  ['no partition', '', (batch: Uint8Array) => batch, 'REQUEST_INVALID'],
  [
    'a wrong checksum',
    '?partition=0',
    (batch: Uint8Array) => batch.with(70, (batch[70] as number) ^ 1),
    'BATCH_CRC_MISMATCH',
  ],
  ['a piece missing', '?partition=0', (batch: Uint8Array) => batch.subarray(0, 65), 'BATCH_MALFORMED'],
  ['another format', '?partition=0', (batch: Uint8Array) => batch.with(16, 1), 'BATCH_UNSUPPORTED'],
  ['nothing in it', '?partition=0', () => new Uint8Array(0), 'BATCH_MALFORMED'],
])('a record batch with %s is refused', async (_, query, damage, code) => {
  const server = await serve();
  const batch = damage(encodeBatch([{ value: Buffer.from('some value') }], { now: 1 }));
  expect((await problemOf(await post(server, batch, 'application/vnd.sluice.batch', query))).code).toBe(code);
  expect(server.log.partition('t', 0).tail).toBe(0);
});

const EVENT = { specversion: '1.0', id: '1', source: '/s', type: 'made', partitionkey: 'k' };

test('a CloudEvent is stored alike from all three modes', async () => {
  const attributes = { ce_specversion: '1.0', ce_id: '1', ce_source: '/s', ce_type: 'made', ce_partitionkey: 'k' };
  const expected = { key: 'k', value: { n: 1 }, headers: { ...attributes, 'content-type': 'application/json' } };
  const binary = {
    'ce-specversion': '1.0',
    'ce-id': '1',
    'ce-source': '/s',
    'ce-type': 'made',
    'ce-partitionkey': 'k',
  };
  const sends: ((server: Fixture) => Promise<Response>)[] = [
    (server) =>
      post(server, JSON.stringify({ ...EVENT, data: { n: 1 } }), 'application/cloudevents+json', '?partition=0'),
    (server) =>
      post(
        server,
        JSON.stringify([{ ...EVENT, data: { n: 1 } }]),
        'application/cloudevents-batch+json',
        '?partition=0',
      ),
    (server) => post(server, '{"n":1}', 'application/json', '?partition=0', binary),
  ];
  for (const send of sends) {
    const server = await serve();
    expect((await send(server)).status).toBe(200);
    expect(await stored(server)).toMatchObject(expected);
  }
});

test('data of a CloudEvent keeps its bytes', async () => {
  const server = await serve();
  const event = (more: object) => JSON.stringify({ ...EVENT, ...more });
  const type = 'application/cloudevents+json';
  await post(server, event({ data: 'text', datacontenttype: 'text/plain' }), type, '?partition=0');
  await post(server, event({ data_base64: '/w==', datacontenttype: 'image/png' }), type, '?partition=0');
  await post(server, event({}).replace('}', ',"data":1.0}'), type, '?partition=0');
  await post(server, event({}), type, '?partition=0');
  const [text, bytes, number, none] = await server.records(0);
  expect(Buffer.from(text?.value_base64 ?? '', 'base64').toString()).toBe('text');
  expect(bytes).toMatchObject({ value_base64: '/w==', headers: { 'content-type': 'image/png' } });
  expect(number).toMatchObject({ value: 1 });
  expect(none).toMatchObject({ value: null });
});

test.each([
  [{ ...EVENT, id: '' }, 'id'],
  [{ ...EVENT, source: undefined }, 'source'],
  [{ ...EVENT, specversion: '0.3' }, 'specversion'],
  [{ ...EVENT, Wrong: 'x' }, 'Wrong'],
  [{ ...EVENT, list: [] }, 'list'],
  [{ ...EVENT, data: 1, data_base64: '' }, 'data_base64'],
])('a CloudEvent %j is refused', async (event, field) => {
  const server = await serve();
  const answer = await post(server, JSON.stringify(event), 'application/cloudevents+json');
  expect(await problemOf(answer)).toMatchObject({ status: 400, code: 'REQUEST_INVALID', field });
});

test('a topic is created by its first record only where that is set', async () => {
  const server = await serve({ autoCreateTopics: true });
  const send = () => server.send('POST', '/v1/topics/fresh/records', { records: [{ value: 1 }] });
  const answers = await Promise.all([send(), send(), send()]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(await server.records(0, 'fresh')).toHaveLength(3);
  expect((await server.get('/v1/topics/fresh')).status).toBe(200);
  expect((await problemOf(await server.send('POST', '/v1/topics/a%20b/records', { records: [{}] }))).status).toBe(400);
});
