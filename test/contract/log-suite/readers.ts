/** Contract: extents and readers for other threads, and state in blocks. */
import { describe, expect, it } from 'vitest';
import { decodeUtf8, encodeUtf8 } from '#kernel';
import { encodeStateBlock, type Log, type LogReader, openReader, type Partition } from '#log';
import { iterateBatches, iterateRecords } from '#record';
import { batchOf, batchOfSize, coded, type LogFixture, onePartition } from './fixture.ts';

const CHUNK_BYTES = 1_000;

/** As plain data goes to another thread. */
const sent = <T>(value: T): T => structuredClone(value);

/** Every value from `from` on, extent by extent, and where each extent ended. */
function readExtents(reader: LogReader, partition: Partition, from: number, bytesMax: number): string[] {
  const values: string[] = [];
  let position = from;
  for (
    let extent = partition.extent(position, bytesMax);
    extent !== null;
    extent = partition.extent(position, bytesMax)
  ) {
    expect(extent.from).toBe(position);
    expect(extent.to).toBeGreaterThan(position);
    expect(extent.to).toBeLessThanOrEqual(partition.durable);
    for (const { bytes, nextOffset } of reader.chunks(sent(extent), CHUNK_BYTES)) {
      expect(nextOffset).toBeGreaterThan(position);
      for (const { at } of iterateBatches(bytes)) {
        for (const { offset, value } of iterateRecords(bytes, at)) {
          if (offset >= position && value !== null) values.push(decodeUtf8(value));
        }
      }
    }
    position = extent.to;
  }
  return values;
}

async function withReader(log: Log, work: (reader: LogReader) => Promise<void>): Promise<void> {
  const reader = await openReader(sent(log.readerSource));
  try {
    await work(reader);
  } finally {
    await reader.close();
  }
}

async function stateOf(log: Log, reader: LogReader, space: string): Promise<Record<string, string>> {
  const extent = sent(await log.stateExtent(space));
  return Object.fromEntries(Array.from(reader.state(extent), ([key, value]) => [key, decodeUtf8(value)]));
}

const block = (entries: Record<string, string | null>) =>
  encodeStateBlock(Object.entries(entries).map(([key, value]) => [key, value === null ? null : encodeUtf8(value)]));

export function describeReaders(fixture: LogFixture): void {
  describe('readers', () => {
    it('read everything that is durable, in order, from any offset', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      const values = Array.from({ length: 60 }, (_, i) => `value ${i}`);
      for (let i = 0; i < values.length; i += 3) await partition.append(batchOf(values.slice(i, i + 3)));
      await withReader(log, async (reader) => {
        for (const bytesMax of [1, 500, 1_000_000]) {
          expect(readExtents(reader, partition, 0, bytesMax)).toEqual(values);
          expect(readExtents(reader, partition, 31, bytesMax)).toEqual(values.slice(31));
        }
        expect(partition.extent(60, 1)).toBeNull();
      });
    });

    it('see what was appended after they were opened', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      await withReader(log, async (reader) => {
        for (let i = 0; i < 20; i++) {
          await partition.append(batchOf([`${i}`]));
          expect(readExtents(reader, partition, i, 1)).toEqual([`${i}`]);
        }
      });
    });

    it('cross segments, and the gaps that compaction leaves', async () => {
      const log = await fixture.open({
        limits: { batchBytesMax: 40_000, recordBytesMax: 30_000, segmentBytes: 100_000 },
      });
      await log.createTopic('all');
      await log.createTopic('latest', { cleanup: 'compact' });
      const [all, latest] = [log.partition('all', 0), log.partition('latest', 0)];
      for (let i = 0; i < 30; i++) {
        const batch = batchOf([{ key: `k${i % 7}`, value: `${i}`.padEnd(20_000, '.') }]);
        await all.append(batch);
        await latest.append(batch);
      }
      const numbers = (values: readonly string[]) => values.map((value) => Number.parseInt(value, 10));
      await withReader(log, async (reader) => {
        expect(numbers(readExtents(reader, all, 0, 1))).toEqual(Array.from({ length: 30 }, (_, i) => i));
        await log.maintain();
        expect(numbers(readExtents(reader, all, 0, 50_000)).length).toBe(30);
        const left = numbers(readExtents(reader, latest, 0, 50_000));
        expect(left.slice(-7)).toEqual([23, 24, 25, 26, 27, 28, 29]);
        expect(left.length).toBeLessThan(30);
      });
    });

    it('are refused offsets that are trimmed or beyond the end', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      for (let i = 0; i < 4; i++) await partition.append(batchOfSize(100, 2));
      await partition.trim(4);
      expect(() => partition.extent(3, 1)).toThrow(coded('OFFSET_TRIMMED', { start: 4 }) as Error);
      expect(() => partition.extent(9, 1)).toThrow(coded('OFFSET_OUT_OF_RANGE', { durable: 8 }) as Error);
      await withReader(log, async (reader) => {
        expect(readExtents(reader, partition, 4, 1).length).toBe(4);
      });
    });
  });

  describe('state in blocks', () => {
    it('is set, replaced and deleted like single changes, before and after maintenance', async () => {
      const log = await fixture.open();
      await log.commit({ stateBlocks: [{ space: 's', block: block({ a: '1', b: '2', c: '3' }) }] });
      await log.commit({ state: [{ space: 's', key: 'b', value: encodeUtf8('+') }] });
      await log.commit({ stateBlocks: [{ space: 's', block: block({ a: null, d: '4' }) }] });
      const expected = { b: '+', c: '3', d: '4' };
      const scanned = () =>
        Object.fromEntries(log.scanState('s', '', 9).map(([key, value]) => [key, decodeUtf8(value)]));
      expect([scanned(), log.getState('s', 'a')]).toEqual([expected, undefined]);
      await withReader(log, async (reader) => {
        expect(await stateOf(log, reader, 's')).toEqual(expected);
        await log.maintain();
        expect([scanned(), log.getState('s', 'a')]).toEqual([expected, undefined]);
        expect(await stateOf(log, reader, 's')).toEqual(expected);
        expect(await stateOf(log, reader, 'none')).toEqual({});
      });
    });

    it('is cleared with a commit, and only in that space', async () => {
      let log = await fixture.open();
      const partition = await onePartition(log);
      await log.commit({ stateBlocks: [{ space: 's', block: block({ a: '1', b: '2' }) }] });
      await log.commit({ stateBlocks: [{ space: 't', block: block({ a: '1' }) }] });
      await log.maintain();
      await log.commit({ stateBlocks: [{ space: 's', block: block({ c: '3' }) }] });
      const cleared = log.commit({
        clear: ['s'],
        stateBlocks: [{ space: 's', block: block({ d: '4' }) }],
        appends: [{ partition, batch: batchOf(['x']) }],
      });
      await cleared;
      const keys = (space: string) => log.scanState(space, '', 9).map(([key]) => key);
      expect([keys('s'), keys('t'), log.getState('s', 'a')]).toEqual([['d'], ['a'], undefined]);
      await log.maintain();
      if (fixture.reopen !== undefined) log = await fixture.reopen(log);
      expect([keys('s'), keys('t')]).toEqual([['d'], ['a']]);
      await withReader(log, async (reader) => expect(await stateOf(log, reader, 's')).toEqual({ d: '4' }));
    });
  });
}
