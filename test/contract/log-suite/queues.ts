/** Queues: records handed out one by one, in order within a key, coming back until they are done or given up. */
import { describe, expect, it } from 'vitest';
import { decodeUtf8, SluiceError } from '#kernel';
import { waitFor } from '#kit';
import { readDeadLetter } from '#log';
import { iterateBatches, iterateRecords } from '#record';
import { coded, type LogFixture } from './fixture.ts';
import { pass, QueueScene, START_MS, settled } from './queue-workers.ts';

export function describeQueues(fixture: LogFixture): void {
  const scene = (partitions?: number, limits?: Parameters<typeof QueueScene.open>[2]) =>
    QueueScene.open(fixture, partitions, limits);

  describe('a queue', () => {
    it('hands out one record of a key at a time, the next after its acknowledgement', async () => {
      const queue = await scene();
      await queue.append(['a:1', 'b:2', 'a:3', 'a:4', '5', '6']);
      const worker = queue.join();
      await worker.receive(4);
      await settled();
      expect(worker.values).toEqual(['1', '2', '5', '6']);
      worker.ack(0);
      await worker.receive(5);
      await settled();
      expect(worker.values.slice(4)).toEqual(['3']);
      for (const offset of [1, 2, 4, 5]) worker.ack(offset);
      await worker.receive(6);
      worker.ack(3);
      await worker.member.written();
      expect(queue.committed()).toBe(6);
    });

    it('shares its records out, most to those who have least, and no more than was permitted', async () => {
      const queue = await scene(4);
      const slow = queue.join({ permits: 3 });
      const quick = queue.join({ permits: 30 });
      for (let partition = 0; partition < 4; partition++) {
        await queue.append(
          Array.from({ length: 25 }, (_, n) => `k${n}:${n}`),
          partition,
        );
      }
      await quick.receive(30);
      await settled();
      expect([slow.handed.length, quick.handed.length]).toEqual([3, 30]);
      quick.member.permit(1_000);
      await quick.receive(97);
      await settled();
      expect([slow.handed.length, quick.handed.length]).toEqual([3, 97]);
    });

    it('takes an acknowledgement only from who has the record, and a second one calmly', async () => {
      const queue = await scene();
      await queue.append(['a:1', 'a:2']);
      const worker = queue.join({ permits: 10 });
      const other = queue.join({ permits: 0 });
      await worker.receive(1);
      const fenced = coded('MEMBER_FENCED', { topic: 't', partition: 0 });
      expect(() => other.ack(0)).toThrow(fenced as Error);
      expect(() => other.nack(0)).toThrow(fenced as Error);
      expect(() => worker.ack(1)).toThrow(fenced as Error);
      expect(() => worker.ack(7)).toThrow(fenced as Error);
      expect(() => worker.ack(0, 3)).toThrow(coded('PARTITION_UNKNOWN') as Error);
      worker.ack(0);
      worker.ack(0);
      await worker.receive(2);
      expect(worker.values).toEqual(['1', '2']);
    });

    it('begins where it is asked to, once', async () => {
      const queue = await scene();
      await queue.append(['1', '2']);
      const late = queue.join({ startOf: ({ durable }) => durable });
      await late.member.leave();
      expect(queue.committed()).toBe(2);
      await queue.append(['3']);
      const worker = queue.join();
      await worker.receive(1);
      await settled();
      expect(worker.values).toEqual(['3']);
    });

    it('holds back what was refused, longer each time, and no other key', async () => {
      const queue = await scene();
      await queue.append(['a:1', 'a:2', 'b:3']);
      const worker = queue.join({ backoffMs: 1_000, backoffMaxMs: 1_600 });
      await worker.receive(2);
      worker.ack(2);
      for (const [attempt, ms] of [
        [1, 500],
        [2, 800],
        [3, 800],
      ] as const) {
        worker.nack(0);
        await pass(queue, ms - 1, worker);
        expect(worker.handed.filter(({ offset }) => offset === 0)).toHaveLength(attempt);
        await pass(queue, 1, worker);
        await waitFor(() => worker.handed.at(-1)?.attempt === attempt + 1, { what: `attempt ${attempt + 1}` });
      }
      worker.nack(0, { delayMs: 60_000 });
      await pass(queue, 59_999, worker);
      expect(worker.values).toEqual(['1', '3', '1', '1', '1']);
      await pass(queue, 1, worker);
      worker.ack(0);
      await waitFor(() => worker.values.at(-1) === '2', { what: 'the next record of the key' });
    });

    it('takes back what is neither acknowledged nor refused in time, unless that was extended', async () => {
      const queue = await scene();
      await queue.append(['a:1', 'b:2']);
      const worker = queue.join({ visibilityMs: 1_000, backoffMs: 0 });
      await worker.receive(2);
      await pass(queue, 900, worker);
      worker.member.extend(0, 1);
      await pass(queue, 900, worker);
      await worker.receive(3);
      expect(worker.handed.at(-1)).toMatchObject({ value: '1', attempt: 2 });
      await pass(queue, 100, worker);
      await worker.receive(4);
      expect(worker.handed.at(-1)).toMatchObject({ value: '2', attempt: 2 });
      worker.ack(0);
      worker.ack(1);
      await worker.member.written();
      expect(queue.committed()).toBe(2);
    });

    it('takes a late acknowledgement while nobody else has the record', async () => {
      const queue = await scene();
      await queue.append(['a:1']);
      const worker = queue.join({ visibilityMs: 1_000 });
      await worker.receive(1);
      await pass(queue, 1_000, worker);
      worker.nack(0);
      expect(() => worker.member.extend(0, 0)).toThrow(coded('MEMBER_FENCED') as Error);
      worker.ack(0);
      await pass(queue, 60_000, worker);
      await worker.member.written();
      expect([worker.values, queue.committed()]).toEqual([['1'], 1]);
    });

    it('gives what a member had that leaves to others at once, as if it had not been handed out', async () => {
      const queue = await scene();
      await queue.append(['a:1', 'b:2']);
      const left = queue.join();
      await left.receive(2);
      left.ack(0);
      const other = queue.join();
      await left.member.leave();
      await other.receive(1);
      expect([other.handed, queue.committed()]).toEqual([[left.handed[1]], 1]);
    });

    it('gives what a lost member had to others after a backoff, and counts it', async () => {
      const queue = await scene();
      await queue.append(['a:1']);
      const lost = queue.join();
      await lost.receive(1);
      const other = queue.join();
      await lost.member.leave(true);
      await pass(queue, 499, other);
      expect(other.handed).toEqual([]);
      await pass(queue, 1, other);
      await other.receive(1);
      expect(other.handed).toMatchObject([{ value: '1', attempt: 2 }]);
      expect(() => lost.ack(0)).toThrow(coded('MEMBER_FENCED') as Error);
    });

    it('moves a record to the dead letters after its last attempt, in the commit that makes it done', async () => {
      const queue = await scene();
      await queue.append(['a:1', 'a:2'], 0, { headers: [{ key: 'h', value: null }] });
      const worker = queue.join({ maxAttempts: 2, backoffMs: 0 });
      await worker.receive(1);
      worker.nack(0, { reason: 'first' });
      await pass(queue, 0, worker);
      await worker.receive(2);
      worker.nack(0, { reason: 'second', stack: 'at f' });
      await worker.receive(3);
      expect(worker.handed.map(({ value, attempt }) => [value, attempt])).toEqual([
        ['1', 1],
        ['1', 2],
        ['2', 1],
      ]);
      expect(queue.committed()).toBe(1);
      expect(deadLetters(queue)).toMatchObject([
        {
          topic: 't',
          partition: 0,
          offset: 0,
          headers: [{ key: 'h', value: null }],
          timestamp: START_MS,
          source: 'group:g',
          attempts: 2,
          code: 'NACKED',
          message: 'second',
          stack: 'at f',
          at: START_MS,
        },
      ]);
    });

    it('says why a record died: refused for good, not answered, lost with its member', async () => {
      const queue = await scene();
      await queue.append(['a:1', 'b:2', 'c:3']);
      const worker = queue.join({ maxAttempts: 1, permits: 2, visibilityMs: 1_000 });
      await worker.receive(2);
      worker.nack(0, { dead: true });
      await pass(queue, 1_000, worker);
      const lost = queue.join({ maxAttempts: 1 });
      await lost.receive(1);
      await lost.member.leave(true);
      await waitFor(() => queue.committed() === 3, { what: 'all to be done' });
      expect(deadLetters(queue).map(({ code, offset }) => [offset, code])).toEqual([
        [0, 'NACKED'],
        [1, 'TIMED_OUT'],
        [2, 'MEMBER_LOST'],
      ]);
    });

    it('never gives up on a record where attempts have no limit', async () => {
      const queue = await scene();
      await queue.append(['a:1']);
      const worker = queue.join({ maxAttempts: 0, backoffMs: 0 });
      for (let attempt = 1; attempt <= 30; attempt++) {
        await worker.receive(attempt);
        worker.nack(0);
        await pass(queue, 0, worker);
      }
      expect(queue.log.findTopic('sys.dead.t')).toBeUndefined();
    });

    it('hands out nothing new while too much is out, and goes on when it is less', async () => {
      const queue = await scene(1, { queueHeldRecordsMax: 3 });
      await queue.append(['1', '2', '3', '4', '5']);
      const worker = queue.join();
      await worker.receive(3);
      await settled();
      expect(worker.handed).toHaveLength(3);
      worker.ack(1);
      await worker.receive(4);
      await settled();
      expect(worker.values).toEqual(['1', '2', '3', '4']);
    });

    it('is not held up by a slow key, however much there is of it and however little memory', async () => {
      const queue = await scene(1, { queueWindowBytesMax: 64 * 1024 });
      const value = 'x'.repeat(500);
      for (let i = 0; i < 20; i++) await queue.append(Array.from({ length: 100 }, (_, n) => `slow:${i}/${n}/${value}`));
      await queue.append(['quick:here']);
      const worker = queue.join({ permits: 10_000 });
      await worker.receive(2);
      expect(worker.values[1]).toBe('here');
      worker.react = ({ offset }) => worker.ack(offset);
      worker.ack(0);
      worker.ack(2_000);
      await worker.receive(2_001);
      const slow = worker.handed.filter(({ key }) => key === 'slow').map(({ offset }) => offset);
      expect(slow).toEqual(Array.from({ length: 2_000 }, (_, n) => n));
    });

    it.skipIf(fixture.failCommits === undefined)(
      'writes what it could not write when that is possible again',
      async () => {
        const queue = await scene();
        await queue.append(['1', '2', 'a:3']);
        const worker = queue.join({ maxAttempts: 1 });
        await worker.receive(3);
        fixture.failCommits?.(queue.log, new SluiceError('DISK_FULL'));
        worker.ack(0);
        worker.nack(2);
        await expect(worker.member.written()).rejects.toEqual(coded('DISK_FULL'));
        fixture.failCommits?.(queue.log, undefined);
        worker.ack(1);
        await worker.member.written();
        await waitFor(
          () => {
            queue.clock.advance(1_000);
            worker.member.wake();
            return queue.committed() === 3;
          },
          { what: 'the dead letter too' },
        );
        expect(deadLetters(queue)).toHaveLength(1);
      },
    );
  });
}

export function deadLetters({ log }: QueueScene, topic = 't') {
  const partition = log.partition(`sys.dead.${topic}`, 0);
  const cursor = partition.cursor(partition.start);
  const letters: NonNullable<ReturnType<typeof readDeadLetter>>[] = [];
  for (let chunk = cursor.next(1_000_000); chunk !== null; chunk = cursor.next(1_000_000)) {
    const bytes = new Uint8Array(chunk.bytes);
    for (const { at } of iterateBatches(bytes)) {
      for (const record of iterateRecords(bytes, at)) letters.push(readDeadLetter(record) as (typeof letters)[number]);
    }
  }
  return letters.map((letter) => ({ ...letter, text: letter.value && decodeUtf8(letter.value) }));
}
