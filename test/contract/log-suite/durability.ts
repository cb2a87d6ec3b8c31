/** When an append is answered, what is readable when, and who is told that the durable end has moved. */
import { describe, expect, it } from 'vitest';
import { SluiceError } from '#kernel';
import { waitFor } from '#kit';
import { batchOf, coded, type LogFixture, onePartition, READ_BYTES, stamped, valuesOf } from './fixture.ts';

export function describeDurability(fixture: LogFixture): void {
  describe('durability', () => {
    it('moves the durable end before an fsync append is answered', async () => {
      const partition = await onePartition(await fixture.open());
      for (let i = 1; i <= 5; i++) {
        await partition.append(batchOf(['x']), { durability: 'fsync' });
        expect(partition.durable).toBe(i);
      }
    });

    it('answers a memory append with its offset, and writes it with the next commit', async () => {
      const partition = await onePartition(await fixture.open());
      expect(await partition.append(batchOf(['x', 'y']), { durability: 'memory' })).toEqual({
        baseOffset: 0,
        duplicate: false,
      });
      await waitFor(() => partition.durable === 2, { what: 'the memory append to become durable' });
      expect(valuesOf(partition)).toEqual(['x', 'y']);
    });

    it('shows readers nothing that is not durable', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      await partition.append(batchOf(['a']));
      const cursor = partition.cursor(1);
      const done = partition.append(batchOf(['b']));
      expect([partition.durable, partition.tail]).toEqual([1, 2]);
      expect(log.pendingBytes).toBeGreaterThan(0);
      expect(cursor.next(READ_BYTES)).toBeNull();
      expect(valuesOf(partition)).toEqual(['a']);
      expect(() => partition.cursor(2)).toThrow(coded('OFFSET_OUT_OF_RANGE', { durable: 1 }) as Error);
      await done;
      expect(cursor.next(READ_BYTES)?.nextOffset).toBe(2);
      expect(log.pendingBytes).toBe(0);
    });

    it('tells listeners of a partition after each commit that moved its durable end, until they stop', async () => {
      const log = await fixture.open();
      const { partitions } = await log.createTopic('t', { partitions: 2 });
      const [zero, one] = partitions as [(typeof partitions)[0], (typeof partitions)[0]];
      const seen: number[] = [];
      const end = zero.onDurable(() => seen.push(zero.durable));
      await zero.append(batchOf(['a']));
      await one.append(batchOf(['elsewhere']));
      await Promise.all([zero.append(batchOf(['b'])), zero.append(batchOf(['c']))]);
      expect(seen.at(-1)).toBe(3);
      expect(seen[0]).toBe(1);
      expect(new Set(seen).size).toBe(seen.length);
      end();
      const told = seen.length;
      await zero.append(batchOf(['d']));
      expect(seen.length).toBe(told);
    });

    it('wakes a reader that waits at the end, who then finds the records', async () => {
      const partition = await onePartition(await fixture.open());
      const cursor = partition.cursor(0);
      expect(cursor.next(READ_BYTES)).toBeNull();
      const woken = new Promise<number | undefined>((resolve) => {
        partition.onDurable(() => resolve(cursor.next(READ_BYTES)?.nextOffset));
      });
      await partition.append(batchOf(['a', 'b']));
      expect(await woken).toBe(2);
    });

    it('keeps apart two listeners that are the same function', async () => {
      const partition = await onePartition(await fixture.open());
      let calls = 0;
      const listener = () => {
        calls++;
      };
      const end = partition.onDurable(listener);
      partition.onDurable(listener);
      end();
      await partition.append(batchOf(['a']));
      expect(calls).toBe(1);
    });

    it('tells who listens to commits of each that ends', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      let commits = 0;
      const end = log.onCommit(() => {
        commits++;
      });
      await partition.append(batchOf(['a']));
      await waitFor(() => commits === 1, { what: 'the commit to be told' });
      end();
      await partition.append(batchOf(['b']));
      await partition.append(batchOf(['c']));
      expect(commits).toBe(1);
    });
  });

  const { failCommits } = fixture;
  describe.skipIf(failCommits === undefined)('a commit that fails', () => {
    const full = new SluiceError('DISK_FULL', 'arranged');

    it('rejects all it held and leaves no trace, and what follows takes its offsets', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      await partition.append(batchOf(['a']));
      failCommits?.(log, full);
      const lost = [partition.append(batchOf(['x', 'y'])), partition.append(stamped(0, ['z']))];
      const state = log.commit({ state: [{ space: 's', key: 'k', value: new Uint8Array(1) }] });
      for (const one of [...lost, state]) await expect(one).rejects.toEqual(coded('DISK_FULL'));
      expect([partition.durable, partition.tail, log.pendingBytes]).toEqual([1, 1, 0]);
      expect(log.getState('s', 'k')).toBeUndefined();
      await expect(log.createTopic('u')).rejects.toEqual(coded('DISK_FULL'));
      await expect(log.deleteTopic('t')).rejects.toEqual(coded('DISK_FULL'));
      failCommits?.(log, undefined);
      expect(await partition.append(stamped(0, ['b']))).toEqual({ baseOffset: 1, duplicate: false });
      expect(valuesOf(partition)).toEqual(['a', 'b']);
      await log.createTopic('u');
    });

    it('wakes nobody, and is told as a commit that ended', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      const told: string[] = [];
      partition.onDurable(() => told.push('durable'));
      log.onCommit(() => told.push('commit'));
      failCommits?.(log, full);
      await expect(partition.append(batchOf(['x']))).rejects.toEqual(coded('DISK_FULL'));
      expect(told).toEqual(['commit']);
    });
  });
}
