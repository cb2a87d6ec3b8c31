/** Idempotent producers, through an append; the rules one by one are in test/unit/log. */
import { describe, expect, it } from 'vitest';
import { batchOf, coded, type LogFixture, onePartition, stamped, valuesOf } from './fixture.ts';

export function describeIdempotence(fixture: LogFixture): void {
  describe('a batch with a producer id', () => {
    it('is stored once and answered with its first offset each time', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(batchOf(['before']));
      expect(await partition.append(stamped(0, ['a', 'b']))).toEqual({ baseOffset: 1, duplicate: false });
      expect(await partition.append(stamped(2, ['c']))).toEqual({ baseOffset: 3, duplicate: false });
      expect(await partition.append(stamped(0, ['a', 'b']))).toEqual({ baseOffset: 1, duplicate: true });
      expect(await partition.append(stamped(2, ['c']))).toEqual({ baseOffset: 3, duplicate: true });
      expect(valuesOf(partition)).toEqual(['before', 'a', 'b', 'c']);
    });

    it('is recognised also before it is durable, and its duplicate answered not before that', async () => {
      const partition = await onePartition(await fixture.open());
      const first = partition.append(stamped(0, ['a']));
      const second = partition.append(stamped(0, ['a'])).then((answer) => ({ ...answer, durable: partition.durable }));
      expect(await first).toEqual({ baseOffset: 0, duplicate: false });
      expect(await second).toEqual({ baseOffset: 0, duplicate: true, durable: 1 });
      expect(valuesOf(partition)).toEqual(['a']);
    });

    it('is refused when it leaves a gap, with the sequence that is next', async () => {
      const partition = await onePartition(await fixture.open());
      await expect(partition.append(stamped(3, ['x']))).rejects.toEqual(coded('SEQUENCE_GAP', { expected: 0 }));
      await partition.append(stamped(0, ['a']));
      await expect(partition.append(stamped(2, ['x']))).rejects.toEqual(
        coded('SEQUENCE_GAP', { expected: 1, received: 2 }),
      );
      expect(valuesOf(partition)).toEqual(['a']);
    });

    it('is refused when a newer epoch has written', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(stamped(0, ['old'], 7, 0));
      await partition.append(stamped(0, ['new'], 7, 1));
      await expect(partition.append(stamped(1, ['x'], 7, 0))).rejects.toEqual(coded('PRODUCER_FENCED', { epoch: 1 }));
      expect(valuesOf(partition)).toEqual(['old', 'new']);
    });

    it('counts by itself in each partition and for each producer', async () => {
      const log = await fixture.open();
      const { partitions } = await log.createTopic('t', { partitions: 2 });
      for (const partition of partitions) {
        for (const id of [1, 2, Number.MAX_SAFE_INTEGER]) {
          expect(await partition.append(stamped(0, ['x'], id))).toMatchObject({ duplicate: false });
        }
        expect(partition.durable).toBe(3);
      }
    });

    it('is a duplicate before its condition is looked at', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(stamped(0, ['a']), { expectedOffset: 0 });
      expect(await partition.append(stamped(0, ['a']), { expectedOffset: 0 })).toEqual({
        baseOffset: 0,
        duplicate: true,
      });
    });

    it('may be sent again when its condition was not met', async () => {
      const partition = await onePartition(await fixture.open());
      await expect(partition.append(stamped(0, ['a']), { expectedOffset: 9 })).rejects.toEqual(
        coded('OFFSET_CONFLICT'),
      );
      expect(await partition.append(stamped(0, ['a']))).toEqual({ baseOffset: 0, duplicate: false });
    });

    it('is still recognised after trims and compaction', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log, { cleanup: 'compact' });
      await partition.append(stamped(0, ['a', 'b']));
      await partition.trim(2);
      await log.maintain();
      expect(await partition.append(stamped(0, ['a', 'b']))).toEqual({ baseOffset: 0, duplicate: true });
      expect(await partition.append(stamped(2, ['c']))).toEqual({ baseOffset: 2, duplicate: false });
    });
  });
}
