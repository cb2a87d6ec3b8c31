/** Reading pages: formats, places, waiting, and what is no longer or not yet there. */
import { unpack } from 'msgpackr';
import { expect, test } from 'vitest';
import { waitFor } from '#kit';
import { type Fixture, problemOf, serve } from './http-fixture.ts';

const PATH = '/v1/topics/t/partitions/0/records';

async function filled(count: number, options = {}): Promise<Fixture> {
  const server = await serve(options);
  for (let i = 0; i < count; i++) {
    await server.produce([{ key: `k${i}`, value: i, timestamp: 1_000 + i * 10, partition: 0 }]);
  }
  return server;
}

async function page(server: Fixture, query: string) {
  const answer = await server.get(`${PATH}?${query}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as { records: { offset: number; value: unknown }[]; next: number; durable: number };
}

test('a page says where the next one begins', async () => {
  const server = await filled(5);
  const first = await page(server, 'offset=earliest&max_bytes=1');
  expect(first).toMatchObject({ records: [{ offset: 0, value: 0 }], next: 1, durable: 5 });
  const rest = await page(server, `offset=${first.next}`);
  expect(rest.records.map(({ value }) => value)).toEqual([1, 2, 3, 4]);
  expect(await page(server, 'offset=5')).toEqual({ records: [], next: 5, durable: 5 });
  expect(await page(server, 'offset=latest')).toEqual({ records: [], next: 5, durable: 5 });
});

test('an offset inside a batch skips what is before it', async () => {
  const server = await serve();
  await server.produce([1, 2, 3].map((value) => ({ value, partition: 0 })));
  expect((await page(server, 'offset=2')).records).toMatchObject([{ offset: 2, value: 3 }]);
});

test('a time finds the first record at or after it', async () => {
  const server = await filled(3);
  expect((await page(server, 'offset=@1010')).records.map(({ value }) => value)).toEqual([1, 2]);
  expect((await page(server, 'offset=@1011')).records.map(({ value }) => value)).toEqual([2]);
  expect((await page(server, 'offset=@9999')).records).toEqual([]);
});

test('the same page comes as lines, MessagePack or JSON, as Accept wants', async () => {
  const server = await filled(2);
  const lines = await (await server.get(PATH, { accept: 'application/x-ndjson' })).text();
  expect(
    lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).value),
  ).toEqual([0, 1]);
  const packed = await server.get(PATH, { accept: 'text/html;q=0.5, application/msgpack' });
  expect(packed.headers.get('content-type')).toBe('application/msgpack');
  const { records, next } = unpack(Buffer.from(await packed.arrayBuffer())) as {
    records: { key: Buffer }[];
    next: number;
  };
  expect([next, Buffer.from(records[1]?.key ?? []).toString()]).toEqual([2, 'k1']);
  expect((await server.get(PATH, { accept: '*/*' })).headers.get('content-type')).toBe('application/json');
  expect((await problemOf(await server.get(PATH, { accept: 'text/html' }))).code).toBe('NOT_ACCEPTABLE');
});

test('HEAD answers the head alone', async () => {
  const server = await filled(2);
  const answer = await server.send('HEAD', PATH);
  expect(answer.status).toBe(200);
  expect(Number(answer.headers.get('content-length'))).toBeGreaterThan(50);
  expect(await answer.text()).toBe('');
});

test('a long poll is woken by a record', async () => {
  const server = await filled(1);
  const waiting = page(server, 'offset=1&wait_ms=30000');
  await waitFor(() => server.metrics.render().includes('sluice_http_requests_open 1'), { what: 'the poll to wait' });
  await server.produce([{ value: 'new', partition: 0 }]);
  expect((await waiting).records).toMatchObject([{ offset: 1, value: 'new' }]);
});

test('a long poll ends empty when its time is over', async () => {
  const server = await filled(1);
  expect(await page(server, 'offset=1&wait_ms=50')).toEqual({ records: [], next: 1, durable: 1 });
});

test('a long poll whose client goes away is forgotten', async () => {
  const server = await filled(1);
  const controller = new AbortController();
  const poll = fetch(`${server.url}${PATH}?offset=1&wait_ms=30000`, { signal: controller.signal });
  await waitFor(() => server.metrics.render().includes('sluice_http_requests_open 1'), { what: 'the poll to wait' });
  controller.abort();
  await expect(poll).rejects.toThrow();
  await waitFor(() => server.metrics.render().includes('sluice_http_requests_open 0'), { what: 'the poll to end' });
});

test('what was trimmed is gone, and the answer says where the partition starts', async () => {
  const server = await filled(4);
  const trimmed = await server.send('DELETE', `${PATH}?before=3`);
  expect(await trimmed.json()).toMatchObject({ partition: 0, start: 3, durable: 4 });
  expect(await problemOf(await server.get(`${PATH}?offset=1`))).toMatchObject({
    status: 410,
    code: 'OFFSET_TRIMMED',
    start: 3,
  });
  expect((await page(server, 'offset=earliest')).records).toMatchObject([{ offset: 3 }]);
  const beyond = await problemOf(await server.send('DELETE', `${PATH}?before=9`));
  expect(beyond).toMatchObject({ status: 416, durable: 4 });
});

test('what is beyond the end is out of range', async () => {
  const server = await filled(1);
  expect(await problemOf(await server.get(`${PATH}?offset=2`))).toMatchObject({
    status: 416,
    code: 'OFFSET_OUT_OF_RANGE',
  });
});

test.each([
  ['offset=-1', 'offset'],
  ['offset=first', 'offset'],
  ['offset=@', 'offset'],
  ['offset=1e3', 'offset'],
  ['max_bytes=', 'max_bytes'],
  ['max_bytes=999999999999', 'max_bytes'],
  ['wait_ms=-5', 'wait_ms'],
])('the query %s is refused', async (query, field) => {
  const server = await serve();
  const problem = await problemOf(await server.get(`${PATH}?${query}`));
  expect(problem).toMatchObject({ status: 400, code: 'REQUEST_INVALID', field });
});

test('places that are not there are unknown', async () => {
  const server = await serve();
  const code = async (path: string) => (await problemOf(await server.get(path))).code;
  expect(await code('/v1/topics/none/partitions/0/records')).toBe('TOPIC_UNKNOWN');
  expect(await code('/v1/topics/t/partitions/2/records')).toBe('PARTITION_UNKNOWN');
  expect(await code('/v1/topics/t/partitions/x/records')).toBe('REQUEST_INVALID');
  expect(await code('/v1/topics/none/partitions')).toBe('TOPIC_UNKNOWN');
  const partitions = await (await server.get('/v1/topics/t/partitions')).json();
  expect(partitions).toMatchObject([{ partition: 0, start: 0, durable: 0 }, { partition: 1 }]);
});

test('a page of several megabytes arrives whole, also at a slow reader', async () => {
  const server = await serve();
  const text = 'y'.repeat(900_000);
  for (let i = 0; i < 6; i++) await server.produce([{ value: `${i}${text}`, partition: 0 }]);
  const answer = await server.get(`${PATH}?max_bytes=8000000`, { accept: 'application/x-ndjson' });
  let bytes = 0;
  for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += piece.length;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(bytes).toBe(Number(answer.headers.get('content-length')));
  expect(bytes).toBeGreaterThan(5_400_000);
});
