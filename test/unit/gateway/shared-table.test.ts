/** The table that threads share: its hash, its bound, what gives way when it is full. */
import { describe, expect, test } from 'vitest';
import { halfSipHash } from '../../../src/gateway/policies/half-sip-hash.ts';
import { SharedTable, type Touch } from '../../../src/gateway/policies/shared-table.ts';

/** Counts how often a key was touched; entries live for as long as said. */
class Visits implements Touch {
  count = 0;
  expiry: number;

  constructor(expiry: number) {
    this.expiry = expiry;
  }

  touch(words: Int32Array, _numbers: Float64Array, at: number): number {
    this.count = (words[at] as number) + 1;
    words[at] = this.count;
    return this.expiry;
  }
}

const KEYS = Array.from({ length: 1_000 }, (_, i) => `key ${i}`);

describe('the shared table', () => {
  test('hashes as the reference does', () => {
    // Inputs 00 01 02 … under the key 00 … 07, from the vectors of the reference implementation.
    const vectors = [
      [0, '218d1f59b9b83cc8'],
      [60, 'd6762890bf26e460'],
      [62, 'f90b3ab572d46693'],
    ] as const;
    const out = new Uint32Array(2);
    for (const [length, hex] of vectors) {
      const text = Array.from({ length: length / 2 }, (_, i) => String.fromCharCode(2 * i + ((2 * i + 1) << 8))).join(
        '',
      );
      halfSipHash(text, 0x03020100, 0x07060504, out);
      expect(Buffer.from(out.buffer).toString('hex')).toBe(hex);
    }
  });

  test('keeps entries apart, also for whoever wraps its buffer', () => {
    const table = SharedTable.create(16_384);
    const other = new SharedTable(table.buffer);
    const visits = new Visits(100);
    for (const key of KEYS) table.update(key, 0, true, visits);
    for (const key of KEYS) {
      other.update(key, 0, true, visits);
      expect(visits.count).toBe(2);
    }
    expect(table.facts).toEqual({ slots: 16_384, evictions: 0, refusals: 0 });
  });

  test('forgets an entry that has expired, and only then', () => {
    const table = SharedTable.create(64);
    const visits = new Visits(100);
    const countAt = (now: number) => {
      table.update('a', now, true, visits);
      return visits.count;
    };
    expect([countAt(0), countAt(99), countAt(100)]).toEqual([1, 2, 1]);
  });

  test('gives up what expires first when it is full, and says how often', () => {
    const table = SharedTable.create(8);
    for (const [at, key] of KEYS.slice(0, 8).entries()) table.update(key, 0, true, new Visits(100 + at));
    table.update('ninth', 0, true, new Visits(500));
    const visits = new Visits(500);
    table.update(KEYS[7] as string, 0, true, visits);
    expect(visits.count).toBe(2);
    table.update(KEYS[0] as string, 0, true, visits);
    expect(visits.count).toBe(1);
    expect(table.facts.evictions).toBe(2);
  });

  test('refuses the newcomer instead, where it is asked to', () => {
    const table = SharedTable.create(8);
    for (const key of KEYS.slice(0, 8)) expect(table.update(key, 0, false, new Visits(100))).toBe(true);
    expect(table.update('ninth', 0, false, new Visits(100))).toBe(false);
    expect(table.update('ninth', 100, false, new Visits(200))).toBe(true);
    expect(table.facts.refusals).toBe(1);
  });
});
