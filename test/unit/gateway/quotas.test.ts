/** Quotas: periods of the calendar, cells that threads share, and the ledger over a log. */
import { describe, expect, test } from 'vitest';
import { MemoryLog } from '#log';
import { planKind } from '../../../src/gateway/kinds/plan-kind.ts';
import { MainLink, ThreadLink, type ToThread } from '../../../src/gateway/link.ts';
import type { GatewayRequest, Outcome } from '../../../src/gateway/policy.ts';
import { QuotaCells } from '../../../src/gateway/quotas/cells.ts';
import { QuotaLedger } from '../../../src/gateway/quotas/ledger.ts';
import { ordinalOf, type Period, startOf } from '../../../src/gateway/quotas/period.ts';
import { QuotaPolicy, Quotas } from '../../../src/gateway/quotas/quota-policy.ts';
import { ManualClock, resolveLimits, silentLogger } from '../../../src/kernel/index.ts';

const START = Date.UTC(2026, 10, 25, 10, 30);
const HOUR_MS = 3_600_000;

describe('a period', () => {
  test.each<[Period, string, string]>([
    ['hour', '2026-11-25T10:00:00.000Z', '2026-11-25T11:00:00.000Z'],
    ['day', '2026-11-25T00:00:00.000Z', '2026-11-26T00:00:00.000Z'],
    ['month', '2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z'],
  ])('%s is of the calendar, in UTC', (period, from, until) => {
    const ordinal = ordinalOf(period, START);
    const spelt = [ordinal, ordinal + 1].map((one) => new Date(startOf(period, one)).toISOString());
    expect(spelt).toEqual([from, until]);
    expect(ordinalOf(period, startOf(period, ordinal + 1) - 1)).toBe(ordinal);
    expect(ordinalOf(period, startOf(period, ordinal + 1))).toBe(ordinal + 1);
  });

  test('of a month goes over the end of a year', () => {
    const december = ordinalOf('month', Date.UTC(2026, 11, 31));
    expect(new Date(startOf('month', december + 1)).toISOString()).toBe('2027-01-01T00:00:00.000Z');
  });
});

