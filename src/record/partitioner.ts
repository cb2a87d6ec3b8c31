/** Key → partition, as Kafka's default partitioner: murmur2 of the key, its sign bit off, modulo the partitions. */

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** A signed 32-bit number, as Kafka's `Utils.murmur2` gives, of the `length` bytes from `at` on. */
export function murmur2(bytes: Uint8Array, at: number = 0, length: number = bytes.length - at): number {
  let h = SEED ^ length;
  const blocksEnd = at + (length & ~3);
  for (let i = at; i < blocksEnd; i += 4) {
    let k =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    h = Math.imul(h, M) ^ Math.imul(k, M);
  }
  const tail = length & 3;
  if (tail === 3) h ^= (bytes[blocksEnd + 2] as number) << 16;
  if (tail >= 2) h ^= (bytes[blocksEnd + 1] as number) << 8;
  if (tail >= 1) h = Math.imul(h ^ (bytes[blocksEnd] as number), M);
  h ^= h >>> 13;
  h = Math.imul(h, M);
  h ^= h >>> 15;
  return h | 0;
}

export function partitionForKey(key: Uint8Array, partitions: number, at?: number, length?: number): number {
  return (murmur2(key, at, length) & 0x7fff_ffff) % partitions;
}
