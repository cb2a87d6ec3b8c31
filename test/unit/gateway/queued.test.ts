/** The parts of queued routes that decide by themselves: their pace, the key of a request, what `Retry-After` says. */
import { describe, expect, test } from 'vitest';
import { iterateRecords } from '#record';
import type { GatewayRequest } from '../../../src/gateway/policy.ts';
import { retryAfterMs } from '../../../src/gateway/queued/delivery.ts';
import { Pace } from '../../../src/gateway/queued/pace.ts';
import {
  deliveredHeaders,
  encodeQueued,
  isId,
  keyReader,
  newId,
  readQueued,
} from '../../../src/gateway/queued/queued-request.ts';

describe('the pace of a queue', () => {
  test('keeps to what may be under way at once, given out permits included', () => {
    const pace = new Pace(0);
    pace.set(3, undefined);
    expect([pace.grant(0), pace.grant(0)]).toEqual([3, 0]);
    pace.took(2);
    pace.done();
    expect([pace.busy, pace.grant(0), pace.waitMs()]).toEqual([1, 1, undefined]);
    expect(pace.withdraw()).toBe(2);
    pace.set(1, undefined);
    expect(pace.grant(0)).toBe(0);
  });

  test('takes permits back when less is allowed', () => {
    const pace = new Pace(0);
    pace.set(5, undefined);
    expect(pace.grant(0)).toBe(5);
    pace.set(2, undefined);
    expect(pace.grant(0)).toBe(-3);
  });

  test('spreads deliveries over the second, and says how long to wait', () => {
    const pace = new Pace(0);
    pace.set(100, 5);
    let begun = 0;
    let now = 0;
    while (now < 10_000) {
      const permits = pace.grant(now);
      expect(permits).toBeLessThanOrEqual(1);
      if (permits > 0) {
        pace.took(permits);
        pace.done();
        begun += permits;
      }
      now += pace.waitMs() ?? 1;
    }
    expect(begun).toBe(50);
  });

  test('makes up for idle time by a tenth of a second only', () => {
    const pace = new Pace(0);
    pace.set(1_000, 200);
    expect(pace.grant(60_000)).toBe(20);
  });
});

describe('the key of a queued request', () => {
  const request = (more: object) =>
    ({
      header: () => undefined,
      query: '',
      params: [],
      client: undefined,
      body: undefined,
      ...more,
    }) as never as GatewayRequest;

  test('comes from where the route says, and is left out where there is none', () => {
    expect(keyReader({ key: undefined }, '/x')(request({}))).toBeUndefined();
    expect(keyReader({ key: 'client' }, '/x')(request({ client: { name: 'shop' } }))).toBe('shop');
    expect(keyReader({ key: 'query:id' }, '/x')(request({ query: 'a=1&id=7%208' }))).toBe('7 8');
    expect(keyReader({ key: 'param:b' }, '/x/{a}/{b...}')(request({ params: ['1', '2/3'] }))).toBe('2/3');
    expect(keyReader({ key: 'param:none' }, '/x/{a}')(request({ params: ['1'] }))).toBeUndefined();
    const header = keyReader({ key: 'header:X-Key' }, '/x');
    expect(
      header(request({ header: (name: string) => (name === 'x-key' ? 'k'.repeat(2_000) : undefined) })),
    ).toHaveLength(1_000);
  });

  test('is found in a body by its pointer, which hostile bodies cannot lead astray', () => {
    const read = (key: string, body: string) => keyReader({ key }, '/x')(request({ body: Buffer.from(body) }));
    expect(read('body:/a~1b/0', '{"a/b":[42]}')).toBe('42');
    expect(read('body:/~0', '{"~":"tilde"}')).toBe('tilde');
    for (const body of ['', '{', 'null', '[]', '{"a":{}}', '{"a":null}', '{"a":""}', '{"a":true}', '\ud800']) {
      expect([body, read('body:/a', body)]).toEqual([body, undefined]);
    }
    expect(read('body:/__proto__/x', '{}')).toBeUndefined();
    expect(read('body:/length', '[1]')).toBe('1');
  });
});

test('a queued request comes back from its record as it was, without headers that only the gateway may set', () => {
  const queued = {
    id: newId(Date.UTC(2026, 0, 1)),
    method: 'POST',
    target: '/x?y=1',
    host: 'api.example',
    canary: false,
    headers: ['x-sluice-queued-id', 'forged', 'a', 'b', 'x-sluice-attempt', '9'],
  };
  const batch = encodeQueued(queued, 'key', Buffer.from('body'));
  const [record] = [...iterateRecords(batch, 0)];
  if (record === undefined) throw new Error('no record');
  const read = readQueued(record);
  expect(read).toEqual({ ...queued, headers: ['a', 'b'] });
  expect([record.key, record.value].map((bytes) => Buffer.from(bytes ?? []).toString())).toEqual(['key', 'body']);
  if (read === undefined) throw new Error('not read');
  expect(deliveredHeaders(read, 3)).toEqual([
    ...['a', 'b', 'x-sluice-queued-id', read.id, 'x-sluice-attempt', '3', 'idempotency-key', `"${read.id}"`],
  ]);
  const own = { ...read, headers: ['idempotency-key', '"mine"'] };
  expect(deliveredHeaders(own, 1).filter((piece) => piece === 'idempotency-key')).toHaveLength(1);
  expect(isId(read.id) && !isId('x') && newId(1) < newId(2)).toBe(true);
  expect(
    readQueued({ ...record, headers: [{ key: 'sluice-request', value: Buffer.from('{"id":"no"}') }] }),
  ).toBeUndefined();
  expect(readQueued({ ...record, headers: [] })).toBeUndefined();
});

test('Retry-After is read as seconds or as a date, and never for longer than a day', () => {
  const now = Date.UTC(2026, 0, 1);
  expect(retryAfterMs('120', now)).toBe(120_000);
  expect(retryAfterMs('Thu, 01 Jan 2026 00:01:00 GMT', now)).toBe(60_000);
  expect(retryAfterMs('999999999', now)).toBe(86_400_000);
  for (const text of ['0', '-1', 'soon', '', 'Wed, 31 Dec 2025 00:00:00 GMT'])
    expect(retryAfterMs(text, now)).toBeUndefined();
});
