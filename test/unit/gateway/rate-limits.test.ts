/** Rate limits against plain models of themselves, and what they tell the caller. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withSeed } from '#kit';
import { type Count, type Counter, SlidingWindow, TokenBucket } from '../../../src/gateway/policies/counters.ts';
import { compileRateLimits, partRateLimits, rateLimitsSchema } from '../../../src/gateway/policies/rate-limits.ts';
import { SharedTable } from '../../../src/gateway/policies/shared-table.ts';
import type { GatewayRequest } from '../../../src/gateway/policy.ts';
import { askNow, requestOf } from './request.ts';

interface Step {
  readonly waitMs: number;
  readonly cost: number;
}

const steps = fc.array(
  fc.record({ waitMs: fc.oneof(fc.constant(0), fc.nat(40), fc.nat(3_000)), cost: fc.integer({ min: 1, max: 4 }) }),
  { maxLength: 120 },
);
const START_MS = 1_000_003;

/** What the counter says to each step, from an empty table. */
function play(counter: Counter, sequence: readonly Step[]) {
  const table = SharedTable.create(64);
  let now = START_MS;
  return sequence.map(({ waitMs, cost }) => {
    now += waitMs;
    return { now, cost, ...pick(counter.take(table, 'one', now, cost)) };
  });
}

/** A copy, since a counter reuses its answer. */
const pick = ({ allowed, remaining, resetMs, retryMs }: Count) => ({ allowed, remaining, resetMs, retryMs });

describe('a token bucket', () => {
  const quota = fc.record({
    limit: fc.integer({ min: 1, max: 50 }),
    windowMs: fc.constantFrom(1000, 7000, 60_000),
    burst: fc.integer({ min: 1, max: 60 }),
  });

  test('allows what a bucket reckoned in exact fractions allows', () => {
    fc.assert(
      fc.property(quota, steps, ({ limit, windowMs, burst }, sequence) => {
        // Tokens times windowMs, as whole numbers without a bound.
        const full = BigInt(burst) * BigInt(windowMs);
        let tokens = full;
        let last = START_MS;
        for (const { now, cost, allowed, remaining } of play(new TokenBucket({ limit, windowMs, burst }), sequence)) {
          const filled = tokens + BigInt(now - last) * BigInt(limit);
          tokens = filled > full ? full : filled;
          last = now;
          const price = BigInt(cost) * BigInt(windowMs);
          expect(allowed).toBe(tokens >= price);
          if (allowed) tokens -= price;
          expect(BigInt(remaining)).toBe(tokens / BigInt(windowMs));
        }
      }),
      withSeed({ numRuns: 300 }),
    );
  });

  test('lets a refused request pass after the time it named, and not a millisecond before', () => {
    fc.assert(
      fc.property(quota, steps, (rates, sequence) => {
        const counter = new TokenBucket(rates);
        const table = SharedTable.create(64);
        let now = START_MS;
        for (const { waitMs, cost } of sequence) {
          now += waitMs;
          const { allowed, retryMs } = pick(counter.take(table, 'one', now, cost));
          if (allowed || cost > rates.burst) continue;
          expect(counter.take(table, 'one', now + retryMs - 1, cost).allowed).toBe(false);
          expect(counter.take(table, 'one', now + retryMs, cost).allowed).toBe(true);
          now += retryMs;
        }
      }),
      withSeed({ numRuns: 200 }),
    );
  });
});

describe('a sliding window', () => {
  const quota = fc.record({ limit: fc.integer({ min: 1, max: 30 }), windowMs: fc.constantFrom(1000, 8000, 3000) });

  test('never lets more than the limit into any window', () => {
    fc.assert(
      fc.property(quota, steps, ({ limit, windowMs }, sequence) => {
        const passed = play(new SlidingWindow({ limit, windowMs, burst: limit }), sequence).filter(
          (one) => one.allowed,
        );
        for (const { now } of passed) {
          const inside = passed.filter((other) => other.now > now - windowMs && other.now <= now);
          expect(inside.reduce((sum, { cost }) => sum + cost, 0)).toBeLessThanOrEqual(limit);
        }
      }),
      withSeed({ numRuns: 300 }),
    );
  });

  test('allows what a list of slices allows', () => {
    fc.assert(
      fc.property(quota, steps, ({ limit, windowMs }, sequence) => {
        const bySlice = new Map<number, number>();
        for (const { now, cost, allowed, remaining } of play(
          new SlidingWindow({ limit, windowMs, burst: limit }),
          sequence,
        )) {
          const slice = Math.floor(now / (windowMs / 8));
          let total = 0;
          for (const [at, count] of bySlice) if (at >= slice - 8) total += count;
          expect(allowed).toBe(total + cost <= limit);
          if (allowed) bySlice.set(slice, (bySlice.get(slice) ?? 0) + cost);
          expect(remaining).toBe(limit - total - (allowed ? cost : 0));
        }
      }),
      withSeed({ numRuns: 300 }),
    );
  });
});

