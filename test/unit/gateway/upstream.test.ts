/** Where upstreams may be, how requests are shared out among their targets, and how failing ones are let alone. */
import { describe, expect, test } from 'vitest';
import { seededRandom } from '#kit';
import { addressText } from '../../../src/gateway/proxy/address-text.ts';
import { AddressRule } from '../../../src/gateway/upstream/address.ts';
import { BALANCES, type Choice, hashText, peakMean } from '../../../src/gateway/upstream/balance.ts';
import { Breaker, HealthRecord, RetryBudget } from '../../../src/gateway/upstream/breaker.ts';

describe('an address', () => {
  test.each([
    '127.0.0.1',
    '10.0.0.1',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '168.63.129.16',
    '::1',
    '::',
    'fe80::1',
    'fd00:ec2::254',
    'fc00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a00:1',
    '2002:7f00:1::',
    '::127.0.0.1',
    'localhost',
    '',
  ])('%s is refused', (address) => {
    expect(new AddressRule([]).permits(address)).toBe(false);
  });

  test.each(['1.1.1.1', '172.32.0.1', '8.8.8.8', '2606:4700::1111'])('%s is permitted', (address) => {
    expect(new AddressRule([]).permits(address)).toBe(true);
  });

  test('of a network that was named is permitted, and no other', () => {
    const rule = new AddressRule(['10.1.0.0/16', 'fd00::/64']);
    expect(['10.1.2.3', '10.2.0.1', 'fd00::5', 'fd00:1::5'].map((one) => rule.permits(one))).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test('of a peer is written as people write it', () => {
    const bytes = (...all: number[]) => Uint8Array.from(all).buffer;
    expect(addressText(bytes(127, 0, 0, 1))).toBe('127.0.0.1');
    expect(addressText(bytes(...new Array(10).fill(0), 255, 255, 1, 2, 3, 4))).toBe('1.2.3.4');
    expect(addressText(bytes(0x20, 1, 0x0d, 0xb8, ...new Array(11).fill(0), 1))).toBe('2001:db8::1');
    expect(addressText(bytes(...new Array(15).fill(0), 1))).toBe('::1');
  });
});

function choices(shares: readonly number[]): Choice[] {
  return shares.map((share, i) => ({ share, inFlight: 0, latencyMs: 0, turn: 0, hash: hashText(`target ${i}`) }));
}

describe('balancing', () => {
  test('in turns keeps to the weights, spread out', () => {
    const all = choices([5, 1, 1]);
    const order = Array.from({ length: 7 }, () => all.indexOf(BALANCES.round_robin(all, 0)));
    expect(order).toEqual([0, 0, 1, 0, 2, 0, 0]);
  });

  test('by connections and by latency takes the one that is least busy for its share', () => {
    const all = choices([1, 2, 1]);
    Object.assign(all[0] as Choice, { inFlight: 2, latencyMs: 1 });
    Object.assign(all[1] as Choice, { inFlight: 2, latencyMs: 10 });
    Object.assign(all[2] as Choice, { inFlight: 3, latencyMs: 10 });
    expect(all.indexOf(BALANCES.least_connections(all, 0))).toBe(1);
    expect(all.indexOf(BALANCES.ewma(all, 0))).toBe(0);
    expect(peakMean(10, 50, 1)).toBe(50);
    expect(peakMean(50, 10, 10_000)).toBeCloseTo(10 + 40 / Math.E);
  });

  test('by hash keeps to the weights, and moves only the keys of a target that goes', () => {
    const all = choices([1, 1, 2]);
    const random = seededRandom();
    const keys = Array.from({ length: 8_000 }, () => Math.floor(random() * 2 ** 32));
    const before = keys.map((key) => BALANCES.hash(all, key));
    const share = before.filter((one) => one === all[2]).length / keys.length;
    expect(Math.abs(share - 0.5)).toBeLessThan(0.05);
    const left = all.slice(1);
    keys.forEach((key, i) => {
      if (before[i] !== all[0]) expect(BALANCES.hash(left, key)).toBe(before[i]);
    });
  });
});

describe('a breaker', () => {
  const settings = { failures: 2, open_ms: 100, open_ms_max: 300 };

  test('opens after failures in a row, tries once when its time is up, and doubles it', () => {
    const breaker = new Breaker();
    breaker.failed(0, settings);
    breaker.succeeded(0);
    breaker.failed(0, settings);
    expect(breaker.admits(0)).toBe('yes');
    breaker.failed(0, settings);
    expect([breaker.admits(99), breaker.admits(100)]).toEqual(['no', 'trial']);
    breaker.begin();
    expect(breaker.admits(100)).toBe('no');
    breaker.failed(100, settings);
    expect([breaker.admits(299), breaker.admits(300)]).toEqual(['no', 'trial']);
    breaker.begin();
    breaker.unknown();
    expect(breaker.admits(300)).toBe('trial');
    breaker.begin();
    breaker.succeeded(310);
    expect([breaker.admits(310), breaker.recoveredAt]).toEqual(['yes', 310]);
  });

  test('of checks turns only after so many in a row', () => {
    const record = new HealthRecord();
    const turns = [false, true, false, false, true, true].map((good) =>
      record.note(good, { healthy: 2, unhealthy: 2 }),
    );
    expect(turns).toEqual([false, false, false, true, false, true]);
  });

  test('repeats are paid for by requests', () => {
    const budget = new RetryBudget(50, 1);
    expect([budget.spend(), budget.spend()]).toEqual([true, false]);
    budget.earn();
    expect(budget.spend()).toBe(false);
    budget.earn();
    expect(budget.spend()).toBe(true);
    expect(new RetryBudget(0, 10).spend()).toBe(false);
  });
});
