/** Key compaction: the last record of each key stays, at its offset; tombstones serve their time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '#kernel';
import { withSeed } from '#kit';
import type { Log, Partition } from '#log';
import { batchOf, type LogFixture, onePartition, type PlainRecord, READ_BYTES, readAll } from './fixture.ts';

const START_MS = 1_700_000_000_000;

/**
 * Compacts what is there. An engine may leave its newest run alone, so a run of another key is put on top; the
 * records of that key are not shown by `entries`.
 */
async function compact(log: Log, partition: Partition): Promise<void> {
  await log.maintain();
  await partition.append(batchOf([{ key: 'on top', value: '' }]));
  await log.maintain();
}

function entries(partition: Partition, from?: number): [number, string | null, string | null][] {
  const found = readAll(partition, from).filter(({ key }) => key !== 'on top');
  return found.map(({ offset, key, value }) => [offset, key, value]);
}

export function describeCompaction(fixture: LogFixture): void {
  describe('a compacted topic', () => {
    it('keeps the last record of each key at its offset, and records without a key', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log, { cleanup: 'compact' });
      await partition.append(batchOf([{ key: 'a', value: '1' }, { key: 'b', value: '1' }, 'keyless']));
      await partition.append(batchOf([{ key: 'a', value: '2' }]));
      await partition.append(
        batchOf([
          { key: 'c', value: '1' },
          { key: 'b', value: '2' },
          { key: 'c', value: '2' },
        ]),
      );
      await compact(log, partition);
      expect(entries(partition)).toEqual([
        [2, null, 'keyless'],
        [3, 'a', '2'],
        [5, 'b', '2'],
        [6, 'c', '2'],
      ]);
      expect([partition.start, partition.tail]).toEqual([0, 8]);
    });

    it('reads on over what is gone, from every offset', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log, { cleanup: 'compact' });
      for (let i = 0; i < 20; i++) await partition.append(batchOf([{ key: `${i % 3}`, value: `${i}` }]));
      await compact(log, partition);
      for (let from = 0; from <= 17; from++) {
        expect(entries(partition, from).map(([offset]) => offset)).toEqual([17, 18, 19]);
        const cursor = partition.cursor(from);
        expect(cursor.next(1)).toMatchObject({ nextOffset: 18 });
      }
      expect(entries(partition, 19).map(([offset]) => offset)).toEqual([19]);
      expect(partition.offsetForTime(0)).toBe(17);
    });

    it('takes a cursor along that stood in what is gone', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log, { cleanup: 'compact' });
      for (let i = 0; i < 10; i++) await partition.append(batchOf([{ key: 'k', value: `${i}` }]));
      const cursor = partition.cursor(0);
      cursor.next(1);
      await compact(log, partition);
      expect(cursor.next(1)).toMatchObject({ nextOffset: 10 });
    });

    it('shows a tombstone for its time, then nothing of the key', async () => {
      const clock = new ManualClock(START_MS);
      const log = await fixture.open({ clock });
      const partition = await onePartition(log, { cleanup: 'compact', tombstoneMs: 1_000 });
      await partition.append(batchOf([{ key: 'k', value: 'v', timestamp: START_MS }]));
      await partition.append(batchOf([{ key: 'k', value: null, timestamp: START_MS }]));
      await compact(log, partition);
      expect(entries(partition)).toEqual([[1, 'k', null]]);
      clock.advance(1_001);
      await compact(log, partition);
      expect(entries(partition)).toEqual([]);
      expect(partition.cursor(0).next(READ_BYTES)?.nextOffset).toBeGreaterThan(2);
    });

    it('keeps a key that was written again after its tombstone', async () => {
      const clock = new ManualClock(START_MS);
      const log = await fixture.open({ clock });
      const partition = await onePartition(log, { cleanup: 'compact', tombstoneMs: 0 });
      for (const value of ['v', null, 'w']) {
        await partition.append(batchOf([{ key: 'k', value, timestamp: START_MS }]));
        await log.maintain();
      }
      clock.advance(10);
      await compact(log, partition);
      expect(entries(partition)).toEqual([[2, 'k', 'w']]);
    });

    it('is left as it is when the topic only deletes', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      for (let i = 0; i < 5; i++) await partition.append(batchOf([{ key: 'k', value: `${i}` }]));
      await compact(log, partition);
      expect(entries(partition)).toHaveLength(5);
    });

    it('shrinks', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log, { cleanup: 'compact' });
      const value = 'v'.repeat(10_000);
      for (let i = 0; i < 20; i++) await partition.append(batchOf([{ key: 'k', value }]));
      await compact(log, partition);
      expect(partition.bytes).toBeLessThan(60_000);
    });

    it('holds the last value of each key, whatever was written and however often it was compacted', async () => {
      const record = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', ''), value: fc.option(fc.string()) });
      const batch = fc.array(record, { minLength: 1, maxLength: 4 });
      const step = fc.oneof(
        { weight: 5, arbitrary: fc.record({ batch, compression: fc.constantFrom('none', 'gzip', 'snappy') }) },
        { weight: 1, arbitrary: fc.constant('compact' as const) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const log = await fixture.open();
          const partition = await onePartition(log, { cleanup: 'compact' });
          const last = new Map<string, [number, string, string | null]>();
          for (const one of steps) {
            if (one === 'compact') {
              await log.maintain();
              continue;
            }
            const records = one.batch as PlainRecord[];
            const { baseOffset } = await partition.append(batchOf(records, { compression: one.compression }));
            records.forEach(({ key, value }, i) => {
              last.set(key as string, [baseOffset + i, key as string, value]);
            });
          }
          await compact(log, partition);
          expect(entries(partition)).toEqual([...last.values()].sort(([a], [b]) => a - b));
          await log.close();
        }),
        withSeed({ numRuns: 12 }),
      );
    });
  });
}