function limits(spec: unknown, table = SharedTable.create(1024), time = { now: START_MS }) {
  const parsed = rateLimitsSchema.parse(spec);
  partRateLimits(parsed);
  const policy = compileRateLimits(parsed, { table, scope: 'test', nowMs: () => time.now });
  return (request: GatewayRequest) => askNow(policy, request);
}

describe('the policy', () => {
  const one = (by: unknown) => limits({ limits: [{ name: 'a', limit: 1, window_s: 60, by }] });

  test('tells the draft fields, the older three and when to come back', () => {
    const time = { now: START_MS };
    const check = limits({ limits: [{ name: 'burst', limit: 2, window_s: 10 }] }, SharedTable.create(64), time);
    expect(check(requestOf())).toEqual({
      allow: true,
      headers: {
        'ratelimit-policy': '"burst";q=2;w=10',
        ratelimit: '"burst";r=1;t=5',
        'x-ratelimit-limit': '2',
        'x-ratelimit-remaining': '1',
        'x-ratelimit-reset': '5',
      },
    });
    check(requestOf());
    time.now += 1500;
    expect(check(requestOf())).toMatchObject({
      allow: false,
      code: 'RATE_LIMITED',
      status: 429,
      headers: { 'retry-after': '4', ratelimit: '"burst";r=0;t=9', 'x-ratelimit-remaining': '0' },
      details: { limit: 'burst', retry_after_s: 4 },
    });
  });

  test('counts an IPv6 /64 as one, and IPv4 addresses, mapped or not, one by one', () => {
    const check = one(['address']);
    const from = (clientAddress: string) => check(requestOf({ clientAddress })).allow;
    expect(from('2001:db8:1:2::1')).toBe(true);
    expect(from('2001:db8:1:2:ffff::9')).toBe(false);
    expect(from('2001:db8:1:3::1')).toBe(true);
    expect(from('192.0.2.1')).toBe(true);
    expect(from('::ffff:192.0.2.1')).toBe(false);
    expect(from('192.0.2.2')).toBe(true);
  });

  test.each([
    ['client', ['client'], { client: 'x' }, { client: 'y' }],
    ['key', ['key'], { key: 'x' }, { key: 'y' }],
    ['route', ['route'], { route: 'x' }, { route: 'y' }],
    ['header', [{ header: 'X-Tenant' }], { headers: { 'x-tenant': 'x' } }, { headers: { 'x-tenant': 'y' } }],
    ['claim', [{ claim: 'org' }], { claims: { org: 'x' } }, { claims: { org: 'y' } }],
    ['both', ['client', 'route'], { client: 'x', route: 'r' }, { client: 'x', route: 's' }],
    ['a client apart from an address of that name', ['client'], { client: '192.0.2.7' }, {}],
  ])('counts by %s', (_, by, first, second) => {
    const check = one(by);
    expect([first, first, second].map((parts) => check(requestOf(parts)).allow)).toEqual([true, false, true]);
  });

  test('counts nothing of a request that one of several limits refuses', () => {
    const time = { now: START_MS };
    const both = [
      { name: 'hour', limit: 3, window_s: 3600, algorithm: 'sliding_window' },
      { name: 'second', limit: 1, window_s: 1 },
    ];
    const check = limits({ limits: both }, SharedTable.create(64), time);
    const seen = [0, 0, 0, 1000, 1000, 1000].map((wait) => {
      time.now += wait;
      return check(requestOf()).allow;
    });
    expect(seen).toEqual([true, false, false, true, true, false]);
  });

  test.each([
    [
      'of one name',
      [
        { name: 'a', limit: 1, window_s: 1 },
        { name: 'a', limit: 2, window_s: 1 },
      ],
    ],
    ['beyond exact numbers', [{ name: 'a', limit: 1_000_000_000, window_s: 86_400 }]],
    ['counted first by what is not known then', [{ name: 'a', limit: 1, window_s: 1, by: ['client'], first: true }]],
    ['a burst in a window', [{ name: 'a', limit: 1, window_s: 1, burst: 2, algorithm: 'sliding_window' }]],
  ])('refuses limits %s', (_, list) => {
    expect(() => limits({ limits: list })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
