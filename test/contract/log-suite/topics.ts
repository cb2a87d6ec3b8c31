/** Topics: made, looked up, grown, deleted and made again. */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '#kernel';
import { DEFAULT_TOPIC_CONFIG } from '#log';
import { batchOf, coded, type LogFixture, onePartition, stamped, valuesOf } from './fixture.ts';

export function describeTopics(fixture: LogFixture): void {
  describe('a topic', () => {
    it('is made with its settings over the defaults', async () => {
      const log = await fixture.open({ clock: new ManualClock(1_234) });
      const topic = await log.createTopic('sys.t-1_x', { partitions: 3, cleanup: 'compact' });
      expect(topic).toMatchObject({
        name: 'sys.t-1_x',
        createdAt: 1_234,
        config: { ...DEFAULT_TOPIC_CONFIG, partitions: 3, cleanup: 'compact' },
      });
      expect(topic.partitions.map(({ index, topic: its }) => [index, its === topic])).toEqual([
        [0, true],
        [1, true],
        [2, true],
      ]);
    });

    it('is found by its name, and what does not exist is not', async () => {
      const log = await fixture.open();
      const topic = await log.createTopic('t', { partitions: 2 });
      await log.createTopic('u');
      expect([log.topic('t') === topic, log.findTopic('t') === topic]).toEqual([true, true]);
      expect(log.partition('t', 1)).toBe(topic.partitions[1]);
      expect(log.topics().map(({ name }) => name)).toEqual(expect.arrayContaining(['t', 'u']));
      expect(log.findTopic('none')).toBeUndefined();
      expect(() => log.topic('none')).toThrow(coded('TOPIC_UNKNOWN') as Error);
      expect(() => log.partition('none', 0)).toThrow(coded('TOPIC_UNKNOWN') as Error);
      for (const index of [2, -1, 0.5]) {
        expect(() => log.partition('t', index)).toThrow(coded('PARTITION_UNKNOWN') as Error);
      }
    });

    it('is refused with a bad name or bad settings, and when it exists', async () => {
      const log = await fixture.open();
      await expect(log.createTopic('a/b')).rejects.toEqual(coded('TOPIC_INVALID'));
      await expect(log.createTopic('t', { partitions: 0 })).rejects.toEqual(coded('TOPIC_INVALID'));
      const rivals = await Promise.allSettled([log.createTopic('t'), log.createTopic('t')]);
      expect(rivals.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      await expect(log.createTopic('t')).rejects.toEqual(coded('TOPIC_EXISTS'));
      expect(log.topics()).toHaveLength(1);
    });

    it('is refused over the limits of topics and partitions', async () => {
      const log = await fixture.open({ limits: { topicsMax: 2, partitionsMax: 5, partitionsPerTopicMax: 4 } });
      await expect(log.createTopic('a', { partitions: 5 })).rejects.toEqual(coded('TOPIC_INVALID'));
      await log.createTopic('a', { partitions: 4 });
      await expect(log.createTopic('b', { partitions: 2 })).rejects.toEqual(coded('LIMIT_EXCEEDED'));
      await log.createTopic('b', { partitions: 1 });
      await expect(log.updateTopic('b', { partitions: 2 })).rejects.toEqual(coded('LIMIT_EXCEEDED'));
      await log.deleteTopic('a');
      await log.updateTopic('b', { partitions: 4 });
      await log.createTopic('c', { partitions: 1 });
      await expect(log.createTopic('d')).rejects.toEqual(coded('LIMIT_EXCEEDED'));
    });

    it('of which many are made at once respects the limits', async () => {
      const log = await fixture.open({ limits: { topicsMax: 3 } });
      const made = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((name) => log.createTopic(name)));
      expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
      expect(log.topics()).toHaveLength(3);
    });

    it('grows, keeps what it has, and stays the same object', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      await partition.append(batchOf(['a']));
      const topic = log.topic('t');
      expect(await log.updateTopic('t', { partitions: 3, retentionMs: 5 })).toBe(topic);
      expect(topic.config).toMatchObject({ partitions: 3, retentionMs: 5 });
      expect([topic.partitions.length, topic.partitions[0] === partition]).toEqual([3, true]);
      await log.partition('t', 2).append(batchOf(['b']));
      expect([valuesOf(partition), valuesOf(log.partition('t', 2))]).toEqual([['a'], ['b']]);
    });

    it('does not shrink, and is not changed by a refusal', async () => {
      const log = await fixture.open();
      const topic = await log.createTopic('t', { partitions: 2 });
      await expect(log.updateTopic('t', { partitions: 1, retentionMs: 5 })).rejects.toEqual(coded('TOPIC_INVALID'));
      await expect(log.updateTopic('none', {})).rejects.toEqual(coded('TOPIC_UNKNOWN'));
      expect([topic.config.partitions, topic.config.retentionMs]).toEqual([2, null]);
    });

    it('takes every one of several changes made at once', async () => {
      const log = await fixture.open();
      const topic = await log.createTopic('t');
      await Promise.all([
        log.updateTopic('t', { partitions: 3 }),
        log.updateTopic('t', { retentionMs: 5 }),
        log.updateTopic('t', { partitions: 4 }),
      ]);
      expect([topic.config.partitions, topic.config.retentionMs, topic.partitions.length]).toEqual([4, 5, 4]);
      await Promise.all(topic.partitions.map((partition) => partition.append(batchOf([`${partition.index}`]))));
      if (fixture.reopen === undefined) return;
      const again = (await fixture.reopen(log)).topic('t');
      expect([again.config.partitions, again.config.retentionMs]).toEqual([4, 5]);
      expect(again.partitions.map((partition) => valuesOf(partition))).toEqual([['0'], ['1'], ['2'], ['3']]);
    });

    it('is gone when it is deleted, and takes no more', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      await partition.append(batchOf(['a']));
      await log.commit({ offsets: [{ group: 'g', topic: 't', partition: 0, offset: 1 }] });
      await log.deleteTopic('t');
      expect([log.findTopic('t'), log.topics(), log.groups()]).toEqual([undefined, [], []]);
      await expect(partition.append(batchOf(['b']))).rejects.toEqual(coded('TOPIC_UNKNOWN'));
      await expect(log.commit({ appends: [{ partition, batch: batchOf(['b']) }] })).rejects.toEqual(
        coded('TOPIC_UNKNOWN'),
      );
      await expect(log.deleteTopic('t')).rejects.toEqual(coded('TOPIC_UNKNOWN'));
      await log.maintain();
    });

    it('made again under its name has a new id and nothing of the old one', async () => {
      const log = await fixture.open();
      const old = await onePartition(log, { partitions: 2, retentionMs: 5 });
      await old.append(stamped(0, ['a']));
      await log.commit({ offsets: [{ group: 'g', topic: 't', partition: 0, offset: 1 }] });
      await log.deleteTopic('t');
      const topic = await log.createTopic('t');
      expect(topic.id).not.toBe(old.topic.id);
      expect(topic.config).toEqual(DEFAULT_TOPIC_CONFIG);
      const partition = log.partition('t', 0);
      expect([partition.start, partition.durable, partition.tail, partition.bytes]).toEqual([0, 0, 0, 0]);
      expect(log.committedOffset('g', 't', 0)).toBeUndefined();
      expect(await partition.append(stamped(0, ['b']))).toEqual({ baseOffset: 0, duplicate: false });
      expect(valuesOf(partition)).toEqual(['b']);
      await expect(old.append(batchOf(['x']))).rejects.toEqual(coded('TOPIC_UNKNOWN'));
    });
  });
}
