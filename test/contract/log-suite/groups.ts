/** What groups have committed, and state kept beside the log. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes, decodeUtf8, encodeUtf8 } from '#kernel';
import { withSeed } from '#kit';
import type { Log } from '#log';
import { batchOf, coded, type LogFixture } from './fixture.ts';

async function filled(log: Log): Promise<void> {
  await log.createTopic('a', { partitions: 2 });
  await log.createTopic('b');
  for (const { partitions } of log.topics()) {
    for (const partition of partitions) await partition.append(batchOf(['0', '1', '2']));
  }
}

function commit(log: Log, group: string, topic: string, partition: number, offset: number): Promise<unknown> {
  return log.commit({ offsets: [{ group, topic, partition, offset }] });
}

export function describeGroups(fixture: LogFixture): void {
  describe('a group', () => {
    it('has an offset for each partition it committed, and exists from its first commit', async () => {
      const log = await fixture.open();
      await filled(log);
      expect([log.groups(), log.committedOffset('g', 'a', 0), log.committedOffsets('g')]).toEqual([[], undefined, []]);
      await commit(log, 'g', 'a', 0, 1);
      await commit(log, 'g', 'b', 0, 3);
      await commit(log, 'h', 'a', 0, 0);
      await commit(log, 'g', 'a', 0, 2);
      expect([...log.groups()].sort()).toEqual(['g', 'h']);
      expect([log.committedOffset('g', 'a', 0), log.committedOffset('g', 'a', 1)]).toEqual([2, undefined]);
      expect(log.committedOffset('h', 'a', 0)).toBe(0);
      expect(log.committedOffsets('g').sort((x, y) => x.topic.localeCompare(y.topic))).toEqual([
        { topic: 'a', partition: 0, offset: 2 },
        { topic: 'b', partition: 0, offset: 3 },
      ]);
    });

    it('shows an offset once it is durable', async () => {
      const log = await fixture.open();
      await filled(log);
      const done = commit(log, 'g', 'a', 0, 1);
      expect(log.committedOffset('g', 'a', 0)).toBeUndefined();
      await done;
      expect(log.committedOffset('g', 'a', 0)).toBe(1);
    });

    it('may go back', async () => {
      const log = await fixture.open();
      await filled(log);
      await commit(log, 'g', 'a', 0, 3);
      await commit(log, 'g', 'a', 0, 0);
      expect(log.committedOffset('g', 'a', 0)).toBe(0);
    });

    it('of which the last of several commits counts', async () => {
      const log = await fixture.open();
      await filled(log);
      await Promise.all([1, 3, 2].map((offset) => commit(log, 'g', 'a', 0, offset)));
      expect(log.committedOffset('g', 'a', 0)).toBe(2);
    });

    it('has a name of 1 to 249 characters', async () => {
      const log = await fixture.open();
      await filled(log);
      for (const name of ['', 'x'.repeat(250)]) {
        await expect(commit(log, name, 'a', 0, 1)).rejects.toEqual(coded('REQUEST_INVALID'));
      }
      for (const name of ['x'.repeat(249), 'ü/ß 😀', '\u0000', '__proto__']) await commit(log, name, 'a', 0, 1);
      expect(log.groups()).toHaveLength(4);
      const again = fixture.reopen === undefined ? log : await fixture.reopen(log);
      expect(new Set(again.groups())).toEqual(new Set(['x'.repeat(249), 'ü/ß 😀', '\u0000', '__proto__']));
      expect(again.committedOffset('ü/ß 😀', 'a', 0)).toBe(1);
    });

    it('is gone when it is deleted, and may come again', async () => {
      const log = await fixture.open();
      await filled(log);
      await commit(log, 'g', 'a', 0, 1);
      await commit(log, 'h', 'a', 0, 1);
      await log.deleteGroup('g');
      expect([log.groups(), log.committedOffsets('g'), log.committedOffset('g', 'a', 0)]).toEqual([
        ['h'],
        [],
        undefined,
      ]);
      await commit(log, 'g', 'a', 0, 2);
      expect(log.committedOffsets('g')).toEqual([{ topic: 'a', partition: 0, offset: 2 }]);
    });

    it('loses what it committed of a topic that is deleted', async () => {
      const log = await fixture.open();
      await filled(log);
      await commit(log, 'g', 'a', 0, 1);
      await commit(log, 'g', 'b', 0, 1);
      await log.deleteTopic('a');
      expect(log.committedOffsets('g')).toEqual([{ topic: 'b', partition: 0, offset: 1 }]);
    });
  });

  describe('state', () => {
    const set = (log: Log, space: string, entries: Record<string, string | null>) =>
      log.commit({
        state: Object.entries(entries).map(([key, value]) => ({
          space,
          key,
          value: value === null ? null : encodeUtf8(value),
        })),
      });
    const scan = (log: Log, space: string, from = '', limit = 100) =>
      log.scanState(space, from, limit).map(([key, value]) => `${key}=${decodeUtf8(value)}`);

    it('is set, replaced and deleted, in each space for itself', async () => {
      const log = await fixture.open();
      await set(log, 's', { a: '1', b: '2' });
      await set(log, 'other', { a: 'x' });
      await set(log, 's', { a: '3', b: null, c: '' });
      expect([scan(log, 's'), scan(log, 'other'), scan(log, 'none')]).toEqual([['a=3', 'c='], ['a=x'], []]);
      expect([log.getState('s', 'b'), log.getState('none', 'a')]).toEqual([undefined, undefined]);
      await set(log, 's', { a: null, c: null });
      expect(scan(log, 's')).toEqual([]);
    });

    it('is read in the order of its keys, from a key on, so many at most', async () => {
      const log = await fixture.open();
      await set(log, 's', { b: '2', d: '4', a: '1', c: '3' });
      await log.maintain();
      await set(log, 's', { e: '5', a: null, cc: '+' });
      expect(scan(log, 's')).toEqual(['b=2', 'c=3', 'cc=+', 'd=4', 'e=5']);
      expect(scan(log, 's', 'c', 2)).toEqual(['c=3', 'cc=+']);
      expect(scan(log, 's', 'bb', 1)).toEqual(['c=3']);
      expect(scan(log, 's', 'z')).toEqual([]);
    });

    it('is not the caller’s bytes', async () => {
      const log = await fixture.open();
      const value = encodeUtf8('kept');
      const done = log.commit({ state: [{ space: 's', key: 'k', value }] });
      value.fill(0);
      await done;
      log.getState('s', 'k')?.fill(0);
      expect(scan(log, 's')).toEqual(['k=kept']);
    });

    it('refuses a key that no engine could hold, and nothing else', async () => {
      const log = await fixture.open();
      const key = 'k'.repeat(1_023);
      await set(log, 's', { [key]: 'v' });
      await expect(set(log, 's', { [`${key}+`]: 'v' })).rejects.toEqual(coded('REQUEST_INVALID'));
      await expect(set(log, 's', { ['ü'.repeat(512)]: 'v' })).rejects.toEqual(coded('REQUEST_INVALID'));
      expect(scan(log, 's')).toEqual([`${key}=v`]);
    });

    it('holds any keys and values, also after maintenance and opening again', async () => {
      const key = fc.string({ unit: 'grapheme', maxLength: 12 });
      const written = fc.dictionary(key, fc.string({ maxLength: 20 }), { minKeys: 1, maxKeys: 20 });
      await fc.assert(
        fc.asyncProperty(written, key, key, async (entries, from, space) => {
          let log = await fixture.open();
          await set(log, space, entries);
          await log.maintain();
          if (fixture.reopen !== undefined) log = await fixture.reopen(log);
          const order = (a: string, b: string) => compareBytes(encodeUtf8(a), encodeUtf8(b));
          const keys = Object.keys(entries).sort(order);
          expect(scan(log, space)).toEqual(keys.map((name) => `${name}=${entries[name]}`));
          expect(scan(log, space, from, 3).length).toBe(
            Math.min(3, keys.filter((name) => order(name, from) >= 0).length),
          );
          for (const name of keys) expect(decodeUtf8(log.getState(space, name) as Uint8Array)).toBe(entries[name]);
          await log.close();
        }),
        withSeed({ numRuns: 10 }),
      );
    });
  });
}
