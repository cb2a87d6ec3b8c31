/** From a time to an offset. */
import { describe, expect, it } from 'vitest';
import { batchOf, type LogFixture, onePartition } from './fixture.ts';

export function describeTimes(fixture: LogFixture): void {
  describe('the offset for a time', () => {
    it('is that of the first record that is not older', async () => {
      const log = await fixture.open();
      const partition = await onePartition(log);
      for (const times of [[1_000, 1_010], [1_020], [1_030, 1_040, 1_050]]) {
        await partition.append(batchOf(times.map((timestamp) => ({ value: 'x', timestamp }))));
        await log.maintain();
      }
      const found = [0, 1_000, 1_001, 1_010, 1_011, 1_035, 1_050].map((time) => partition.offsetForTime(time));
      expect(found).toEqual([0, 0, 1, 1, 2, 4, 5]);
    });

    it('is the durable end when every record is older, or there is none', async () => {
      const partition = await onePartition(await fixture.open());
      expect(partition.offsetForTime(0)).toBe(0);
      await partition.append(batchOf([{ value: 'x', timestamp: 1_000 }]));
      expect(partition.offsetForTime(1_001)).toBe(1);
    });

    it('is the first in order of offsets where times go back and forth', async () => {
      const partition = await onePartition(await fixture.open());
      for (const times of [[1_500, 1_100], [1_200], [1_900], [1_300]]) {
        await partition.append(batchOf(times.map((timestamp) => ({ value: 'x', timestamp }))));
      }
      expect([1_000, 1_400, 1_600, 1_901].map((time) => partition.offsetForTime(time))).toEqual([0, 0, 3, 5]);
    });

    it('is not one that is trimmed', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(batchOf([1, 2, 3].map((i) => ({ value: 'x', timestamp: 1_000 * i }))));
      await partition.trim(2);
      expect(partition.offsetForTime(0)).toBe(2);
    });
  });
}
