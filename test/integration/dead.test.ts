/** Dead letters over HTTP and from the command line: what there is, why, sending again, letting go, and who may. */
import { describe, expect, it } from 'vitest';
import { connect } from '#client';
import { encodeUtf8, resolveLimits } from '#kernel';
import { runCli, startServer, waitFor } from '#kit';
import { deadLetterBatch, ensureDeadTopic } from '#log';
import { type Fixture, problemOf, serve } from './http-fixture.ts';

/** A server whose topic `t` has so many dead letters. */
async function withLetters(count: number): Promise<Fixture> {
  const server = await serve();
  const dead = await ensureDeadTopic(server.log, 't');
  for (let n = 0; n < count; n++) {
    const letter = {
      topic: 't',
      partition: n % 2,
      offset: n,
      key: encodeUtf8(`k${n}`),
      value: encodeUtf8(JSON.stringify({ n })),
      headers: [{ key: 'h', value: encodeUtf8('x') }],
      timestamp: 1_000 + n,
      source: n % 2 === 0 ? 'group:even' : 'processor:odd',
      attempts: 3,
      code: 'NACKED',
      message: 'no',
      stack: 'at f',
      at: 5_000,
    };
    await dead.append(deadLetterBatch(letter, resolveLimits()));
  }
  return server;
}

