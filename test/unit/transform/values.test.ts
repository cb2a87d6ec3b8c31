/** Numbers, types, and what a table has: cast, math, lookup. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withSeed } from '#kit';
import { compileTransformations } from '#transform';
import { field, record, run, transform } from './apply.ts';

const FAILED = expect.objectContaining({ code: 'TRANSFORM_FAILED' });

describe('cast', () => {
  test.each([
    ['number', ' 12.50 ', 12.5],
    ['number', '-1e3', -1000],
    ['number', '.5', 0.5],
    ['number', true, 1],
    ['integer', '42', 42],
    ['integer', 42.0, 42],
    ['integer', '1e3', 1000],
    ['boolean', 'YES', true],
    ['boolean', 0, false],
    ['boolean', ' false ', false],
    ['string', 12.5, '12.5'],
    ['string', false, 'false'],
    ['string', { a: [1] }, '{"a":[1]}'],
    ['string', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['json', '{"a":[1,null]}', { a: [1, null] }],
    ['date', '2026-03-01T12:00:00+02:00', '2026-03-01T10:00:00.000Z'],
    ['date', 0, '1970-01-01T00:00:00.000Z'],
  ])('to %s: %j becomes %j', (to, before, after) => {
    expect(field({ type: 'cast', to }, before)).toEqual(after);
  });

  test.each([
    ['number', '12 apples'],
    ['number', ''],
    ['number', '0x10'],
    ['number', 'Infinity'],
    ['number', '1e999'],
    ['number', {}],
    ['integer', 1.5],
    ['integer', '9007199254740993'],
    ['boolean', 'maybe'],
    ['boolean', 2],
    ['date', 'March'],
    ['date', 9e15],
    ['json', '{a:1}'],
    ['json', 5],
  ])('to %s: refuses %j', (to, before) => {
    expect(() => field({ type: 'cast', to }, before)).toThrow(FAILED);
    expect(transform({ type: 'cast', to, field: 'a', on_error: 'drop' }, { a: before })).toBe(undefined);
  });

  test('takes the big integers of MessagePack, where a number can hold them', () => {
    expect(field({ type: 'cast', to: 'integer' }, 12n)).toBe(12);
    expect(field({ type: 'cast', to: 'string' }, 2n ** 64n)).toBe('18446744073709551616');
    expect(() => field({ type: 'cast', to: 'integer' }, 2n ** 64n)).toThrow(FAILED);
  });

  test('names path and value', () => {
    const list = [
      { type: 'trim', field: 'x' },
      { type: 'cast', field: 'customer.age', to: 'integer' },
    ];
    expect(() => run(list, record({ customer: { age: 'abc' } }))).toThrow(
      expect.objectContaining({
        message: 'transformation 1 (cast): customer.age: "abc" is not an integer',
        details: { index: 1, type: 'cast', field: 'customer.age' },
      }),
    );
  });

  test('any number survives to text and back', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const back = field({ type: 'cast', to: 'number' }, field({ type: 'cast', to: 'string' }, number));
        expect(back).toBe(Object.is(number, -0) ? 0 : number);
      }),
      withSeed({ numRuns: 300 }),
    );
  });
});

describe('math', () => {
  test.each([
    ['add', 2, 5, 7],
    ['subtract', 2, 5, 3],
    ['multiply', 0.5, 5, 2.5],
    ['divide', 2, 5, 2.5],
    ['modulo', 3, 5, 2],
  ])('%s by %d', (operation, by, before, after) => {
    expect(field({ type: 'math', operation, by }, before)).toBe(after);
    const fromField = { type: 'math', field: 'a', operation, by: 'b', target: 'c' };
    expect(transform(fromField, { a: before, b: by })).toEqual({ a: before, b: by, c: after });
  });

  test.each([
    ['round', 2, 1.005, 1.01],
    ['round', 2, -1.005, -1.01],
    ['round', 0, 2.5, 3],
    ['round', 0, -2.5, -3],
    ['round', 3, 1e21, 1e21],
    ['round', 15, 1.1, 1.1],
    ['round', 2, 5e-324, 0],
    ['floor', 0, -1.5, -2],
    ['ceil', 0, 1.2, 2],
    ['abs', 0, -3, 3],
  ])('%s to %d digits', (operation, digits, before, after) => {
    expect(field({ type: 'math', operation, digits }, before)).toBe(after);
  });

  test('refuses results that are no numbers, and text', () => {
    expect(() => field({ type: 'math', operation: 'divide', by: 0 }, 5)).toThrow(FAILED);
    expect(() => field({ type: 'math', operation: 'multiply', by: 1e308 }, 1e308)).toThrow(FAILED);
    expect(() => field({ type: 'math', operation: 'add', by: 1 }, '5')).toThrow(FAILED);
    const byText = { type: 'math', field: 'a', operation: 'add', by: 'b' };
    expect(() => transform(byText, { a: 1, b: 'two' })).toThrow(/"two" is not a number/);
  });

  test('leaves the field where the second one is missing', () => {
    expect(transform({ type: 'math', field: 'a', operation: 'add', by: 'b' }, { a: 1 })).toEqual({ a: 1 });
  });
});

describe('lookup', () => {
  const rows: Record<string, unknown> = { c1: { name: 'Ada', address: { city: 'London' }, tags: ['x'] }, 7: 'seven' };
  const context = { lookup: (table: string, key: string) => (table === 'customers' ? rows[key] : undefined) };
  const whole = { type: 'lookup', table: 'customers', key: 'customer', target: 'row' };
  const fields = { name: 'who', 'address.city': 'place.city', nothing: 'never' };
  const some = { type: 'lookup', table: 'customers', key: 'customer', fields };

  test('writes the row, or fields of it', () => {
    expect(transform(whole, { customer: 'c1' }, context)).toEqual({ customer: 'c1', row: rows['c1'] });
    expect(transform(whole, { customer: 7 }, context)).toEqual({ customer: 7, row: 'seven' });
    expect(transform(some, { customer: 'c1' }, context)).toEqual({
      customer: 'c1',
      who: 'Ada',
      place: { city: 'London' },
    });
  });

  test('copies: what is done to the record does not reach the table', () => {
    const list = [whole, { type: 'uppercase', field: 'row.address.city' }, { type: 'uppercase', field: 'row.tags[]' }];
    expect(run(list, record({ customer: 'c1' }), context)?.value).toMatchObject({
      row: { address: { city: 'LONDON' }, tags: ['X'] },
    });
    expect(rows['c1']).toEqual({ name: 'Ada', address: { city: 'London' }, tags: ['x'] });
  });

  test.each([
    ['null', { customer: 'c2', row: null }],
    ['keep', { customer: 'c2' }],
    ['drop', undefined],
  ])('without a row, on_missing %s', (on_missing, expected) => {
    expect(transform({ ...whole, on_missing }, { customer: 'c2' }, context)).toEqual(expected);
  });

  test('fails without a row, and without a key', () => {
    expect(() => transform(whole, { customer: 'c2' }, context)).toThrow(FAILED);
    expect(() => transform(whole, {}, context)).toThrow(FAILED);
  });

  test('goes through the elements of a list', () => {
    const each = { type: 'lookup', table: 'customers', key: 'all[].id', fields: { name: 'all[].name' } };
    const value = { all: [{ id: 'c1' }, { id: 'c1', name: 'old' }] };
    expect(transform(each, value, context)).toEqual({
      all: [
        { id: 'c1', name: 'Ada' },
        { id: 'c1', name: 'Ada' },
      ],
    });
  });

  test('tells which tables it needs, and refuses where there are none', () => {
    const list = [whole, { ...whole, table: 'countries' }, some];
    expect(compileTransformations(list, context).tables).toEqual(['customers', 'countries']);
    expect(() => compileTransformations(list)).toThrow(expect.objectContaining({ code: 'TRANSFORM_INVALID' }));
  });
});
