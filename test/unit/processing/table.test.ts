/** A compacted topic in memory. */

import { json } from 'sluice/processing';
import { describe, expect, it } from 'vitest';
import { resolveLimits } from '#kernel';
import { MaterialisedTable } from '#processing';
import { jsonBatches } from './fixture.ts';

const make = (tableBytesMax = 100_000) => new MaterialisedTable(json(), resolveLimits({ tableBytesMax }));
const chunk = (...list: [string | null, unknown][]) =>
  Buffer.concat(
    jsonBatches(
      list.map(([key, value]) => ({ key, value })),
      2,
    ),
  );

describe('a table', () => {
  it('holds the newest value of each key, without those deleted', () => {
    const table = make();
    table.apply(chunk(['a', { n: 1 }], ['b', { n: 2 }], ['a', { n: 3 }], [null, 'of no row'], ['b', null]));
    expect([table.get('a'), table.get('b'), table.get('c')]).toEqual([{ n: 3 }, undefined, undefined]);
    expect(table.entries).toBe(1);
    table.apply(chunk(['a', { n: 4 }]));
    expect(table.get('a')).toEqual({ n: 4 });
    table.apply(chunk(['a', null]));
    expect([table.entries, table.bytes, table.get('a')]).toEqual([0, 0, undefined]);
  });

  it('passes over what is below the offset it is told', () => {
    const table = make();
    table.apply(chunk(['a', 1], ['b', 2], ['c', 3]), 1);
    expect([table.get('a'), table.get('b')]).toEqual([undefined, 2]);
  });

  it('lets nobody change a row', () => {
    const table = make();
    table.apply(chunk(['a', { inner: { n: 1 } }]));
    const row = table.get('a') as { inner: { n: number } };
    expect(() => {
      row.inner.n = 2;
    }).toThrow(TypeError);
    expect(table.get('a')).toEqual({ inner: { n: 1 } });
  });

  it('is refused beyond its limit, and still takes what makes it smaller', () => {
    const table = make(1_000);
    const rows = Array.from({ length: 50 }, (_, i): [string, unknown] => [`key-${i}`, 'x'.repeat(20)]);
    expect(() => table.apply(chunk(...rows))).toThrow(expect.objectContaining({ code: 'STATE_FULL' }));
    expect(table.bytes).toBeLessThanOrEqual(1_000);
    const { entries } = table;
    table.apply(chunk(['key-0', null]));
    expect(table.entries).toBe(entries - 1);
  });

  it('says which row cannot be read', () => {
    const table = new MaterialisedTable({ ...json(), decode: () => JSON.parse('{') }, resolveLimits());
    table.apply(chunk(['a', 1]));
    expect(() => table.get('a')).toThrow(
      expect.objectContaining({ code: 'VALUE_MALFORMED', message: expect.stringContaining('a') }),
    );
  });
});
