/** Trims and retention: what is forgotten, and what is never. */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '#kernel';
import { batchOf, batchOfSize, coded, type LogFixture, onePartition, READ_BYTES, valuesOf } from './fixture.ts';

const START_MS = 1_700_000_000_000;

export function describeTrims(fixture: LogFixture): void {
  describe('a trim', () => {
    it('forgets what is below its offset, also in the middle of a batch', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(batchOf(['a', 'b', 'c']));
      await partition.append(batchOf(['d', 'e']));
      await partition.trim(1);
      expect([partition.start, partition.durable]).toEqual([1, 5]);
      expect(valuesOf(partition)).toEqual(['b', 'c', 'd', 'e']);
      await partition.trim(3);
      expect(valuesOf(partition)).toEqual(['d', 'e']);
      await partition.trim(4);
      expect(valuesOf(partition)).toEqual(['e']);
    });

    it('never goes back', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(batchOf(['a', 'b', 'c']));
      await Promise.all([partition.trim(2), partition.trim(1)]);
      await partition.trim(0);
      expect(partition.start).toBe(2);
    });

    it('may take everything, and offsets go on', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      await partition.append(batchOf(['a', 'b']));
      await partition.trim(2);
      await log.maintain();
      expect([partition.start, partition.durable, partition.tail]).toEqual([2, 2, 2]);
      expect(valuesOf(partition)).toEqual([]);
      expect(await partition.append(batchOf(['c']))).toMatchObject({ baseOffset: 2 });
      expect(valuesOf(partition)).toEqual(['c']);
    });

    it('goes to the durable end at most', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(batchOf(['a']));
      for (const offset of [2, -1, 0.5]) {
        await expect(partition.trim(offset)).rejects.toEqual(coded('OFFSET_OUT_OF_RANGE', { durable: 1 }));
      }
      expect(partition.start).toBe(0);
    });

    it('is told to every cursor that stands below it', async () => {
      const partition = await onePartition(await fixture.open());
      for (const value of ['a', 'b', 'c']) await partition.append(batchOf([value]));
      const cursor = partition.cursor(1);
      await partition.trim(2);
      const trimmed = coded('OFFSET_TRIMMED', { start: 2 }) as Error;
      expect(() => cursor.next(READ_BYTES)).toThrow(trimmed);
      expect(() => cursor.seek(1)).toThrow(trimmed);
      expect(() => partition.cursor(0)).toThrow(trimmed);
      cursor.seek(2);
      expect(cursor.next(READ_BYTES)).toMatchObject({ firstOffset: 2 });
    });

    it('frees its bytes', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      for (let i = 0; i < 10; i++) await partition.append(batchOfSize(50_000));
      await partition.trim(10);
      await log.maintain();
      expect(partition.bytes).toBeLessThan(50_000);
    });
  });

  describe('retention', () => {
    it('by age drops what is older, and never what is not', async () => {
      const clock = new ManualClock(START_MS);
      const log = await fixture.open({ clock });
      const partition = await onePartition(log, { retentionMs: 1_000 });
      await partition.append(batchOf([{ value: 'old', timestamp: START_MS }]));
      await log.maintain();
      clock.advance(600);
      await partition.append(batchOf([{ value: 'young', timestamp: START_MS + 600 }]));
      await log.maintain();
      expect(valuesOf(partition)).toEqual(['old', 'young']);
      clock.advance(600);
      await log.maintain();
      expect([partition.start, ...valuesOf(partition)]).toEqual([1, 'young']);
      clock.advance(1_000);
      await log.maintain();
      expect([partition.start, partition.durable]).toEqual([2, 2]);
    });

    it('by bytes drops the oldest while more is kept, and keeps as much as it says', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log, { retentionBytes: 35_000 });
      const batch = batchOfSize(10_000);
      for (let i = 0; i < 10; i++) {
        await partition.append(batch);
        await log.maintain();
        expect(partition.bytes).toBeGreaterThanOrEqual(Math.min(i + 1, 4) * batch.length);
        expect(partition.bytes).toBeLessThan(35_000 + 2 * batch.length);
      }
      expect(partition.start).toBeGreaterThanOrEqual(5);
      expect(valuesOf(partition)).toHaveLength(10 - partition.start);
    });

    it('follows the settings when they change', async () => {
      const clock = new ManualClock(START_MS);
      const log = await fixture.open({ clock });
      const partition = await onePartition(log);
      await partition.append(batchOf([{ value: 'old', timestamp: START_MS - 10_000 }]));
      await log.maintain();
      expect(partition.start).toBe(0);
      await log.updateTopic('t', { retentionMs: 5_000 });
      await log.maintain();
      expect(partition.start).toBe(1);
    });

    it('keeps everything where none is set, and in other topics', async () => {
      const clock = new ManualClock(START_MS);
      const log = await fixture.open({ clock });
      await log.createTopic('short', { retentionMs: 1 });
      await log.createTopic('kept');
      const batch = batchOf([{ value: 'x', timestamp: START_MS }]);
      for (const name of ['short', 'kept', 'short', 'kept']) await log.partition(name, 0).append(batch);
      clock.advance(365 * 24 * 3_600_000);
      await log.maintain();
      await log.maintain();
      expect(valuesOf(log.partition('short', 0))).toEqual([]);
      expect(valuesOf(log.partition('kept', 0))).toEqual(['x', 'x']);
    });
  });
}
