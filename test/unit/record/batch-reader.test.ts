/** Single records of a batch, asked for in any order: the same as walking through all of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SluiceError } from '#kernel';
import { withSeed } from '#kit';
import { BatchReader, type Compression, encodeBatch, iterateRecords, rewriteBatch } from '#record';

const BASE = 2 ** 40;
const bytes = fc.option(fc.uint8Array({ maxLength: 200 }));
const record = fc.record({
  key: bytes,
  value: bytes,
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 8 }), value: bytes }), { maxLength: 2 }),
  timestamp: fc.nat(),
});
const compression = fc.constantFrom<Compression>('none', 'gzip', 'snappy');

describe('a reader of single records', () => {
  it('finds each that is there and none that is not, in any order, also where some were compacted away', () => {
    const kept = fc.uniqueArray(fc.nat(29), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 30, maxLength: 30 }),
        kept,
        fc.array(fc.integer({ min: -2, max: 32 }), { maxLength: 60 }),
        compression,
        (records, keep, asked, compress) => {
          const whole = encodeBatch(records, { baseOffset: BASE, compression: compress });
          const batch = rewriteBatch(whole, 0, ({ offset }) => keep.includes(offset - BASE)) as Uint8Array;
          const all = new Map([...iterateRecords(batch)].map((one) => [one.offset, one]));
          const reader = new BatchReader(new Uint8Array([...Buffer.alloc(7), ...batch]), 7);
          for (const delta of [...asked, ...keep.toSorted((a, b) => a - b), ...asked.toReversed()]) {
            expect(reader.read(BASE + delta)).toEqual(all.get(BASE + delta));
          }
        },
      ),
      withSeed(),
    );
  });

  it('answers hostile records with a coded error, whatever they are', () => {
    const sound = encodeBatch(Array.from({ length: 5 }, (_, n) => ({ value: Buffer.from(`v${n}`) })));
    const flips = fc.array(fc.tuple(fc.nat(sound.length - 62), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(flips, (changes) => {
        const batch = Uint8Array.from(sound);
        for (const [at, value] of changes) batch[61 + at] = value;
        const reader = new BatchReader(batch);
        for (let offset = 0; offset < 5; offset++) {
          try {
            reader.read(offset);
          } catch (error) {
            expect(error).toBeInstanceOf(SluiceError);
          }
        }
      }),
      withSeed(),
    );
  });
});
