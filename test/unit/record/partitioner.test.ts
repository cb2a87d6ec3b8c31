/** Partitioning as Kafka does it: its published test vectors, and another implementation. */
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { murmur2, partitionForKey } from '#record';

const theirs = createRequire(import.meta.url)('kafkajs/src/producer/partitioners/default/murmur2') as (
  key: Buffer,
) => number;

it.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('hashes %s as Kafka does', (key, hash) => {
  expect(murmur2(Buffer.from(key))).toBe(hash);
});

it('agrees with kafkajs on any key', () => {
  const seed = Number(process.env['SLUICE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  process.stderr.write(`partitioner: SLUICE_SEED=${seed}\n`);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 1, max: 1000 }), (key, partitions) => {
      expect(murmur2(key)).toBe(theirs(Buffer.from(key)));
      expect(partitionForKey(key, partitions)).toBe((theirs(Buffer.from(key)) & 0x7fffffff) % partitions);
    }),
    { seed, numRuns: 500 },
  );
});
