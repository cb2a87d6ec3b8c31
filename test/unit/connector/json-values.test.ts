/** Records as JSON and back: no digit is lost, and what is of another type is refused with its field. */
import { expect, it, test } from 'vitest';
import { fromJson, type Row, type ScalarType, type Stream, toJson } from '#connector';

const TYPES: readonly ScalarType[] = [
  'string',
  'int32',
  'int64',
  'decimal',
  'float',
  'boolean',
  'json',
  'bytes',
  'date',
];
const stream: Stream = {
  name: 's',
  fields: [
    ...TYPES.map((type) => ({ name: type, type, nullable: true })),
    { name: 'list', type: 'array', items: 'int64', nullable: true },
  ],
  primaryKey: [],
  cursors: [],
  can: ['full'],
};

it('comes back as it was', () => {
  const rows: Row[] = [
    { string: 'x', int32: -2147483648, int64: 9223372036854775807n, decimal: '1.10', float: 0.1, boolean: false },
    { json: '{"a":[1,null]}', bytes: new Uint8Array([0, 255]), date: '2026-11-25', list: [1n, null, [2n ** 60n]] },
    { float: Number.NaN, int64: 1n, string: null, json: null, list: null },
    { float: Number.NEGATIVE_INFINITY, decimal: 'NaN', list: [] },
  ];
  for (const row of rows) {
    const text = JSON.stringify(toJson(row, stream));
    expect({ ...fromJson(JSON.parse(text), stream) }).toEqual(row);
  }
});

test.each([
  ['int32', 2147483648],
  ['int32', '1'],
  ['int64', 2 ** 53],
  ['int64', '1.5'],
  ['int64', '9'.repeat(40)],
  ['int64', '9223372036854775808'],
  ['decimal', {}],
  ['float', 'big'],
  ['float', 'toString'],
  ['boolean', 'true'],
  ['bytes', 7],
  ['string', 7],
  ['list', 7],
  ['list', ['x']],
  ['unknown', 1],
  ['__proto__', 1],
])('refuses %s that is %j', (field, value) => {
  const record = JSON.parse(`{${JSON.stringify(field)}:${JSON.stringify(value)}}`);
  expect(() => fromJson(record, stream)).toThrowError(expect.objectContaining({ code: 'RECORD_REJECTED' }));
});

it('takes further fields where the stream has no fixed ones', () => {
  const record = fromJson({ more: 1, nested: { a: [1] }, string: 'x' }, { ...stream, open: true });
  expect({ ...record }).toEqual({ more: 1, nested: '{"a":[1]}', string: 'x' });
});