describe('a cell', () => {
  test('gives what is granted, takes back, and keeps two periods apart', () => {
    const cells = QuotaCells.create(2);
    expect(cells.take(1, 10)).toBe(false);
    cells.begin(1, 10, 0, 2);
    expect([cells.take(1, 10), cells.take(1, 10), cells.take(1, 10)]).toEqual([true, true, false]);
    cells.begin(1, 11, 5, 6);
    cells.giveBack(1, 10);
    cells.giveBack(1, 12);
    expect([cells.take(1, 10), cells.take(1, 10), cells.take(1, 11), cells.take(1, 11)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(cells.read(1, 10)).toEqual({ granted: 2, used: 2 });
    expect(cells.read(0, 10)).toBeUndefined();
  });
});

/** A ledger over a log, and so many threads that ask it. */
function start(log = new MemoryLog({ limits: resolveLimits(), clock: new ManualClock(START) }), threads = 2) {
  const clock = new ManualClock(START);
  const link = new MainLink();
  const limits = resolveLimits({ quotaLeaseMax: 1_000 });
  const ledger = new QuotaLedger({
    log,
    clock,
    limits,
    logger: silentLogger,
    share: (share) => link.share('quotas', share),
  });
  link.answer('quota', (question) => ledger.extend(question));
  const policies = Array.from({ length: threads }, () => {
    const quotas = new Quotas();
    const thread: ThreadLink = new ThreadLink((message) => link.received(message, (answer) => thread.received(answer)));
    link.started((message: ToThread) => thread.received(message));
    thread.watch('quotas', (share) => quotas.replace(share));
    return new QuotaPolicy({ clock, link: thread, quotas });
  });
  let turn = 0;
  const ask = async (client: string | undefined = 'shop') => {
    const request = { client: client && { name: client, scopes: [] }, answerHeaders: [] } as unknown as GatewayRequest;
    const policy = policies[turn++ % threads] as QuotaPolicy;
    const verdict = await policy.check(request);
    const headers = request.answerHeaders;
    return { verdict: verdict as { code: string; details: object } | undefined, headers, request, policy };
  };
  const passes = async (requests: number) => {
    const all = await Promise.all(Array.from({ length: requests }, () => ask()));
    return all.filter(({ verdict }) => verdict === undefined).length;
  };
  return { log, clock, ledger, ask, passes };
}

const plan = (quotas: { requests: number; period: Period }[]) => ({ quotas });

describe('a plan', () => {
  test('is exact over all threads, and says when there is more', async () => {
    const { ledger, passes, ask, clock } = start();
    ledger.setPlan('small', plan([{ requests: 1_000, period: 'hour' }]));
    ledger.setClients(new Map([['shop', 'small']]));
    expect(await passes(600)).toBe(600);
    expect(ledger.usage('shop')).toMatchObject([{ used: 600, remaining: 400 }]);
    expect(await passes(600)).toBe(400);
    const { verdict, headers } = await ask();
    expect(verdict).toMatchObject({ code: 'QUOTA_EXCEEDED', details: { period: 'hour', requests: 1_000 } });
    expect(headers).toEqual([
      'ratelimit-policy',
      '"hour";q=1000;w=3600',
      'ratelimit',
      '"hour";r=0;t=1800',
      'retry-after',
      '1800',
    ]);
    clock.advance(HOUR_MS / 2);
    expect(await passes(5)).toBe(5);
    expect(ledger.past('shop')).toEqual([{ period: 'hour', from: Date.UTC(2026, 10, 25, 10), used: 1_000 }]);
  });

  test('holds no one without a plan', async () => {
    const { ledger, ask } = start();
    ledger.setPlan('small', plan([{ requests: 1, period: 'hour' }]));
    for (const client of ['else', undefined]) expect((await ask(client)).headers).toEqual([]);
  });

  test('with several quotas counts in all or in none', async () => {
    const { ledger, passes } = start();
    ledger.setPlan(
      'both',
      plan([
        { requests: 100, period: 'month' },
        { requests: 10, period: 'hour' },
      ]),
    );
    ledger.setClients(new Map([['shop', 'both']]));
    expect(await passes(50)).toBe(10);
    expect(ledger.usage('shop')).toMatchObject([
      { period: 'month', used: 10 },
      { period: 'hour', used: 10 },
    ]);
  });

  test('does not count what was refused before an upstream saw it', async () => {
    const { ledger, ask } = start();
    ledger.setPlan('small', plan([{ requests: 10, period: 'day' }]));
    ledger.setClients(new Map([['shop', 'small']]));
    const { policy, request } = await ask();
    const other = await ask();
    policy.ended(request, { code: 'REQUEST_SUSPICIOUS', attempts: 0 } as Outcome);
    other.policy.ended(other.request, { code: 'UPSTREAM_TIMEOUT', attempts: 1 } as Outcome);
    expect(ledger.usage('shop')).toMatchObject([{ used: 1 }]);
  });

  test('that changes holds from then on, in both directions, and forgets nothing', async () => {
    const { ledger, passes } = start();
    ledger.setPlan('small', plan([{ requests: 1_000, period: 'hour' }]));
    ledger.setClients(new Map([['shop', 'small']]));
    expect(await passes(100)).toBe(100);
    ledger.setPlan('small', plan([{ requests: 103, period: 'hour' }]));
    expect(await passes(10)).toBe(3);
    ledger.setPlan('small', plan([{ requests: 50, period: 'hour' }]));
    expect(await passes(10)).toBe(0);
    ledger.setPlan('small', plan([{ requests: 110, period: 'hour' }]));
    expect(await passes(10)).toBe(7);
  });

  test('is counted on after a restart, exactly, and after a crash never too low', async () => {
    const first = start();
    first.ledger.setPlan('small', plan([{ requests: 1_000, period: 'day' }]));
    first.ledger.setClients(new Map([['shop', 'small']]));
    expect(await first.passes(123)).toBe(123);
    // What a crash leaves: nothing more is written.
    const crashed = start(first.log);
    crashed.ledger.setPlan('small', plan([{ requests: 1_000, period: 'day' }]));
    crashed.ledger.setClients(new Map([['shop', 'small']]));
    const used = crashed.ledger.usage('shop')[0]?.used ?? 0;
    expect([used >= 123, used <= 123 + 10]).toEqual([true, true]);
    expect(await crashed.passes(200)).toBe(200);
    await crashed.ledger.close();
    const next = start(first.log);
    next.ledger.setPlan('small', plan([{ requests: 1_000, period: 'day' }]));
    next.ledger.setClients(new Map([['shop', 'small']]));
    expect(next.ledger.usage('shop')).toMatchObject([{ used: used + 200 }]);
    expect(await next.passes(2_000)).toBe(1_000 - used - 200);
  });

  test('lets nothing through that the log cannot count', async () => {
    const { ledger, ask, log } = start();
    ledger.setPlan('small', plan([{ requests: 10, period: 'day' }]));
    ledger.setClients(new Map([['shop', 'small']]));
    await log.close();
    await expect(ask()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    expect(ledger.usage('shop')).toMatchObject([{ used: 0 }]);
  });

  test('beyond the quotas that can be counted is said to be held no more', async () => {
    const log = new MemoryLog({ limits: resolveLimits(), clock: new ManualClock(START) });
    const shared: number[] = [];
    const ledger = new QuotaLedger({
      log,
      clock: new ManualClock(START),
      limits: resolveLimits({ quotaCellsMax: 2 }),
      logger: silentLogger,
      share: ({ clients }) => void shared.push(clients.length),
    });
    ledger.setPlan('small', plan([{ requests: 10, period: 'day' }]));
    ledger.setClients(new Map(['a', 'b', 'c'].map((name) => [name, 'small'])));
    expect(shared.at(-1)).toBe(2);
  });
});

describe('kind plan', () => {
  const kind = planKind({ apply: () => undefined, remove: () => undefined });
  test('has each period once', () => {
    const twice = [
      { requests: 1, period: 'day' },
      { requests: 2, period: 'day' },
    ];
    expect(kind.schema.safeParse({ quotas: twice }).success).toBe(false);
    expect(kind.schema.safeParse({ quotas: twice.slice(1) }).success).toBe(true);
  });
});
