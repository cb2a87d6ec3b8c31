/** Access records: what stands in them, what does not, and what becomes of those that cannot be kept. */
import { afterEach, describe, expect, test } from 'vitest';
import { waitFor } from '#kit';
import { iterateRecords } from '#record';
import { type FromThread, ThreadLink } from '../../../src/gateway/link.ts';
import type { GatewayRequest, Outcome, WholeAnswer } from '../../../src/gateway/policy.ts';
import { accessLogSchema, compileAccessLog, networkOf, UNROUTED } from '../../../src/gateway/records/access-log.ts';
import { BodiesPolicy, bodiesText } from '../../../src/gateway/records/bodies.ts';
import { recordText } from '../../../src/gateway/records/record-text.ts';
import { Recorder } from '../../../src/gateway/records/recorder.ts';
import { ManualClock, SluiceError } from '../../../src/kernel/index.ts';

const NOTHING = { address: '', trace: '', bodies: '' };
const OUTCOME: Outcome = {
  status: 200,
  code: undefined,
  upstream: 'main',
  target: 'http://10.0.0.7:80',
  attempts: 1,
  reached: true,
  requestBytes: 0,
  answerBytes: 512,
  beganAt: 1_764_034_123_456.4,
  elapsedMs: 3.204,
  upstreamMs: 2.9,
};

function request(further: Partial<GatewayRequest> & { noted?: Map<string, string | number> } = {}) {
  return {
    method: 'GET',
    host: 'api.example.com',
    path: '/orders/7',
    query: '',
    client: undefined,
    clientAddress: '192.0.2.7',
    header: () => undefined,
    noted: undefined,
    ...further,
  };
}

const settings = (spec: object) => accessLogSchema.parse(spec);
const log = (spec: object = {}) => {
  const compiled = compileAccessLog('orders', '/orders/{id}', settings(spec));
  if (compiled === undefined) throw new Error('nothing is recorded');
  return compiled;
};

describe('an access record', () => {
  test('tells how it went, and by default nothing that only the caller knows', () => {
    const asked = request({ query: 'email=a@example.com', client: { name: 'shop', scopes: [] } });
    expect(JSON.parse(recordText(log(), asked, OUTCOME, { ...NOTHING, address: '192.0.2.0/24' }))).toEqual({
      at: 1_764_034_123_456,
      route: 'orders',
      path: '/orders/{id}',
      method: 'GET',
      host: 'api.example.com',
      status: 200,
      ms: 3.2,
      upstream_ms: 2.9,
      bytes_in: 0,
      bytes_out: 512,
      upstream: 'main',
      target: 'http://10.0.0.7:80',
      attempts: 1,
      client: 'shop',
      address: '192.0.2.0/24',
    });
  });

  test('has the path, the query and headers where the route says so, and the notes of policies', () => {
    const asked = request({
      query: 'a=1',
      header: (name) => (name === 'user-agent' ? 'curl/8' : undefined),
      noted: new Map<string, string | number>([['version', '2026-01-01']]),
    });
    const spec = { path: 'full', query: true, headers: ['user-agent', 'referer'], percent: 10 };
    expect(JSON.parse(recordText(log(spec), asked, OUTCOME, NOTHING))).toMatchObject({
      path: '/orders/7',
      query: 'a=1',
      headers: { 'user-agent': 'curl/8' },
      notes: { version: '2026-01-01' },
      share: 0.1,
    });
  });

  test('is JSON whatever the caller sends, and never long', () => {
    const hostile = `"},\\ud800\n\u0000"${'é"'.repeat(5_000)}`;
    const asked = request({
      method: hostile,
      host: hostile,
      path: hostile,
      query: hostile,
      client: { name: hostile, scopes: [] },
      header: () => hostile,
      noted: new Map([['x', hostile]]),
    });
    const spec = { path: 'full', query: true, headers: ['user-agent'] };
    for (const one of [log(spec), UNROUTED]) {
      const text = recordText(one, asked, OUTCOME, NOTHING);
      expect(text.length).toBeLessThan(50_000);
      expect(JSON.parse(text)).toMatchObject({ status: 200, method: hostile.slice(0, 1_024) });
    }
  });

  test('has no header with credentials, and a route that says so has none at all', () => {
    for (const name of ['authorization', 'cookie', 'x-api-key', 'Accept']) {
      expect([name, accessLogSchema.safeParse({ headers: [name] }).success]).toEqual([name, false]);
    }
    expect(compileAccessLog('r', '/', settings({ enabled: false }))).toBeUndefined();
  });

  test('names the network of an address instead of the address', () => {
    expect(networkOf('192.0.2.7')).toBe('192.0.2.0/24');
    expect(networkOf('::ffff:192.0.2.7')).toBe('192.0.2.0/24');
    expect(networkOf('2001:db8:1:2::9')).toBe('2001:db8:1::/48');
    expect(networkOf('nonsense')).toBe('');
  });
});

