/** What the authorization server keeps: signing keys as they come and go, names until their time, failures by place. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ManualClock, resolveLimits } from '#kernel';
import { tempDir } from '#kit';
import { MemoryLog } from '#log';
import { ExpiringSet } from '../../../src/oauth/expiring-set.ts';
import { FailureCounts } from '../../../src/oauth/failures.ts';
import { SigningKeys } from '../../../src/oauth/signing-keys.ts';

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const DAY = 86_400_000;

async function signingKeys() {
  const path = join(await tempDir(), 'keys.json');
  const clock = new ManualClock(NOW);
  const kids = (keys: SigningKeys) => keys.published().map(({ kid }) => kid);
  return { path, clock, kids, open: () => new SigningKeys(path, clock) };
}

describe('signing keys', () => {
  test('are made at first need and found again', async () => {
    const { path, open, kids } = await signingKeys();
    const keys = open();
    expect(kids(keys)).toEqual([]);
    expect(existsSync(path)).toBe(false);
    const { kid } = keys.current();
    expect(open().current().kid).toBe(kid);
    expect(JSON.stringify(open().published())).not.toContain('"d"');
  });

  test('are published before they sign, and known until their tokens are over', async () => {
    const { clock, open, kids } = await signingKeys();
    const keys = open();
    const first = keys.current().kid;
    clock.advance(30 * DAY);
    expect(keys.current().kid).toBe(first);
    const [, second] = kids(keys);
    expect(kids(keys)).toEqual([first, second]);
    clock.advance(15 * MINUTE);
    expect(keys.current().kid).toBe(second);
    clock.advance(DAY);
    expect(kids(open())).toEqual([first, second]);
    clock.advance(DAY);
    expect(kids(keys)).toEqual([second]);
    expect(keys.find(first)).toBeUndefined();
  });

  test('tell whoever watches that they changed', async () => {
    const { open } = await signingKeys();
    const keys = open();
    let told = 0;
    keys.watch(() => told++);
    keys.current();
    keys.current();
    keys.rotate(true);
    expect(told).toBe(2);
    expect(keys.published()).toHaveLength(1);
  });

  test('are refused from a file that others may read, or that holds none', async () => {
    const { path, open } = await signingKeys();
    open().current();
    const text = readFileSync(path, 'utf8');
    chmodSync(path, 0o640);
    expect(open).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    chmodSync(path, 0o600);
    writeFileSync(path, text.slice(0, 40));
    expect(open).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  test('that cannot be kept are not used', async () => {
    const clock = new ManualClock(NOW);
    const keys = new SigningKeys(join(await tempDir(), 'missing', 'keys.json'), clock);
    expect(() => keys.current()).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }));
    expect(keys.published()).toEqual([]);
  });
});

describe('a set of names', () => {
  const limits = resolveLimits();

  test('takes a name once until its time, over restarts', async () => {
    const clock = new ManualClock(NOW);
    const log = new MemoryLog({ limits, clock });
    const set = await ExpiringSet.open(log, 'sys.names', clock, 10);
    const told: string[] = [];
    set.watch((name) => told.push(name));
    const together = await Promise.all([set.add('a', NOW + MINUTE), set.add('a', NOW + MINUTE)]);
    expect(together.filter(Boolean)).toHaveLength(1);
    expect(told).toEqual(['a']);
    const again = await ExpiringSet.open(log, 'sys.names', clock, 10);
    expect([again.has('a'), again.has('b')]).toEqual([true, false]);
    clock.advance(MINUTE);
    expect(again.has('a')).toBe(false);
    expect(await again.add('a', NOW + 2 * MINUTE)).toBe(true);
  });

  test('refuses what there is no room for, and has room again when a time is over', async () => {
    const clock = new ManualClock(NOW);
    const log = new MemoryLog({ limits, clock });
    const set = await ExpiringSet.open(log, 'sys.names', clock, 2);
    await set.add('a', NOW + MINUTE);
    await set.add('b', NOW + 2 * MINUTE);
    await expect(set.add('c', NOW + MINUTE)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    clock.advance(MINUTE);
    expect(await set.add('c', NOW + 2 * MINUTE)).toBe(true);
    const again = await ExpiringSet.open(log, 'sys.names', clock, 2);
    expect([...again.entries()].map(([name]) => name).sort()).toEqual(['b', 'c']);
  });

  test('does not hold a name that could not be written', async () => {
    const clock = new ManualClock(NOW);
    const log = new MemoryLog({ limits, clock });
    const set = await ExpiringSet.open(log, 'sys.names', clock, 2);
    await log.close();
    await expect(set.add('a', NOW + MINUTE)).rejects.toThrow();
    expect(set.has('a')).toBe(false);
  });
});

describe('failures', () => {
  test('make a place wait until the minute is over, and no other', () => {
    const clock = new ManualClock(NOW);
    const counts = new FailureCounts(clock, { oauthFailuresMax: 2, oauthFailurePlacesMax: 10 });
    counts.add('a');
    expect(counts.waitS('a')).toBe(0);
    clock.advance(20_000);
    counts.add('a');
    expect([counts.waitS('a'), counts.waitS('b')]).toEqual([40, 0]);
    clock.advance(40_000);
    expect(counts.waitS('a')).toBe(0);
    counts.add('a');
    expect(counts.waitS('a')).toBe(0);
  });

  test('are counted for so many places, and the oldest is forgotten', () => {
    const counts = new FailureCounts(new ManualClock(NOW), { oauthFailuresMax: 1, oauthFailurePlacesMax: 2 });
    for (const place of ['a', 'b', 'c']) counts.add(place);
    expect(['a', 'b', 'c'].map((place) => counts.waitS(place) > 0)).toEqual([false, true, true]);
  });
});
