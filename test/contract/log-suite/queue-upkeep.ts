/** What becomes of a queue over time: restarts, delayed records, topics that change under it, resets, changes of mode. */
import { describe, expect, it } from 'vitest';
import { encodeUtf8, SluiceError } from '#kernel';
import { waitFor } from '#kit';
import { encodeBatch } from '#record';
import { coded, type LogFixture } from './fixture.ts';
import { pass, QueueScene, START_MS, settled } from './queue-workers.ts';

export function describeQueueUpkeep(fixture: LogFixture): void {
  const scene = (partitions?: number, limits?: Parameters<typeof QueueScene.open>[2]) =>
    QueueScene.open(fixture, partitions, limits);

  describe('a queue that is opened again', () => {
    it('hands out what is not done, and only that, each with its attempts', async () => {
      const queue = await scene(2, { segmentBytes: 64 * 1024, batchBytesMax: 32_000, recordBytesMax: 30_000 });
      for (let i = 0; i < 60; i++) await queue.append(Array.from({ length: 100 }, (_, n) => `k${n}:${i}/${n}`));
      const worker = queue.join({ permits: 100_000 });
      const kept = new Set([0, 37, 4_095, 4_096, 4_199, 5_999]);
      worker.react = ({ offset, attempt }) => {
        if (offset === 37 && attempt < 3) worker.nack(37, { delayMs: 0 });
        else if (!kept.has(offset)) worker.ack(offset);
      };
      // What a kept record has behind it of its key waits with it: 60 and 60, 20 and 20, and 19.
      const finished = () =>
        new Set(worker.handed.filter(({ offset }) => !kept.has(offset)).map(({ offset }) => offset));
      await waitFor(() => finished().size === 6_000 - 179, { what: 'what can be done to be done' });
      const done = finished();
      await worker.member.written();
      await queue.crash();
      const again = queue.join({ permits: 100_000 });
      again.react = ({ offset }) => again.ack(offset);
      await again.receive(6_000 - done.size);
      await settled();
      expect(again.handed).toHaveLength(6_000 - done.size);
      expect(again.handed.filter(({ offset }) => done.has(offset))).toEqual([]);
      expect(again.handed.find(({ offset }) => offset === 37)?.attempt).toBe(3);
      await again.member.written();
      expect(queue.committed()).toBe(6_000);
      expect(queue.log.scanState('queue:g', '', 10)).toEqual([]);
    });

    it('keeps a refused record away until it is due, and its key with it', async () => {
      const queue = await scene();
      await queue.append(['a:1', 'a:2', 'b:3']);
      const worker = queue.join();
      await worker.receive(2);
      worker.nack(0, { delayMs: 10_000 });
      await worker.member.written();
      await queue.crash();
      const again = queue.join();
      await again.receive(1);
      await pass(queue, 9_999, again);
      expect(again.values).toEqual(['3']);
      await pass(queue, 1, again);
      await again.receive(2);
      expect(again.handed[1]).toMatchObject({ value: '1', attempt: 2 });
    });
  });

  describe('a queue of few keys', () => {
    it('reads all the way behind them when they do not go out', async () => {
      const queue = await scene(1, { queueWindowBytesMax: 200_000 });
      const value = '.'.repeat(200);
      for (let i = 0; i < 100; i++) await queue.append(Array.from({ length: 300 }, (_, n) => `k${n % 3}:${value}`));
      await queue.append(['other:here']);
      const worker = queue.join({ permits: 100_000 });
      worker.react = ({ offset }) => {
        if (worker.handed.length < 300) worker.ack(offset);
      };
      await worker.receive(300);
      await pass(queue, 20, worker);
      await waitFor(() => worker.values.at(-1) === 'here', { what: 'the other key' });
    });
  });

  describe('a delayed record', () => {
    it('is handed out when it is due and holds up nothing until then, across a restart', async () => {
      const queue = await scene();
      await queue.appendDelayed('a:late', START_MS + 60_000);
      await queue.appendDelayed('a:later', new Date(START_MS + 61_000).toISOString());
      await queue.appendDelayed('a:past', START_MS - 1);
      await queue.appendDelayed('b:never a time', 'tomorrow');
      await queue.append(['a:now']);
      const worker = queue.join();
      worker.react = ({ offset }) => worker.ack(offset);
      await worker.receive(3);
      expect(worker.values.sort()).toEqual(['never a time', 'now', 'past']);
      await worker.member.written();
      expect(queue.groups.describe('g')).toMatchObject({
        partitions: [{ committed: 0, lag: 2 }],
        queues: [{ delayed: 2, inFlight: 0, away: 0 }],
      });
      await queue.crash();
      const again = queue.join();
      again.react = ({ offset }) => again.ack(offset);
      await pass(queue, 59_999, again);
      expect(again.values).toEqual([]);
      await pass(queue, 1, again);
      await again.receive(1);
      await pass(queue, 1_000, again);
      await again.receive(2);
      expect(again.handed).toMatchObject([
        { value: 'late', attempt: 1 },
        { value: 'later', attempt: 1 },
      ]);
    });

    it('counts as written when it is due: behind what waits of its key, in order among its equals', async () => {
      const queue = await scene();
      for (const text of ['a:d1', 'a:d2', 'a:d3']) await queue.appendDelayed(text, START_MS + 1_000);
      await queue.append(['a:1', 'a:2']);
      const worker = queue.join();
      await worker.receive(1);
      await pass(queue, 1_000, worker);
      worker.react = ({ offset }) => worker.ack(offset);
      worker.ack(3);
      await worker.receive(5);
      expect(worker.values).toEqual(['1', '2', 'd1', 'd2', 'd3']);
    });

    it('is one of very many that keep nothing else from going out', async () => {
      const queue = await scene(1, { queueWindowRecordsMax: 100, queueWindowBytesMax: 10_000 });
      const value = encodeUtf8('x'.repeat(200));
      for (let i = 0; i < 40; i++) {
        const records = Array.from({ length: 1_000 }, (_, n) => {
          const due = encodeUtf8(String(START_MS + 1_000 + ((i * 1_000 + n) % 7)));
          return { value, headers: [{ key: 'deliver-at', value: due }] };
        });
        await queue.log.partition('t', 0).append(encodeBatch(records));
      }
      await queue.append(['here']);
      const worker = queue.join({ permits: 100_000 });
      worker.react = ({ offset }) => worker.ack(offset);
      await worker.receive(1);
      expect([worker.values, queue.groups.describe('g').queues[0]?.delayed]).toEqual([['here'], 40_000]);
      await pass(queue, 2_000, worker);
      await worker.receive(40_001);
      await worker.member.written();
      expect(queue.committed()).toBe(40_001);
    });

    it('beyond the limit is not looked for until some are due', async () => {
      const queue = await scene(1, { queueDelayedRecordsMax: 3 });
      // More than is read at once.
      for (let n = 0; n < 4; n++) await queue.appendDelayed('.'.repeat(60_000), START_MS + 1_000);
      await queue.append(['behind']);
      const worker = queue.join();
      await settled();
      expect(worker.values).toEqual([]);
      await pass(queue, 1_000, worker);
      await worker.receive(5);
    });
  });

  describe('a queue whose topic changes', () => {
    it('passes over what retention has taken', async () => {
      const queue = await scene();
      await queue.append(['a:1', 'a:2', 'a:3', 'b:4']);
      const worker = queue.join();
      await worker.receive(2);
      await queue.log.partition('t', 0).trim(2);
      worker.nack(0, { delayMs: 0 });
      await pass(queue, 0, worker);
      await worker.receive(3);
      expect(worker.values.slice(0, 2).sort()).toEqual(['1', '4']);
      for (let n = 3; n <= worker.handed.length; n++) worker.ack((await worker.receive(n))[n - 1]?.offset as number);
      await waitFor(() => worker.values.includes('3'), { what: 'what is still there' });
      worker.ack(2);
      worker.ack(3);
      await worker.member.written();
      expect(queue.committed()).toBe(4);
    });

    it('passes over what compaction has taken', async () => {
      const queue = await scene(1, { segmentBytes: 16_384, batchBytesMax: 4_096, recordBytesMax: 4_000 });
      await queue.log.updateTopic('t', { cleanup: 'compact' });
      for (let i = 0; i < 30; i++) await queue.append([`a:${i}${'.'.repeat(3_000)}`, `b:${i}`]);
      for (let i = 0; i < 3; i++) await queue.log.maintain();
      const worker = queue.join();
      worker.react = ({ offset }) => worker.ack(offset);
      await waitFor(() => queue.committed() === 60, { what: 'all that is left' });
      expect(worker.handed.length).toBeLessThan(60);
      expect(worker.values.at(-1)).toBe('29');
    });

    it('takes in partitions that are added, from their beginning', async () => {
      const queue = await scene();
      const worker = queue.join({ startOf: ({ durable }) => durable });
      await queue.log.updateTopic('t', { partitions: 2 });
      await queue.append(['new'], 1);
      await worker.receive(1);
      worker.ack(0, 1);
      await worker.member.written();
      expect([queue.committed(0), queue.committed(1)]).toEqual([0, 1]);
      await worker.member.leave();
      await queue.log.updateTopic('t', { partitions: 3 });
      await queue.append(['newer'], 2);
      const later = queue.join({ startOf: ({ durable }) => durable });
      await later.receive(1);
      expect(later.values).toEqual(['newer']);
    });

    it('begins anew when that was deleted and made again, and takes nothing along', async () => {
      const queue = await scene();
      await queue.append(['a:1', 'b:2', 'c:3']);
      const worker = queue.join({ backoffMs: 0 });
      await worker.receive(3);
      worker.ack(1);
      worker.nack(2);
      await worker.member.written();
      await queue.log.deleteTopic('t');
      await queue.log.createTopic('t');
      await queue.append(['a:4', 'b:5']);
      worker.handed.length = 0;
      await worker.receive(2);
      expect(worker.handed).toMatchObject([
        { value: '4', attempt: 1 },
        { value: '5', attempt: 1 },
      ]);
      await waitFor(() => queue.log.scanState('queue:g', '', 10).length === 0, {
        what: 'what was kept to be forgotten',
      });
    });
  });

  describe('the group of a queue', () => {
    it('is no group of streams, while it is used and after, until it is deleted', async () => {
      const queue = await scene();
      const conflict = (mode: string) => coded('GROUP_MODE_CONFLICT', { mode }) as Error;
      const stream = () =>
        queue.groups.join('g', { topics: ['t'], listener: { assigned: () => undefined, revoked: () => undefined } });
      const member = stream();
      expect(() => queue.join()).toThrow(conflict('stream'));
      await member.leave();
      const worker = queue.join();
      expect(stream).toThrow(conflict('queue'));
      expect(queue.groups.describe('g')).toMatchObject({ mode: 'queue', members: [{ topics: ['t'], partitions: [] }] });
      await expect(queue.groups.delete('g')).rejects.toEqual(coded('GROUP_BUSY'));
      await worker.member.leave();
      await queue.crash();
      expect(stream).toThrow(conflict('queue'));
      expect([queue.groups.list(), queue.groups.describe('g').mode]).toEqual([['g'], 'queue']);
      await queue.groups.delete('g');
      expect(queue.groups.list()).toEqual([]);
      await stream().leave();
    });

    it('goes on where it is set to, and hands out again what was done there', async () => {
      const queue = await scene();
      await queue.append(['a:1', 'b:2', 'c:3', 'd:4']);
      const worker = queue.join();
      await worker.receive(4);
      for (const offset of [0, 2, 3]) worker.ack(offset);
      worker.nack(1, { delayMs: 60_000 });
      await worker.member.written();
      expect(queue.groups.describe('g').partitions).toMatchObject([{ committed: 1, lag: 1 }]);
      await expect(queue.groups.resetOffsets('g', 't', new Map([[0, 0]]))).rejects.toEqual(coded('GROUP_BUSY'));
      await worker.member.leave();
      expect(queue.groups.describe('g').partitions).toMatchObject([{ committed: 1, lag: 1 }]);
      await queue.groups.resetOffsets('g', 't', new Map([[0, 2]]));
      const again = queue.join();
      await again.receive(2);
      await settled();
      expect(again.handed).toMatchObject([
        { value: '3', attempt: 1 },
        { value: '4', attempt: 1 },
      ]);
    });

    it('can be joined only for a topic that exists, under a name a group can have', async () => {
      const queue = await scene();
      expect(() => queue.join({ topic: 'none' })).toThrow(coded('TOPIC_UNKNOWN') as Error);
      expect(() => queue.join({}, '')).toThrow(coded('REQUEST_INVALID') as Error);
      const refuse = () => {
        throw new SluiceError('OFFSET_OUT_OF_RANGE');
      };
      expect(() => queue.join({ startOf: refuse })).toThrow(coded('OFFSET_OUT_OF_RANGE') as Error);
      expect(queue.groups.list()).toEqual([]);
    });
  });
}
