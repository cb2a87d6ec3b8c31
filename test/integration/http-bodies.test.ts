/** Request bodies that are late, too large, broken off or not what they say: a coded answer, and nothing stored. */
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { waitFor } from '#kit';
import { type Fixture, problemOf, raw, serve } from './http-fixture.ts';

const HEAD = 'POST /v1/topics/t/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

function storedIn(server: Fixture): number {
  return server.log.partition('t', 0).tail + server.log.partition('t', 1).tail;
}

test('a body that never comes is given up with 408', async () => {
  const server = await serve({ limits: { requestMs: 200 } });
  const { answers, closed } = await raw(server.port, [`${HEAD}Content-Length: 100\r\n\r\n`]);
  expect(answers[0]?.status).toBe(408);
  expect(JSON.parse(answers[0]?.body ?? '')).toMatchObject({ code: 'REQUEST_TIMEOUT', retryable: true });
  expect(closed).toBe(true);
});

test('a body that drips is given up with 408, in its length or in chunks', async () => {
  const server = await serve({ limits: { requestMs: 300 } });
  const drip = Array.from({ length: 30 }, () => ['a', 40]).flat();
  const sized = await raw(server.port, [`${HEAD}Content-Length: 100\r\n\r\n`, ...drip]);
  expect(sized.answers[0]?.status).toBe(408);
  const chunks = Array.from({ length: 30 }, () => ['1\r\na\r\n', 40]).flat();
  const chunked = await raw(server.port, [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`, ...chunks]);
  expect(chunked.answers[0]?.status).toBe(408);
  expect(storedIn(server)).toBe(0);
});

test('a client that goes away in mid-body leaves nothing behind', async () => {
  const server = await serve();
  await new Promise<void>((resolve) => {
    fetchAndDrop(server.port, `${HEAD}Content-Length: 1000\r\n\r\n{"records":[{"value":1}`, resolve);
  });
  await waitFor(async () => (await metric(server, 'sluice_http_requests_open')) === 1, {
    what: 'only the metrics to be open',
  });
  expect(storedIn(server)).toBe(0);
  expect((await server.produce([{ value: 1 }])).status).toBe(200);
});

test('a client that goes away before its answer does no harm', async () => {
  const server = await serve();
  const body = '{"records":[{"value":1}]}';
  for (let i = 0; i < 20; i++) {
    await new Promise<void>((resolve) => {
      fetchAndDrop(server.port, `${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`, resolve);
    });
  }
  await waitFor(() => storedIn(server) === 20, { what: 'the records of those who went away' });
  expect((await server.get('/healthz')).status).toBe(200);
});

test('a body over the limit is refused, and the connection lives on where it is not far over', async () => {
  const server = await serve({ limits: { requestBytesMax: 1_100_000 } });
  const body = 'x'.repeat(1_200_000);
  const good = '{"records":[{"value":1}]}';
  const { answers } = await raw(
    server.port,
    [
      `${HEAD}Content-Length: ${body.length}\r\n\r\n`,
      body,
      200,
      `${HEAD}Content-Length: ${good.length}\r\n\r\n${good}`,
    ],
    2,
  );
  expect(answers.map(({ status }) => status)).toEqual([413, 200]);
  expect(JSON.parse(answers[0]?.body ?? '')).toMatchObject({ code: 'REQUEST_TOO_LARGE', max: 1_100_000 });
});

test('a body far over the limit is refused at its head', async () => {
  const server = await serve();
  const { answers, closed } = await raw(server.port, [`${HEAD}Content-Length: 99999999999\r\n\r\nabc`]);
  expect(answers[0]?.status).toBe(413);
  expect(closed).toBe(true);
});

test('chunks beyond the limit are refused', async () => {
  const server = await serve({ limits: { requestBytesMax: 1_100_000 } });
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  const { answers } = await raw(server.port, [
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n`,
    ...Array.from({ length: 20 }, () => chunk),
    '0\r\n\r\n',
  ]);
  expect(answers[0]?.status).toBe(413);
  expect(storedIn(server)).toBe(0);
});

test.each([
  ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 'REQUEST_MALFORMED'],
  ['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 'REQUEST_MALFORMED'],
  ['a byte order mark', Buffer.from('\ufeff{"records":[{"value":1}]}'), 'REQUEST_MALFORMED'],
  ['nothing', Buffer.alloc(0), 'REQUEST_MALFORMED'],
  ['half an object', Buffer.from('{"records":[{"value":'), 'REQUEST_MALFORMED'],
  ['text behind the end', Buffer.from('{"records":[{"value":1}]}x'), 'REQUEST_MALFORMED'],
  ['a list', Buffer.from('[]'), 'REQUEST_INVALID'],
  ['null', Buffer.from('null'), 'REQUEST_INVALID'],
  ['no records', Buffer.from('{}'), 'REQUEST_INVALID'],
  ['an empty list of records', Buffer.from('{"records":[]}'), 'REQUEST_INVALID'],
  ['an unknown member', Buffer.from('{"records":[{"value":1}],"topic":"t"}'), 'REQUEST_INVALID'],
])('a JSON body that is %s is refused', async (_, body, code) => {
  const server = await serve();
  const problem = await problemOf(await server.send('POST', '/v1/topics/t/records', body));
  expect(problem).toMatchObject({ status: 400, code });
  expect(storedIn(server)).toBe(0);
});

test.each([
  [{ vaule: 1 }, 'records[1].vaule'],
  [{ key: 5 }, 'records[1].key'],
  [{ key: '\ud800' }, 'records[1].key'],
  [{ key: 'a', key_base64: 'YQ==' }, 'records[1].key_base64'],
  [{ value: 1, value_base64: 'YQ==' }, 'records[1].value_base64'],
  [{ value_base64: 'not base64' }, 'records[1].value_base64'],
  [{ headers: [] }, 'records[1].headers'],
  [{ headers: { a: 1 } }, 'records[1].headers.a'],
  [{ timestamp: -1 }, 'records[1].timestamp'],
  [{ timestamp: 1.5 }, 'records[1].timestamp'],
  [{ partition: 'one' }, 'records[1].partition'],
  ['text', 'records[1]'],
])('a record %j is refused with the field that is wrong', async (record, field) => {
  const server = await serve();
  const body = { records: [{ value: 'fine' }, record] };
  const problem = await problemOf(await server.send('POST', '/v1/topics/t/records', body));
  expect(problem).toMatchObject({ status: 400, code: 'REQUEST_INVALID', field });
  expect(storedIn(server)).toBe(0);
});

test('other refusals have their codes', async () => {
  const server = await serve({ limits: { recordBytesMax: 1_000, batchRecordsMax: 3 } });
  const send = async (path: string, body: unknown, headers: Record<string, string> = {}) =>
    (await problemOf(await server.send('POST', path, body, headers))).code;
  const one = { records: [{ value: 1 }] };
  const path = '/v1/topics/t/records';
  expect(await send('/v1/topics/none/records', one)).toBe('TOPIC_UNKNOWN');
  expect(await send('/v1/topics/sys.audit/records', one)).toBe('FORBIDDEN');
  expect(await send(path, { records: [{ value: 1, partition: 2 }] })).toBe('PARTITION_UNKNOWN');
  expect(await send(`${path}?partition=7`, one)).toBe('PARTITION_UNKNOWN');
  expect(await send(`${path}?durability=none`, one)).toBe('REQUEST_INVALID');
  expect(await send(`${path}?durabilty=fsync`, one)).toBe('REQUEST_INVALID');
  expect(await send(`${path}?partition=1&partition=0`, one)).toBe('REQUEST_MALFORMED');
  expect(await send(`${path}?partition=%zz`, one)).toBe('REQUEST_MALFORMED');
  expect(await send('/v1/topics/%zz/records', one)).toBe('REQUEST_MALFORMED');
  expect(await send(path, one, { 'content-type': 'text/plain' })).toBe('MEDIA_TYPE_UNSUPPORTED');
  expect(await send(path, { records: [{ value: 'x'.repeat(1_001) }] })).toBe('RECORD_TOO_LARGE');
  expect(await send(path, { records: [1, 2, 3, 4].map((value) => ({ value })) })).toBe('TOO_MANY_RECORDS');
  expect(await send(path, Buffer.from('81a7', 'hex'), { 'content-type': 'application/msgpack' })).toBe(
    'REQUEST_MALFORMED',
  );
  expect(await send('/v1/nothing', one)).toBe('ROUTE_UNKNOWN');
  const wrongMethod = await server.send('PATCH', path, one);
  expect(wrongMethod.headers.get('allow')).toBe('POST');
  expect((await problemOf(wrongMethod)).code).toBe('METHOD_NOT_ALLOWED');
  expect(storedIn(server)).toBe(0);
});

async function metric(server: Fixture, name: string): Promise<number> {
  const text = await (await server.get('/metrics')).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
}

/** Sends the request and cuts the connection as soon as the bytes are on their way. */
function fetchAndDrop(port: number, request: string, done: () => void): void {
  const socket = connect(port, '127.0.0.1', () => socket.write(request, () => socket.destroy()));
  socket.on('close', done);
}
