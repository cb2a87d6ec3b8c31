/** Appends: dense offsets in the order of the calls, and the same bytes back. */
import { describe, expect, it } from 'vitest';
import { iterateBatches, readBatchHeader, verifyBatch } from '#record';
import {
  batchOf,
  batchOfSize,
  coded,
  type LogFixture,
  onePartition,
  READ_BYTES,
  readAll,
  valuesOf,
} from './fixture.ts';

export function describeAppends(fixture: LogFixture): void {
  describe('an append', () => {
    it('gives each record the next offset, from 0 on', async () => {
      const partition = await onePartition(await fixture.open());
      expect([partition.start, partition.durable, partition.tail]).toEqual([0, 0, 0]);
      expect(await partition.append(batchOf(['a', 'b', 'c']))).toEqual({ baseOffset: 0, duplicate: false });
      expect(await partition.append(batchOf(['d']))).toEqual({ baseOffset: 3, duplicate: false });
      expect([partition.start, partition.durable, partition.tail]).toEqual([0, 4, 4]);
      expect(readAll(partition).map(({ offset, value }) => [offset, value])).toEqual([
        [0, 'a'],
        [1, 'b'],
        [2, 'c'],
        [3, 'd'],
      ]);
    });

    it('keeps the order of the calls, whoever waits for what', async () => {
      const partition = await onePartition(await fixture.open());
      const appends = Array.from({ length: 200 }, (_, i) =>
        partition.append(batchOf([`${i}`, `${i}+`]), i % 3 === 0 ? { durability: 'memory' } : {}),
      );
      expect((await Promise.all(appends)).map(({ baseOffset }) => baseOffset)).toEqual(
        Array.from({ length: 200 }, (_, i) => 2 * i),
      );
      expect(valuesOf(partition)).toEqual(Array.from({ length: 200 }, (_, i) => [`${i}`, `${i}+`]).flat());
    });

    it('numbers each partition for itself', async () => {
      const log = await fixture.open();
      const { partitions } = await log.createTopic('t', { partitions: 3 });
      await Promise.all(partitions.flatMap((p) => Array.from({ length: p.index + 1 }, () => p.append(batchOf(['x'])))));
      expect(partitions.map(({ durable }) => durable)).toEqual([1, 2, 3]);
    });

    it('stores the bytes as they came, but for the base offset', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(batchOf(['before']));
      const sent = batchOf([{ key: 'k', value: 'v', timestamp: 1_000 }, 'w'], { compression: 'gzip' });
      await partition.append(sent);
      const chunk = partition.cursor(1).next(READ_BYTES);
      const stored = chunk?.bytes ?? new Uint8Array(0);
      expect(verifyBatch(stored).baseOffset).toBe(1);
      expect(Uint8Array.from(stored.subarray(16))).toEqual(Uint8Array.from(sent.subarray(16)));
    });

    it('copies the batch before it returns', async () => {
      const partition = await onePartition(await fixture.open());
      const buffer = batchOf(['kept']);
      const done = partition.append(buffer);
      buffer.fill(0);
      await done;
      expect(valuesOf(partition)).toEqual(['kept']);
    });

    it('does not touch the bytes it is given', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(batchOf(['x']));
      const buffer = batchOf(['y']);
      const before = Uint8Array.from(buffer);
      await partition.append(buffer);
      expect(Uint8Array.from(buffer)).toEqual(before);
    });

    it('stores a batch of one large record and one of many small ones', async () => {
      const partition = await onePartition(await fixture.open());
      const large = batchOfSize(900_000);
      const many = batchOfSize(500_000, 50_000);
      await Promise.all([partition.append(large), partition.append(many)]);
      expect(partition.durable).toBe(50_001);
      const cursor = partition.cursor(0);
      const counts: number[] = [];
      for (let chunk = cursor.next(1); chunk !== null; chunk = cursor.next(1)) {
        for (const { header } of iterateBatches(chunk.bytes)) counts.push(header.count);
      }
      expect(counts).toEqual([1, 50_000]);
    });

    it('takes a batch whose base offset was meant for somewhere else', async () => {
      const partition = await onePartition(await fixture.open());
      expect(await partition.append(batchOf(['x'], { baseOffset: 4_711 }))).toEqual({
        baseOffset: 0,
        duplicate: false,
      });
      const chunk = partition.cursor(0).next(READ_BYTES);
      expect(readBatchHeader(chunk?.bytes ?? new Uint8Array(0)).baseOffset).toBe(0);
    });

    it('counts the bytes that are kept', async () => {
      const partition = await onePartition(await fixture.open());
      expect(partition.bytes).toBe(0);
      const batch = batchOfSize(10_000);
      await partition.append(batch);
      await partition.append(batch);
      expect(partition.bytes).toBeGreaterThanOrEqual(2 * batch.length);
      expect(partition.bytes).toBeLessThan(3 * batch.length);
    });
  });

  describe('a conditional append', () => {
    it('is stored when the partition ends where it expects', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(batchOf(['a']), { expectedOffset: 0 });
      await partition.append(batchOf(['b', 'c']), { expectedOffset: 1 });
      expect(valuesOf(partition)).toEqual(['a', 'b', 'c']);
    });

    it('is refused otherwise, with the offset that is next, and stores nothing', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(batchOf(['a', 'b']));
      for (const expectedOffset of [0, 1, 3]) {
        await expect(partition.append(batchOf(['no']), { expectedOffset })).rejects.toEqual(
          coded('OFFSET_CONFLICT', { tail: 2 }),
        );
      }
      expect(valuesOf(partition)).toEqual(['a', 'b']);
    });

    it('counts what was accepted before it, durable or not: of many for one place, one wins', async () => {
      const partition = await onePartition(await fixture.open());
      const rivals = Array.from({ length: 10 }, (_, i) => partition.append(batchOf([`${i}`]), { expectedOffset: 0 }));
      const outcomes = await Promise.allSettled(rivals);
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', ...Array(9).fill('rejected')]);
      expect(valuesOf(partition)).toEqual(['0']);
    });
  });
}
