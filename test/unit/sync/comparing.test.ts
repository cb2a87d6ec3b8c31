/** What both ends of a job are compared by: one text for equal values, and sums that miss no change and know no order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Field, Value } from '#connector';
import { BucketSums, bucketOf } from '../../../src/sync/worker/bucket-sums.ts';
import { normalKey, normalRow } from '../../../src/sync/worker/normal-form.ts';

const field = (type: Field['type'], items?: Field['items']): Field => {
  return { name: 'a', type, nullable: true, ...(items === undefined ? {} : { items }) };
};
const textOf = (one: Field, value: Value) => normalRow([one])({ a: value });

describe('the text of a value', () => {
  it.each<[Field, Value, Value]>([
    [field('decimal'), '1.50', '1.5'],
    [field('decimal'), '+007.000', '7'],
    [field('decimal'), '-0.00', '0'],
    [field('decimal'), '.5', '0.50'],
    [field('float'), 1, 1.0],
    [field('timestamp'), '2026-01-01T00:00:00.120000Z', '2026-01-01T00:00:00.12Z'],
    [field('timestamp'), '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00Z'],
    [field('time'), '01:02:03.000000', '01:02:03'],
    [field('json'), '{"b": 1, "a": [ {"d":2,"c":3} ]}', '{"a":[{"c":3,"d":2}],"b":1}'],
    [field('array', 'decimal'), ['1.0', null], ['1', null]],
    [field('bytes'), new Uint8Array([1, 2]), Buffer.from([1, 2])],
    [field('int64'), 7n, 7],
  ])('is the same for values that are: %o', (one, left, right) => {
    expect(textOf(one, left)).toBe(textOf(one, right));
  });

  it.each<[Field, Value, Value]>([
    [field('decimal'), '10', '1'],
    [field('decimal'), '100', '1'],
    [field('decimal'), '0.01', '0.001'],
    [field('decimal'), 'NaN', '0'],
    [field('string'), '1.50', '1.5'],
    [field('string'), '', null],
    [field('string'), 'null', null],
    [field('timestamp'), '2026-01-01T00:00:10Z', '2026-01-01T00:00:01Z'],
    [field('json'), '[1,2]', '[2,1]'],
    [field('json'), '{}', '[]'],
    [field('array', 'string'), ['null'], [null]],
  ])('differs for values that do: %o', (one, left, right) => {
    expect(textOf(one, left)).not.toBe(textOf(one, right));
  });

  it('cannot be made by other fields with other values', () => {
    const fields = [field('string'), { ...field('string'), name: 'b' }];
    const rows = fc.record({ a: fc.string({ maxLength: 8 }), b: fc.string({ maxLength: 8 }) });
    fc.assert(
      fc.property(rows, rows, (one, other) => {
        const same = one.a === other.a && one.b === other.b;
        expect(normalRow(fields)(one) === normalRow(fields)(other)).toBe(same);
        expect(normalKey(fields)(one) === normalKey(fields)(other)).toBe(same);
      }),
    );
  });
});

describe('sums of buckets', () => {
  const records = fc.uniqueArray(fc.record({ key: fc.string({ minLength: 1 }), text: fc.string() }), {
    selector: ({ key }) => key,
    minLength: 1,
    maxLength: 200,
  });
  const summed = (all: readonly { readonly key: string; readonly text: string }[]) => {
    const sums = new BucketSums();
    for (const { key, text } of all) sums.add(key, text);
    return sums;
  };

  it('are the same in any order', () => {
    fc.assert(
      fc.property(records, (all) => {
        expect(summed(all).differences(summed([...all].reverse())).size).toBe(0);
      }),
    );
  });

  it('find every record that is changed, gone or new, in its bucket', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.constantFrom('changed', 'gone', 'new'), (all, at, how) => {
        const place = at % all.length;
        const one = all[place] as { key: string; text: string };
        const rest = all.filter((_, i) => i !== place);
        const other = how === 'changed' ? [...rest, { ...one, text: `${one.text}x` }] : rest;
        const [mine, theirs] = how === 'new' ? [rest, all] : [all, other];
        expect([...summed(mine).differences(summed(theirs)).keys()]).toEqual([bucketOf(one.key)]);
      }),
    );
  });
});
