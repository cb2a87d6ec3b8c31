/** Random upserts and deletions in batches, held to a map that is told the same. Used by the suite. */
import { expect } from 'vitest';
import type { Row, WriteMode, WriteResult } from '#connector';
import { seededRandom } from '../seed.ts';
import { rejected, sorted } from './records.ts';

const BATCHES = 12;
const BATCH_RECORDS = 15;
const KEYS = 25;

interface Subject {
  readonly key: readonly string[];
  row(i: number): Row;
  changed(row: Row): Row;
}

export async function randomWrites(
  { key, row, changed }: Subject,
  write: (mode: WriteMode, rows: readonly Row[]) => Promise<WriteResult[]>,
  all: () => Promise<Row[]>,
): Promise<void> {
  const random = seededRandom();
  const expected = new Map<number, Row>();
  for (let batch = 0; batch < BATCHES; batch++) {
    const mode = random() < 0.6 ? 'upsert' : 'delete';
    const rows: Row[] = [];
    for (let i = 0; i < BATCH_RECORDS; i++) {
      const number = Math.floor(random() * KEYS);
      const whole = random() < 0.5 ? row(number) : changed(row(number));
      if (mode === 'upsert') expected.set(number, whole);
      else expected.delete(number);
      rows.push(mode === 'upsert' ? whole : Object.fromEntries(key.map((name) => [name, whole[name] ?? null])));
    }
    expect(rejected(await write(mode, rows))).toEqual([]);
    expect(sorted(await all())).toEqual(sorted([...expected.values()]));
  }
}
