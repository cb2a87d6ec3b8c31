/** Producing exactly once over plain HTTP: Producer-Id, -Epoch, -Seq, and the conditional append. */
import { expect, test } from 'vitest';
import { type Fixture, problemOf, serve } from './http-fixture.ts';

function as(server: Fixture, epoch: number, sequence: number, values: readonly unknown[], name = 'p') {
  const headers = { 'producer-id': name, 'producer-epoch': String(epoch), 'producer-seq': String(sequence) };
  return server.produce(
    values.map((value) => ({ value })),
    '?partition=0',
    headers,
  );
}

async function values(server: Fixture) {
  return (await server.records(0)).map(({ value }) => value);
}

test('a request that is sent again is stored once and answered 204', async () => {
  const server = await serve();
  expect((await as(server, 0, 0, [1, 2])).status).toBe(200);
  expect((await as(server, 0, 0, [1, 2])).status).toBe(204);
  expect((await as(server, 0, 2, [3])).status).toBe(200);
  expect((await as(server, 0, 0, [1, 2])).status).toBe(204);
  expect(await values(server)).toEqual([1, 2, 3]);
});

test('requests sent at once are stored once', async () => {
  const server = await serve();
  const answers = await Promise.all(Array.from({ length: 8 }, () => as(server, 0, 0, ['only'])));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 204, 204, 204, 204, 204, 204, 204]);
  expect(await values(server)).toEqual(['only']);
});

test('a gap is refused, and the answer says what was expected', async () => {
  const server = await serve();
  await as(server, 0, 0, [1]);
  const answer = await as(server, 0, 5, [2]);
  expect(answer.headers.get('producer-expected-seq')).toBe('1');
  expect(answer.headers.get('producer-received-seq')).toBe('5');
  expect(await problemOf(answer)).toMatchObject({ status: 409, code: 'SEQUENCE_GAP', expected: 1 });
  expect(await values(server)).toEqual([1]);
});

test('an older epoch is fenced, and the answer says the newer one', async () => {
  const server = await serve();
  await as(server, 1, 0, [1]);
  const answer = await as(server, 0, 0, [2]);
  expect(answer.headers.get('producer-epoch')).toBe('1');
  expect(await problemOf(answer)).toMatchObject({ status: 403, code: 'PRODUCER_FENCED' });
  expect((await as(server, 2, 0, [3])).status).toBe(200);
  expect(await values(server)).toEqual([1, 3]);
});

test('producers of other names do not touch each other', async () => {
  const server = await serve();
  expect((await as(server, 0, 0, ['a'], 'one')).status).toBe(200);
  expect((await as(server, 0, 0, ['b'], 'two')).status).toBe(200);
  expect(await values(server)).toEqual(['a', 'b']);
});

test.each([
  [{ 'producer-id': 'p' }, 'Producer-Epoch'],
  [{ 'producer-id': 'p', 'producer-epoch': '0' }, 'Producer-Seq'],
  [{ 'producer-id': 'p', 'producer-epoch': '40000', 'producer-seq': '0' }, 'Producer-Epoch'],
  [{ 'producer-id': 'p', 'producer-epoch': '-1', 'producer-seq': '0' }, 'Producer-Epoch'],
  [{ 'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': '2147483648' }, 'Producer-Seq'],
  [{ 'producer-id': 'a b', 'producer-epoch': '0', 'producer-seq': '0' }, 'Producer-Id'],
  [{ 'producer-id': 'p'.repeat(256), 'producer-epoch': '0', 'producer-seq': '0' }, 'Producer-Id'],
  [{ 'expected-offset': 'x' }, 'Expected-Offset'],
])('headers %j are refused', async (headers, field) => {
  const server = await serve();
  const answer = await server.produce([{ value: 1 }], '?partition=0', headers as Record<string, string>);
  expect(await problemOf(answer)).toMatchObject({ status: 400, code: 'REQUEST_INVALID', field });
});

test('records of one idempotent request that would go to different partitions are refused', async () => {
  const server = await serve();
  const headers = { 'producer-id': 'p', 'producer-epoch': '0', 'producer-seq': '0' };
  const answer = await server.produce(
    [
      { value: 1, partition: 0 },
      { value: 2, partition: 1 },
    ],
    '',
    headers,
  );
  expect(await problemOf(answer)).toMatchObject({ code: 'REQUEST_INVALID', field: 'partition' });
  expect(server.log.partition('t', 0).tail + server.log.partition('t', 1).tail).toBe(0);
});

test('an append at an expected offset wins once', async () => {
  const server = await serve();
  const at = (offset: number, value: unknown) =>
    server.produce([{ value }], '?partition=0', { 'expected-offset': String(offset) });
  const answers = await Promise.all([at(0, 'a'), at(0, 'b'), at(0, 'c')]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
  const lost = answers.find(({ status }) => status === 412) as Response;
  expect(await problemOf(lost)).toMatchObject({ code: 'OFFSET_CONFLICT', tail: 1 });
  expect((await at(1, 'd')).status).toBe(200);
  expect(await server.records(0)).toHaveLength(2);
});