describe('bodies in access records', () => {
  const policy = (spec: object = {}) =>
    new BodiesPolicy(settings({ bodies: { request_bytes_max: 100, answer_bytes_max: 100, ...spec } }).bodies as never);
  const gather = async (one: BodiesPolicy, body: string, answer: string, type = 'application/json; charset=utf-8') => {
    const asked = { body: Buffer.from(body), header: () => type } as unknown as GatewayRequest;
    const whole: WholeAnswer = { status: 200, headers: ['content-type', type], body: Buffer.from(answer) };
    expect(one.body?.check(asked)).toBeUndefined();
    expect(await one.answer?.edit(asked, whole)).toBe(whole);
    return JSON.parse(`{"a":0${bodiesText(asked)}}`) as object;
  };

  test('come without the values of what is to be left out, at any depth and in any case', async () => {
    const found = await gather(policy(), '{"user":"a","deep":[{"PassWord":{"x":1}}]}', '{"token":"t"}');
    expect(found).toEqual({
      a: 0,
      request_body: { user: 'a', deep: [{ PassWord: '[redacted]' }] },
      answer_body: { token: '[redacted]' },
    });
  });

  test('that are not JSON are recorded only where nothing is to be left out', async () => {
    const omitted = { omitted: 'not JSON' };
    expect(await gather(policy(), 'password=x', '{"token"', 'text/plain')).toMatchObject({ request_body: omitted });
    expect(await gather(policy(), '{"token":"x"', '[')).toMatchObject({ request_body: omitted, answer_body: omitted });
    const numbers = `[${Array.from({ length: 12_000 }, () => '1e20').join()}]`;
    const large = policy({ request_bytes_max: 65_536 });
    expect(await gather(large, numbers, '1')).toMatchObject({ request_body: { omitted: 'too long' } });
    const raw = await gather(policy({ redact: [] }), 'plain', 'text', 'text/plain');
    expect(raw).toMatchObject({ request_body: { base64: Buffer.from('plain').toString('base64') } });
  });
});

describe('the recorder of a thread', () => {
  const open: Recorder[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
  });

  function start(pendingBytesMax: number) {
    const asked: { id: number; batch: Uint8Array; records: number }[] = [];
    const link = new ThreadLink((message: FromThread) => {
      if (message.kind === 'ask') asked.push({ id: message.id, ...(message.question as never as object) } as never);
    });
    let lost = 0;
    const parts = {
      clock: new ManualClock(1_000),
      link,
      pendingBytesMax,
      lost: (records: number) => {
        lost += records;
      },
    };
    const recorder = new Recorder(parts);
    open.push(recorder);
    const answerAll = (refused = false) => {
      for (const { id } of asked.splice(0)) {
        const { message } = new SluiceError('LOG_BUSY');
        if (refused) link.received({ kind: 'failure', id, code: 'LOG_BUSY', message, details: {} });
        else link.received({ kind: 'answer', id, answer: undefined });
      }
    };
    return { recorder, asked, answerAll, lost: () => lost };
  }

  const texts = ({ batch }: { batch: Uint8Array }) =>
    [...iterateRecords(batch)].map(({ value }) => JSON.parse(Buffer.from(value ?? []).toString()) as { lost?: number });

  test('hands over whole batches of records that are valid for the log', async () => {
    const { recorder, asked, answerAll } = start(1_000_000);
    for (let i = 0; i < 3; i++) recorder.ended(request(), log(), { ...OUTCOME, status: 200 + i }, 'abc');
    recorder.ended(request(), undefined, { ...OUTCOME, status: 404 });
    await waitFor(() => asked.length === 1, { what: 'the batch' });
    expect(texts(asked[0] as never)).toMatchObject([
      { status: 200, trace: 'abc', address: '192.0.2.0/24' },
      { status: 201 },
      { status: 202 },
      { status: 404, path: '/orders/7' },
    ]);
    expect(asked[0]?.records).toBe(4);
    answerAll();
  });

  test('never has more on its way than it may, counts what it loses, and tells in the next batch', async () => {
    const { recorder, asked, answerAll, lost } = start(300_000);
    const each = () => recorder.ended(request(), log(), OUTCOME);
    for (let i = 0; i < 5_000; i++) each();
    const first = asked[0] as { batch: Uint8Array; records: number };
    expect(asked.length).toBe(1);
    const kept = 5_000 - lost();
    expect([lost() > 0, kept > first.records]).toEqual([true, true]);
    answerAll();
    await waitFor(() => asked.length === 1, { what: 'the second batch' });
    answerAll();
    each();
    await waitFor(() => asked.length === 1, { what: 'the third batch' });
    const told = texts(asked[0] as never);
    expect([told[0]?.lost, told.length]).toEqual([lost(), 2]);
    // The log refuses it: the record in it is lost as well, and what it told is told anew.
    const before = lost();
    answerAll(true);
    await waitFor(() => lost() === before + 1, { what: 'the loss to be counted' });
    each();
    await waitFor(() => asked.length === 1, { what: 'the fourth batch' });
    expect(texts(asked[0] as never)[0]?.lost).toBe(before + 1);
    answerAll();
  });

  test('takes a share where a route says so, and of failures all', async () => {
    const { recorder, asked, answerAll } = start(1_000_000);
    for (let i = 0; i < 50; i++) recorder.ended(request(), log({ percent: 0 }), OUTCOME);
    recorder.ended(request(), log({ percent: 0 }), { ...OUTCOME, status: 502 });
    await waitFor(() => asked.length === 1, { what: 'the batch' });
    expect(texts(asked[0] as never)).toMatchObject([{ status: 502 }]);
    answerAll();
  });
});
