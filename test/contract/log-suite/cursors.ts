/** Reading: whole batches in order, from any offset, in pieces of any size. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withSeed } from '#kit';
import { iterateBatches } from '#record';
import { batchOf, batchOfSize, coded, type LogFixture, onePartition, READ_BYTES, readAll } from './fixture.ts';

export function describeCursors(fixture: LogFixture): void {
  describe('a cursor', () => {
    it('reads the same records from any offset, in pieces of any size', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      for (let i = 0; i < 30; i++) {
        const appends = Array.from({ length: 1 + (i % 4) }, (_, j) =>
          partition.append(batchOfSize(200 + 90 * j, j + 1)),
        );
        if (i % 3 === 0) await Promise.all(appends);
        if (i === 15) await log.maintain();
      }
      await partition.append(batchOf(['last']));
      const all = readAll(partition);
      expect(all.map(({ offset }) => offset)).toEqual(Array.from({ length: partition.durable }, (_, i) => i));
      fc.assert(
        fc.property(
          fc.integer({ min: 0, max: partition.durable }),
          fc.integer({ min: 1, max: 5_000 }),
          (from, size) => {
            expect(readAll(partition, from, size)).toEqual(all.slice(from));
          },
        ),
        withSeed({ numRuns: 100 }),
      );
    });

    it('returns whole batches that fit, and one at least', async () => {
      const partition = await onePartition(await fixture.open());
      const batch = batchOfSize(1_000);
      await Promise.all(Array.from({ length: 10 }, () => partition.append(batch)));
      const cursor = partition.cursor(0);
      expect(cursor.next(1)?.bytes.length).toBe(batch.length);
      const chunk = cursor.next(3 * batch.length + 5);
      const count = (chunk?.nextOffset ?? 0) - 1;
      expect([1, 2, 3]).toContain(count);
      expect(chunk?.bytes.length).toBe(count * batch.length);
      expect([chunk?.firstOffset, cursor.position]).toEqual([1, 1 + count]);
    });

    it('begins with the batch that holds its position', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(batchOf(['a', 'b', 'c']));
      await partition.append(batchOf(['d']));
      const chunk = partition.cursor(2).next(1);
      expect(chunk).toMatchObject({ firstOffset: 0, nextOffset: 3 });
      expect([...iterateBatches(chunk?.bytes ?? new Uint8Array(0))]).toHaveLength(1);
    });

    it('finds nothing at the end, and goes on when there is more', async () => {
      const partition = await onePartition(await fixture.open());
      const cursor = partition.cursor(0);
      expect([cursor.next(READ_BYTES), cursor.position]).toEqual([null, 0]);
      for (let i = 0; i < 5; i++) {
        await partition.append(batchOf(['x', 'y']));
        expect(cursor.next(READ_BYTES)).toMatchObject({ firstOffset: 2 * i, nextOffset: 2 * i + 2 });
        expect(cursor.next(READ_BYTES)).toBeNull();
      }
    });

    it('reads on in the middle of what one commit wrote', async () => {
      const partition = await onePartition(await fixture.open());
      await Promise.all(Array.from({ length: 6 }, (_, i) => partition.append(batchOf([`${i}`]))));
      const cursor = partition.cursor(0);
      for (let i = 0; i < 6; i++) expect(cursor.next(1)).toMatchObject({ firstOffset: i, nextOffset: i + 1 });
      expect(cursor.next(1)).toBeNull();
    });

    it('seeks to and fro', async () => {
      const partition = await onePartition(await fixture.open());
      for (let i = 0; i < 5; i++) await partition.append(batchOf([`${i}`]));
      const cursor = partition.cursor(5);
      for (const offset of [0, 3, 1, 4, 2]) {
        cursor.seek(offset);
        expect(cursor.position).toBe(offset);
        expect(cursor.next(1)).toMatchObject({ firstOffset: offset });
      }
    });

    it('is refused where there is nothing to read, ever or yet', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(batchOf(['a', 'b']));
      const cursor = partition.cursor(1);
      for (const offset of [3, -1, 0.5, Number.NaN]) {
        expect(() => partition.cursor(offset)).toThrow(coded('OFFSET_OUT_OF_RANGE', { durable: 2 }) as Error);
        expect(() => cursor.seek(offset)).toThrow(coded('OFFSET_OUT_OF_RANGE', { durable: 2 }) as Error);
      }
      expect(cursor.position).toBe(1);
    });

    it('is one of many that read on their own', async () => {
      const partition = await onePartition(await fixture.open());
      for (let i = 0; i < 20; i++) await partition.append(batchOf([`${i}`]));
      const cursors = Array.from({ length: 20 }, (_, i) => partition.cursor(i));
      for (let step = 0; cursors.some(({ position }) => position < 20); step++) {
        cursors.forEach((cursor, i) => {
          const chunk = cursor.next(1);
          if (i + step < 20) expect(chunk).toMatchObject({ firstOffset: i + step });
          else expect(chunk).toBeNull();
        });
      }
    });
  });
}
