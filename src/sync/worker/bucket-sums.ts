/**
 * What one side of a comparison holds, in constant memory: records fall into buckets by their key, and each bucket has their
 * number and the sum of their hashes, which does not depend on the order they came in. Buckets go by a hash of the key and not by
 * ranges of it, since two systems do not order texts alike. Used by `comparison.ts`.
 */
import { hash } from 'node:crypto';
import { murmur2 } from '#record';

const BUCKETS = 65_536;
/** Of each sum, 32 bits a word. */
const WORDS = 4;

export function bucketOf(key: string): number {
  return (murmur2(Buffer.from(key)) >>> 0) % BUCKETS;
}

export class BucketSums {
  readonly #counts = new Uint32Array(BUCKETS);
  readonly #sums = new Uint32Array(BUCKETS * WORDS);
  records = 0;

  /** @param key and @param text in their normal forms */
  add(key: string, text: string): void {
    const bucket = bucketOf(key);
    const digest = hash('sha256', `${key}\0${text}`, 'buffer');
    this.records++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    for (let i = 0; i < WORDS; i++) {
      const at = bucket * WORDS + i;
      // It wraps.
      this.#sums[at] = (this.#sums[at] as number) + digest.readUInt32LE(i * 4);
    }
  }

  /** Buckets in which the two do not hold the same, each with the number of records to be looked at. */
  differences(other: BucketSums): Map<number, number> {
    const found = new Map<number, number>();
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const [mine, theirs] = [this.#counts[bucket] as number, other.#counts[bucket] as number];
      let same = mine === theirs;
      for (let at = bucket * WORDS; same && at < (bucket + 1) * WORDS; at++) same = this.#sums[at] === other.#sums[at];
      if (!same) found.set(bucket, Math.max(mine, theirs));
    }
    return found;
  }
}
