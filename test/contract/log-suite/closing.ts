/** Closing a log, and what outlives it. */
import { describe, expect, it } from 'vitest';
import { encodeUtf8 } from '#kernel';
import { batchOf, coded, type LogFixture, onePartition, READ_BYTES, stamped, valuesOf } from './fixture.ts';

export function describeClosing(fixture: LogFixture): void {
  describe('a log that is closed', () => {
    it('answers what it had accepted', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      const appends = Array.from({ length: 20 }, () => partition.append(batchOf(['x'])));
      await log.close();
      expect((await Promise.all(appends)).map(({ baseOffset }) => baseOffset)).toEqual(
        Array.from({ length: 20 }, (_, i) => i),
      );
    });

    it('refuses everything after', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      await partition.append(batchOf(['x']));
      const cursor = partition.cursor(0);
      await log.close();
      const closed = coded('SHUTTING_DOWN');
      await expect(partition.append(batchOf(['x']))).rejects.toEqual(closed);
      await expect(partition.append(batchOf(['x']), { durability: 'memory' })).rejects.toEqual(closed);
      await expect(partition.trim(1)).rejects.toEqual(closed);
      await expect(log.commit({ appends: [{ partition, batch: batchOf(['x']) }] })).rejects.toEqual(closed);
      await expect(log.commit({ state: [{ space: 's', key: 'k', value: null }] })).rejects.toEqual(closed);
      await expect(log.createTopic('u')).rejects.toEqual(closed);
      await expect(log.updateTopic('t', { retentionMs: 1 })).rejects.toEqual(closed);
      await expect(log.deleteTopic('t')).rejects.toEqual(closed);
      await expect(log.deleteGroup('g')).rejects.toEqual(closed);
      await expect(log.maintain()).rejects.toEqual(closed);
      expect(() => cursor.next(READ_BYTES)).toThrow(closed as Error);
      expect(() => partition.cursor(0)).toThrow(closed as Error);
      expect(() => partition.offsetForTime(0)).toThrow(closed as Error);
    });

    it('may be closed again', async () => {
      const log = await fixture.open();
      await Promise.all([log.close(), log.close()]);
      await log.close();
    });
  });

  const { reopen } = fixture;
  if (reopen === undefined) return;
  describe('a log that is opened again', () => {
    it('has every record at its offset', async () => {
      let log = await fixture.open();
      await log.createTopic('t', { partitions: 2 });
      for (let round = 0; round < 3; round++) {
        const expected = round * 6;
        const partition = log.partition('t', 1);
        expect([partition.start, partition.durable, partition.tail]).toEqual([0, expected, expected]);
        for (let i = 0; i < 3; i++) await partition.append(batchOf([`${round}.${i}`, '+']));
        if (round === 1) await log.maintain();
        log = await reopen(log);
      }
      const values = [0, 1, 2].flatMap((round) => [0, 1, 2].flatMap((i) => [`${round}.${i}`, '+']));
      expect(valuesOf(log.partition('t', 1))).toEqual(values);
      expect(valuesOf(log.partition('t', 0))).toEqual([]);
      expect(log.damaged()).toEqual([]);
    });

    it('has memory appends that were accepted before the close', async () => {
      const log = await fixture.open();
      await (await onePartition(log)).append(batchOf(['x']), { durability: 'memory' });
      expect(valuesOf((await reopen(log)).partition('t', 0))).toEqual(['x']);
    });

    it('has its topics, with their settings and ids, and not those that were deleted', async () => {
      const log = await fixture.open();
      const kept = await log.createTopic('kept', { partitions: 2, cleanup: 'compact' });
      await log.createTopic('gone');
      await log.updateTopic('kept', { partitions: 3, tombstoneMs: 5 });
      await log.deleteTopic('gone');
      const again = await reopen(log);
      expect(again.topics().map(({ name }) => name)).toEqual(['kept']);
      const { id, config, createdAt, partitions } = again.topic('kept');
      expect({ id, config, createdAt }).toEqual({ id: kept.id, config: kept.config, createdAt: kept.createdAt });
      expect(partitions).toHaveLength(3);
      const fresh = await again.createTopic('gone');
      expect(fresh.id).toBeGreaterThan(kept.id + 1);
      expect(fresh.partitions[0]?.tail).toBe(0);
    });

    it('has offsets, state, trims and producers', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      await partition.append(stamped(0, ['a', 'b']));
      await partition.append(stamped(2, ['c']));
      await log.commit({
        offsets: [{ group: 'g', topic: 't', partition: 0, offset: 2 }],
        state: [{ space: 's', key: 'k', value: encodeUtf8('v') }],
      });
      await partition.trim(1);
      for (let again = await reopen(log), round = 0; round < 2; round++) {
        const stored = again.partition('t', 0);
        expect([stored.start, stored.durable, stored.tail]).toEqual([1, 3, 3]);
        expect(again.committedOffsets('g')).toEqual([{ topic: 't', partition: 0, offset: 2 }]);
        expect(again.scanState('s', '', 9).map(([key]) => key)).toEqual(['k']);
        expect(await stored.append(stamped(0, ['a', 'b']))).toEqual({ baseOffset: 0, duplicate: true });
        expect(await stored.append(stamped(2, ['c']))).toEqual({ baseOffset: 2, duplicate: true });
        await expect(stored.append(stamped(9, ['x']))).rejects.toEqual(coded('SEQUENCE_GAP', { expected: 3 }));
        if (round === 0) await again.maintain();
        again = await reopen(again);
      }
    });

    it('goes on at its tail when everything was trimmed', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      await partition.append(stamped(0, ['a', 'b', 'c']));
      await partition.trim(3);
      await log.maintain();
      const again = (await reopen(await reopen(log))).partition('t', 0);
      expect([again.start, again.durable, again.tail]).toEqual([3, 3, 3]);
      expect(await again.append(stamped(0, ['a', 'b', 'c']))).toEqual({ baseOffset: 0, duplicate: true });
      expect(await again.append(batchOf(['d']))).toEqual({ baseOffset: 3, duplicate: false });
    });
  });
}