describe('dead letters over HTTP', () => {
  it('are listed by topic, page by page, and shown with their record', async () => {
    const server = await withLetters(5);
    expect(await (await server.get('/v1/dead')).json()).toEqual([{ topic: 't', letters: 5 }]);
    const page = (await (await server.get('/v1/dead/t?limit=2&from=1')).json()) as { letters: object[]; next: number };
    expect(page).toMatchObject({ letters: [{ id: 1 }, { id: 2 }], next: 3 });
    const odd = await (await server.get('/v1/dead/t?source=processor%3Aodd')).json();
    expect(odd).toMatchObject({ letters: [{ id: 1 }, { id: 3 }], next: null });
    expect(await (await server.get('/v1/dead/t/2')).json()).toEqual({
      id: 2,
      topic: 't',
      partition: 0,
      offset: 2,
      source: 'group:even',
      attempts: 3,
      code: 'NACKED',
      message: 'no',
      stack: 'at f',
      at: 5_000,
      omitted: false,
      record: { offset: 2, timestamp: 1_002, key: 'k2', value: { n: 2 }, headers: { h: 'x' } },
    });
    expect(await (await server.get('/v1/dead/none')).json()).toEqual({ letters: [], next: null });
    expect(await problemOf(await server.get('/v1/dead/t/9'))).toMatchObject({
      status: 404,
      code: 'DEAD_LETTER_UNKNOWN',
    });
    expect(await problemOf(await server.get('/v1/dead/t/x'))).toMatchObject({ code: 'REQUEST_INVALID' });
    expect(await problemOf(await server.get('/v1/dead/t?limit=1001'))).toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it('are sent again one by one, some, or all', async () => {
    const server = await withLetters(6);
    const one = await server.send('POST', '/v1/dead/t/3/retry');
    expect([one.status, await one.json()]).toEqual([200, { id: 3, partition: 1, offset: 0 }]);
    expect(await problemOf(await server.send('POST', '/v1/dead/t/3/retry'))).toMatchObject({
      code: 'DEAD_LETTER_UNKNOWN',
    });
    expect(await (await server.send('POST', '/v1/dead/t/retry', { ids: [0, 2] })).json()).toEqual({ retried: 2 });
    expect(await (await server.send('POST', '/v1/dead/t/retry', { source: 'group:even' })).json()).toEqual({
      retried: 1,
    });
    expect(await (await server.send('POST', '/v1/dead/t/retry')).json()).toEqual({ retried: 2 });
    expect((await server.records(0)).map(({ value }) => value)).toEqual([{ n: 0 }, { n: 2 }, { n: 4 }]);
    expect((await server.records(1)).map(({ value, key, headers }) => [value, key, headers])).toEqual([
      [{ n: 3 }, 'k3', { h: 'x' }],
      [{ n: 1 }, 'k1', { h: 'x' }],
      [{ n: 5 }, 'k5', { h: 'x' }],
    ]);
    expect(await (await server.get('/v1/dead')).json()).toEqual([]);
    for (const body of [{ ids: [] }, { ids: [-1] }, { what: 1 }]) {
      expect(await problemOf(await server.send('POST', '/v1/dead/t/retry', body))).toMatchObject({ status: 400 });
    }
  });

  it('are let go one by one, by source, or all', async () => {
    const server = await withLetters(5);
    expect((await server.send('DELETE', '/v1/dead/t/0')).status).toBe(204);
    expect(await problemOf(await server.send('DELETE', '/v1/dead/t/0'))).toMatchObject({ status: 404 });
    expect(await (await server.send('DELETE', '/v1/dead/t?source=processor%3Aodd')).json()).toEqual({ dropped: 2 });
    expect(await (await server.send('DELETE', '/v1/dead/t')).json()).toEqual({ dropped: 2 });
    expect(await server.records(0)).toEqual([]);
  });

  it('are for those who may consume the topic; sending again is for those who may produce to it too', async () => {
    const server = await withLetters(3);
    await server.resources.put('client', 'boss', { scopes: ['admin'] }, { by: null });
    const keyFor = async (name: string, scopes: readonly string[]) => {
      await server.resources.put('client', name, { scopes }, { by: null });
      return { authorization: `Bearer ${(await server.keys.issue(name, null)).key}` };
    };
    const reader = await keyFor('reader', ['consume:t']);
    const both = await keyFor('both', ['consume:t', 'produce:t']);
    const other = await keyFor('other', ['consume:u', 'produce:*']);
    const status = async (headers: Record<string, string>, method: string, path: string) =>
      (await server.send(method, path, undefined, headers)).status;
    expect(await status({}, 'GET', '/v1/dead/t')).toBe(401);
    expect([await status(other, 'GET', '/v1/dead/t'), await status(other, 'POST', '/v1/dead/t/0/retry')]).toEqual([
      403, 403,
    ]);
    expect([await status(other, 'DELETE', '/v1/dead/t'), await status(reader, 'GET', '/v1/dead')]).toEqual([403, 403]);
    expect([await status(reader, 'GET', '/v1/dead/t/0'), await status(reader, 'POST', '/v1/dead/t/retry')]).toEqual([
      200, 403,
    ]);
    expect([await status(both, 'POST', '/v1/dead/t/0/retry'), await status(reader, 'DELETE', '/v1/dead/t/1')]).toEqual([
      200, 204,
    ]);
  });
});

describe('dead letters from the command line', () => {
  it('are listed, shown, sent again and dropped', async () => {
    const server = await startServer();
    const at = ['--url', server.url];
    const client = connect({ url: server.url });
    await client.admin.createTopic('orders');
    const producer = client.producer({ topic: 'orders' });
    for (let n = 0; n < 4; n++) await producer.send({ key: `k${n}`, value: { n } });
    const consumer = client.consumer({ topic: 'orders', mode: 'queue', group: 'mail', from: 'earliest' });
    let refusing = true;
    const seen: number[] = [];
    const running = consumer.run((record) => {
      if (refusing) consumer.nack(record, { dead: true, reason: `cannot do ${record.offset}\nat all` });
      seen.push(record.offset);
    });
    await waitFor(async () => (await client.admin.deadBoxes())[0]?.letters === 4, { what: 'the dead letters' });
    refusing = false;
    const boxes = await runCli([...at, 'dead']);
    expect(boxes.stdout).toMatch(/TOPIC +LETTERS\norders +4\n/);
    const list = await runCli([...at, 'dead', 'list', 'orders', '--source', 'group:mail']);
    expect(list.stdout.split('\n')).toHaveLength(6);
    expect(list.stdout).toMatch(/\n1 +\S+Z +0\/1 +k1 +group:mail +1 +NACKED +cannot do 1\n/);
    const shown = JSON.parse((await runCli([...at, 'dead', 'show', 'orders', '2'])).stdout) as object;
    expect(shown).toMatchObject({ id: 2, message: 'cannot do 2\nat all', record: { key: 'k2', value: { n: 2 } } });
    const retried = await runCli([...at, 'dead', 'retry', 'orders', '2']);
    expect([retried.code, retried.stdout]).toEqual([0, 'orders 2 is again at 0/4\n']);
    await waitFor(() => seen.includes(4), { what: 'the record again' });
    expect((await runCli([...at, 'dead', 'retry', 'orders', '2'])).stderr).toContain('DEAD_LETTER_UNKNOWN');
    expect((await runCli([...at, '--json', 'dead', 'drop', 'orders', '0'])).stdout).toBe(
      '{"topic":"orders","dropped":1}\n',
    );
    for (const args of [
      ['retry', 'orders'],
      ['drop', 'orders', '1', '--all'],
      ['retry', 'orders', 'x'],
    ]) {
      expect((await runCli([...at, 'dead', ...args])).code).toBe(2);
    }
    const all = await runCli([...at, '--json', 'dead', 'retry', 'orders', '--all']);
    expect(JSON.parse(all.stdout)).toEqual({ topic: 'orders', retried: 2 });
    expect(JSON.parse((await runCli([...at, '--json', 'dead', 'list', 'orders'])).stdout)).toEqual([]);
    expect((await runCli([...at, 'dead', 'drop', 'orders', '--all'])).stdout).toBe(
      '0 dead letters of orders dropped\n',
    );
    await consumer.close();
    await running;
    const group = await client.admin.group<{ partitions: { lag: number }[] }>('mail');
    expect(group.partitions[0]?.lag).toBe(0);
    client.close();
  });

  it('come from consuming record by record, as lines', async () => {
    const server = await startServer();
    const at = ['--url', server.url];
    await runCli([...at, 'apply', '-f', '-'], { input: '{kind: topic, name: t, spec: {partitions: 2}}' });
    await runCli([...at, 'produce', 't', '--key-field', 'k'], {
      input: Array.from({ length: 20 }, (_, n) => `{"k":"k${n % 4}","n":${n}}\n`).join(''),
    });
    const consume = (...args: string[]) => runCli([...at, 'consume', 't', '--queue', '--from', 'earliest', ...args]);
    const first = await consume('--group', 'g', '--max', '7');
    const second = await consume('--group', 'g', '--max', '13');
    const lines = [first, second].flatMap(({ stdout }) =>
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    );
    expect(lines.map(({ value }) => value.n).sort((a: number, b: number) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, n) => n),
    );
    for (const { attempt } of lines) expect(attempt).toBe(1);
    for (const key of ['k0', 'k1', 'k2', 'k3']) {
      const mine = lines.filter((line) => line.key === key).map(({ value }) => value.n);
      expect(mine).toEqual(mine.toSorted((a: number, b: number) => a - b));
    }
    expect((await consume()).code).toBe(2);
    expect((await consume('--group', 'g', '--until-end')).code).toBe(2);
    const stream = await runCli([...at, 'consume', 't', '--group', 'g', '--max', '1']);
    expect([stream.code, stream.stderr]).toEqual([1, expect.stringContaining('GROUP_MODE_CONFLICT')]);
    const groups = await runCli([...at, '--json', 'groups', 'describe', 'g']);
    expect(JSON.parse(groups.stdout)).toMatchObject({ mode: 'queue', partitions: [{ lag: 0 }, { lag: 0 }] });
  });
});
