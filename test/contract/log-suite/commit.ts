/** `commit`: several appends, consumer offsets and state, all or nothing. */
import { describe, expect, it } from 'vitest';
import { encodeUtf8 } from '#kernel';
import type { Log, Partition } from '#log';
import { batchOf, coded, type LogFixture, stamped, valuesOf } from './fixture.ts';

async function twoTopics(log: Log): Promise<[a: Partition, b: Partition]> {
  await log.createTopic('in', { partitions: 2 });
  await log.createTopic('out');
  return [log.partition('in', 1), log.partition('out', 0)];
}

export function describeCommits(fixture: LogFixture): void {
  describe('a commit', () => {
    it('does everything it holds, and answers its appends in order', async () => {
      const log = await fixture.open();
      const [a, b] = await twoTopics(log);
      await a.append(batchOf(['0', '1']));
      const results = await log.commit({
        appends: [
          { partition: b, batch: batchOf(['x']) },
          { partition: a, batch: batchOf(['2']), expectedOffset: 2 },
          { partition: b, batch: batchOf(['y', 'z']) },
        ],
        offsets: [{ group: 'g', topic: 'in', partition: 1, offset: 2 }],
        state: [{ space: 's', key: 'k', value: encodeUtf8('v') }],
      });
      expect(results).toEqual([
        { baseOffset: 0, duplicate: false },
        { baseOffset: 2, duplicate: false },
        { baseOffset: 1, duplicate: false },
      ]);
      expect([a.durable, b.durable]).toEqual([3, 3]);
      expect(valuesOf(b)).toEqual(['x', 'y', 'z']);
      expect(log.committedOffset('g', 'in', 1)).toBe(2);
      expect(log.getState('s', 'k')).toEqual(expect.objectContaining({ length: 1 }));
    });

    it('does nothing when one of its appends is refused', async () => {
      const log = await fixture.open();
      const [a, b] = await twoTopics(log);
      await b.append(batchOf(['there']));
      const attempts = [
        { partition: b, batch: batchOf(['no']), expectedOffset: 7 },
        { partition: b, batch: new Uint8Array(70) },
        { partition: b, batch: stamped(5, ['gap']) },
      ];
      for (const last of attempts) {
        const request = {
          appends: [{ partition: a, batch: stamped(0, ['x', 'y']) }, { partition: b, batch: batchOf(['y']) }, last],
          offsets: [{ group: 'g', topic: 'out', partition: 0, offset: 1 }],
          state: [{ space: 's', key: 'k', value: encodeUtf8('v') }],
        };
        await expect(log.commit(request)).rejects.toEqual(
          expect.objectContaining({ code: expect.stringMatching(/OFFSET_CONFLICT|BATCH_|SEQUENCE_GAP/) }),
        );
      }
      expect([a.tail, b.tail, log.pendingBytes]).toEqual([0, 1, 0]);
      expect(log.groups()).toEqual([]);
      expect(log.getState('s', 'k')).toBeUndefined();
      // The producer's sequence was taken back with the rest, and the offsets are free again.
      expect(await a.append(stamped(0, ['x', 'y']))).toEqual({ baseOffset: 0, duplicate: false });
      expect(await b.append(batchOf(['next']))).toEqual({ baseOffset: 1, duplicate: false });
      expect([...valuesOf(a), ...valuesOf(b)]).toEqual(['x', 'y', 'there', 'next']);
    });

    it('that is refused leaves alone what was accepted around it', async () => {
      const log = await fixture.open();
      const [a] = await twoTopics(log);
      const before = a.append(batchOf(['before', 'it']));
      const refused = log.commit({
        appends: [
          { partition: a, batch: batchOf(['no']) },
          { partition: a, batch: batchOf(['no']), expectedOffset: 99 },
        ],
      });
      const after = a.append(batchOf(['after']));
      await expect(refused).rejects.toEqual(coded('OFFSET_CONFLICT'));
      expect([(await before).baseOffset, (await after).baseOffset]).toEqual([0, 2]);
      expect(valuesOf(a)).toEqual(['before', 'it', 'after']);
    });

    it('is in order with the appends around it', async () => {
      const log = await fixture.open();
      const [a] = await twoTopics(log);
      const all = await Promise.all([
        a.append(batchOf(['0'])),
        log.commit({ appends: [{ partition: a, batch: batchOf(['1']) }] }),
        a.append(batchOf(['2'])),
      ]);
      expect(all.flat().map(({ baseOffset }) => baseOffset)).toEqual([0, 1, 2]);
      expect(valuesOf(a)).toEqual(['0', '1', '2']);
    });

    it('counts a duplicate append as done, and does the rest', async () => {
      const log = await fixture.open();
      const [a, b] = await twoTopics(log);
      await a.append(stamped(0, ['once']));
      const results = await log.commit({
        appends: [
          { partition: a, batch: stamped(0, ['once']) },
          { partition: b, batch: stamped(0, ['out']) },
          { partition: b, batch: stamped(0, ['out']) },
        ],
        offsets: [{ group: 'g', topic: 'in', partition: 1, offset: 1 }],
      });
      expect(results).toEqual([
        { baseOffset: 0, duplicate: true },
        { baseOffset: 0, duplicate: false },
        { baseOffset: 0, duplicate: true },
      ]);
      expect([a.durable, b.durable, log.committedOffset('g', 'in', 1)]).toEqual([1, 1, 1]);
    });

    it('may be empty', async () => {
      const log = await fixture.open();
      expect(await log.commit({})).toEqual([]);
      expect(await log.commit({ appends: [], offsets: [], state: [] })).toEqual([]);
    });

    it('refuses offsets of what does not exist or lies beyond the end, and does nothing', async () => {
      const log = await fixture.open();
      const [a] = await twoTopics(log);
      const state = [{ space: 's', key: 'k', value: encodeUtf8('v') }];
      const commit = (topic: string, partition: number, offset: number) =>
        log.commit({
          appends: [{ partition: a, batch: batchOf(['x']) }],
          offsets: [{ group: 'g', topic, partition, offset }],
          state,
        });
      await expect(commit('none', 0, 0)).rejects.toEqual(coded('TOPIC_UNKNOWN'));
      await expect(commit('in', 2, 0)).rejects.toEqual(coded('PARTITION_UNKNOWN'));
      for (const offset of [5, -1, 0.5, Number.NaN]) {
        await expect(commit('in', 0, offset)).rejects.toEqual(coded('OFFSET_OUT_OF_RANGE'));
      }
      expect([a.tail, log.getState('s', 'k'), log.groups()]).toEqual([0, undefined, []]);
    });
  });
}
