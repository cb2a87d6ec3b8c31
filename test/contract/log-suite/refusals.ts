/** What an append refuses, and that a refusal leaves no trace. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withSeed } from '#kit';
import { encodeBatch, rewriteBatch } from '#record';
import { batchOf, batchOfSize, coded, type LogFixture, onePartition, valuesOf } from './fixture.ts';

const SMALL = { batchBytesMax: 4_096, recordBytesMax: 4_000, batchRecordsMax: 10, pendingBytesMax: 8 * 1024 * 1024 };

export function describeRefusals(fixture: LogFixture): void {
  describe('an append refuses', () => {
    it('bytes that are no batch, or not only one', async () => {
      const partition = await onePartition(await fixture.open());
      const whole = batchOf(['a']);
      const bad = [
        new Uint8Array(0),
        new Uint8Array(200),
        whole.subarray(0, whole.length - 1),
        Buffer.concat([whole, whole]),
        Buffer.concat([whole, new Uint8Array(1)]),
      ];
      for (const bytes of bad) {
        await expect(partition.append(bytes)).rejects.toEqual(
          expect.objectContaining({ code: expect.stringMatching(/^BATCH_(MALFORMED|UNSUPPORTED)$/) }),
        );
      }
      expect([partition.tail, partition.durable]).toEqual([0, 0]);
    });

    it('a batch with any bit of its records or its own fields flipped', async () => {
      const partition = await onePartition(await fixture.open());
      const good = batchOf([{ key: 'key', value: 'some value' }, 'another'], {
        producer: { id: 1, epoch: 0, sequence: 0 },
      });
      // The checksum leaves the base offset and the leader epoch out, which the log writes itself.
      const place = fc.integer({ min: 16, max: good.length - 1 });
      const refused = expect.stringMatching(/^BATCH_(MALFORMED|UNSUPPORTED|CRC_MISMATCH|TOO_LARGE)$/);
      await fc.assert(
        fc.asyncProperty(place, fc.integer({ min: 0, max: 7 }), async (at, bit) => {
          const bad = Uint8Array.from(good);
          bad[at] = (bad[at] as number) ^ (1 << bit);
          await expect(partition.append(bad)).rejects.toEqual(expect.objectContaining({ code: refused }));
        }),
        withSeed({ numRuns: 60 }),
      );
      expect(partition.tail).toBe(0);
    });

    it('a batch with holes in its offsets', async () => {
      const partition = await onePartition(await fixture.open());
      const holed = rewriteBatch(batchOf(['a', 'b', 'c']), 0, ({ offset }) => offset !== 1) as Uint8Array;
      await expect(partition.append(holed)).rejects.toEqual(coded('BATCH_MALFORMED'));
    });

    it('a batch over the limits of bytes and of records, and takes one at them', async () => {
      const partition = await onePartition(await fixture.open({ limits: SMALL }));
      const around = batchOfSize(4_000);
      const exact = batchOfSize(4_000 + SMALL.batchBytesMax - around.length);
      expect(exact.length).toBe(SMALL.batchBytesMax);
      await partition.append(exact);
      await expect(partition.append(batchOfSize(4_200))).rejects.toEqual(coded('BATCH_TOO_LARGE'));
      await partition.append(batchOf(Array(10).fill('x')));
      await expect(partition.append(batchOf(Array(11).fill('x')))).rejects.toEqual(coded('TOO_MANY_RECORDS'));
      expect(partition.durable).toBe(11);
    });

    it('more than may wait for the disk, and takes it again when that is written', async () => {
      const log = await fixture.open({ limits: SMALL });
      const partition = await onePartition(log);
      const batch = batchOfSize(4_000);
      const fits = Math.floor(SMALL.pendingBytesMax / batch.length);
      const appends = Array.from({ length: fits }, () => partition.append(batch));
      expect(log.pendingBytes).toBe(fits * batch.length);
      await expect(partition.append(batch)).rejects.toEqual(coded('LOG_BUSY'));
      await expect(log.commit({ appends: [{ partition, batch }] })).rejects.toEqual(coded('LOG_BUSY'));
      await Promise.all(appends);
      expect(log.pendingBytes).toBe(0);
      expect(await partition.append(batch)).toEqual({ baseOffset: fits, duplicate: false });
    });

    it('a commit that alone is more than may wait', async () => {
      const log = await fixture.open({ limits: SMALL });
      const partition = await onePartition(log);
      const batch = batchOfSize(4_000);
      const appends = Array(Math.ceil(SMALL.pendingBytesMax / batch.length) + 1).fill({ partition, batch });
      await expect(log.commit({ appends })).rejects.toEqual(coded('LOG_BUSY'));
      expect([partition.tail, log.pendingBytes]).toEqual([0, 0]);
      expect(await partition.append(batch)).toEqual({ baseOffset: 0, duplicate: false });
    });

    it('nothing for what the values are: empty, absent, not UTF-8', async () => {
      const partition = await onePartition(await fixture.open());
      await partition.append(
        encodeBatch([
          { value: new Uint8Array(0) },
          { value: null },
          { key: new Uint8Array(0), value: Uint8Array.of(0xff, 0xfe) },
          { key: Uint8Array.of(0xc0), value: null, headers: [{ key: 'h', value: null }] },
        ]),
      );
      expect(partition.durable).toBe(4);
      expect(valuesOf(partition, 4)).toEqual([]);
    });
  });
}
