/** Who still calls what, counted from records in a log. */
import { describe, expect, test } from 'vitest';
import { MemoryLog } from '#log';
import { encodeBatch } from '#record';
import { ApiUsage } from '../../../src/gateway/records/api-usage.ts';
import { encodeUtf8, ManualClock, resolveLimits } from '../../../src/kernel/index.ts';

const NOW = 1_764_034_123_456;

interface Told {
  readonly at?: number;
  readonly value: object;
}

async function usageOf(told: readonly Told[], limits: object = {}) {
  const all = resolveLimits(limits);
  const log = new MemoryLog({ limits: all, clock: new ManualClock(NOW) });
  await log.createTopic('sys.gateway.requests');
  for (const { at = NOW, value } of told) {
    const batch = encodeBatch([{ value: encodeUtf8(JSON.stringify(value)), timestamp: at }]);
    await log.partition('sys.gateway.requests', 0).append(batch);
  }
  return new ApiUsage({ log, limits: all });
}

const call = (version: string, client: string | undefined, notes: object = {}, further: object = {}) => ({
  value: { status: 200, client, ...further, notes: { api: 'orders', version, ...notes } },
});

describe('use of an API', () => {
  test('is told by version and client, with deprecated fields, and shares made whole', async () => {
    const usage = await usageOf([
      call('1', 'shop', { deprecated_fields: 'total customer.name' }),
      call('1', 'shop', { deprecated_fields: 'total' }, { share: 0.25 }),
      call('1', undefined),
      call('2', 'shop', { deprecated_fields: '__proto__' }),
      { value: { status: 200, client: 'else' } },
      { value: { at: NOW, lost: 7 } },
      { value: { status: 200, notes: { api: 'other', version: 3 } } },
      { value: { status: 200, path: '"notes":{"api":"orders","version":"9"}' } },
    ]);
    expect(await usage.read({ api: 'orders', since: 0 })).toEqual({
      rows: [
        { api: 'orders', version: '1', client: null, requests: 1, last_at: NOW, deprecated_fields: {} },
        {
          api: 'orders',
          version: '1',
          client: 'shop',
          requests: 5,
          last_at: NOW,
          deprecated_fields: { total: 5, 'customer.name': 1 },
        },
        {
          api: 'orders',
          version: '2',
          client: 'shop',
          requests: 1,
          last_at: NOW,
          deprecated_fields: { ['__proto__']: 1 },
        },
      ],
      records: 8,
      lost: 7,
      complete: true,
    });
    expect((await usage.read({ api: undefined, since: 0 })).rows.map(({ api }) => api)).toContain('other');
  });

  test('is asked since a time', async () => {
    const usage = await usageOf([
      { at: NOW - 10, ...call('1', 'old') },
      { at: NOW, ...call('1', 'new') },
    ]);
    const { rows, records } = await usage.read({ api: undefined, since: NOW - 5 });
    expect([rows.map(({ client }) => client), records]).toEqual([['new'], 1]);
    expect((await usage.read({ api: undefined, since: NOW + 1 })).rows).toEqual([]);
  });

  test('is bounded by records and by rows, says so, and is asked once at a time', async () => {
    const many = Array.from({ length: 5 }, (_, i) => call('1', `c${i}`));
    expect(await (await usageOf(many, { usageRecordsMax: 3 })).read({ api: undefined, since: 0 })).toMatchObject({
      records: 3,
      complete: false,
    });
    const few = await (await usageOf(many, { usageRowsMax: 2 })).read({ api: undefined, since: 0 });
    expect([few.rows.length, few.complete]).toEqual([2, false]);
    const usage = await usageOf(many);
    const first = usage.read({ api: undefined, since: 0 });
    await expect(usage.read({ api: undefined, since: 0 })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect((await first).rows.length).toBe(5);
  });

  test('is nothing where nothing was recorded', async () => {
    const limits = resolveLimits();
    const log = new MemoryLog({ limits, clock: new ManualClock(NOW) });
    const answer = await new ApiUsage({ log, limits }).read({ api: undefined, since: 0 });
    expect(answer).toEqual({ rows: [], records: 0, lost: 0, complete: true });
  });
});
