/**
 * Compatibility of Avro schemas: the cases of Confluent's table and of the Avro library it stands on, in schemas of our own;
 * and random schemas, where what is called compatible must really be readable.
 */
import avro from 'avsc';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom, withSeed } from '#kit';
import { parseSchema } from '../../../src/schema/parse.ts';

type Schema = avro.Schema;

function differences(writer: unknown, reader: unknown) {
  const [before, after] = [writer, reader].map((schema) =>
    parseSchema({ type: 'avro', text: JSON.stringify(schema), imports: [] }),
  ) as [ReturnType<typeof parseSchema>, ReturnType<typeof parseSchema>];
  return after.differences(before);
}

const record = (...fields: object[]) => ({ type: 'record', name: 'Order', fields });
const int = (name: string, more: object = {}) => ({ name, type: 'int', ...more });
const list = (of: string) => ({
  type: 'record',
  name: 'List',
  fields: [
    { name: 'head', type: of },
    { name: 'tail', type: ['null', 'List'] },
  ],
});
const sizes = (...symbols: string[]) => ({ type: 'enum', name: 'Size', symbols });
const fixed = (size: number, name = 'Hash') => ({ type: 'fixed', name, size });
const array = (items: unknown) => ({ type: 'array', items });
const map = (values: unknown) => ({ type: 'map', values });

/** Writer, reader. */
type Pair = readonly [writer: unknown, reader: unknown];

const READABLE: readonly Pair[] = [
  ['boolean', 'boolean'],
  ['null', 'null'],
  ['string', 'string'],
  ['bytes', 'bytes'],
  ['int', 'int'],
  ['int', 'long'],
  ['int', 'float'],
  ['int', 'double'],
  ['long', 'float'],
  ['long', 'double'],
  ['float', 'double'],
  ['string', 'bytes'],
  ['bytes', 'string'],
  [array('int'), array('int')],
  [array('int'), array('long')],
  [map('int'), map('int')],
  [map('int'), map('long')],
  [sizes('S', 'M'), sizes('S', 'M')],
  [sizes('S', 'M'), sizes('S', 'M', 'L')],
  [sizes('S', 'XL'), { ...sizes('S', 'M'), default: 'M' }],
  [fixed(4), fixed(4)],
  [['int'], ['int']],
  [
    ['string', 'int'],
    ['int', 'string'],
  ],
  [['int'], ['long']],
  [['int'], ['double']],
  [['long'], ['double']],
  [['float'], ['double']],
  [['int', 'float'], ['double']],
  [['bytes'], ['string']],
  [['string'], ['bytes']],
  [['int', 'float'], 'float'],
  [['int', 'long'], 'long'],
  [['int', 'long', 'float', 'double'], 'double'],
  [['float'], 'float'],
  ['int', ['int']],
  [['int'], 'int'],
  [record(), record()],
  [record(int('a')), record()],
  [record(int('a')), record(int('a'))],
  [record(int('a', { default: 0 })), record(int('a'))],
  [record(int('a')), record({ name: 'a', type: 'long' })],
  [record(int('a'), int('b')), record(int('a'))],
  [record(int('a'), int('b')), record(int('a', { default: 0 }))],
  [record(int('a')), record(int('a'), int('b', { default: 0 }))],
  [record(), record(int('a', { default: 0 }), int('b', { default: 0 }))],
  [record(int('a', { default: 0 }), int('b', { default: 0 })), record(int('a'), int('b'))],
  [record(int('a')), record(int('amount', { aliases: ['a'] }))],
  [
    { ...record(int('a')), name: 'Purchase' },
    { ...record(int('a')), aliases: ['Purchase'] },
  ],
  [
    { ...record(int('a')), namespace: 'old' },
    { ...record(int('a')), namespace: 'new' },
  ],
  [list('int'), list('int')],
  [list('int'), list('long')],
  [record({ name: 'a', type: 'string' }), record({ name: 'a', type: ['null', 'string'] })],
  [record({ name: 'a', type: ['null', 'string'] }), record({ name: 'a', type: ['null', 'string', 'int'] })],
];

const UNREADABLE: readonly Pair[] = [
  ['int', 'null'],
  ['int', 'boolean'],
  ['null', 'int'],
  ['boolean', 'int'],
  ['long', 'int'],
  ['float', 'int'],
  ['double', 'int'],
  ['float', 'long'],
  ['double', 'long'],
  ['double', 'float'],
  ['int', 'string'],
  ['string', 'double'],
  ['int', 'bytes'],
  ['boolean', 'string'],
  [array('long'), array('int')],
  [map('int'), array('int')],
  [array('int'), map('int')],
  [map('long'), map('int')],
  [sizes('S', 'M', 'L'), sizes('S', 'M')],
  [sizes('S', 'M'), sizes('M', 'L')],
  [sizes('S'), { ...sizes('S'), name: 'Fit' }],
  [sizes('S'), 'int'],
  ['string', sizes('S')],
  [fixed(4), fixed(8)],
  [fixed(4), fixed(4, 'Digest')],
  [fixed(4), 'bytes'],
  [['int', 'string'], ['int']],
  [['int', 'long'], ['int']],
  [['null', 'string'], 'string'],
  ['string', ['null', 'int']],
  [{ ...record(int('a')), name: 'Purchase' }, record(int('a'))],
  [record(), record(int('a'))],
  [record(int('a')), record(int('a'), int('b'))],
  [record({ name: 'a', type: 'long' }), record(int('a'))],
  [list('long'), list('int')],
  [record(int('a')), map('int')],
  [record({ name: 'a', type: ['null', 'string', 'int'] }), record({ name: 'a', type: ['null', 'string'] })],
];

describe('the published table', () => {
  test.each(READABLE)('written as %j, read as %j', (writer, reader) => {
    expect(differences(writer, reader)).toEqual([]);
  });

  test.each(UNREADABLE)('written as %j, not read as %j', (writer, reader) => {
    expect(differences(writer, reader)).not.toEqual([]);
  });
});

test('a difference names the place in the schema that reads, and what is the matter', () => {
  const order = (line: object) =>
    record({ name: 'lines', type: array({ type: 'record', name: 'Line', fields: [line] }) });
  expect(differences(order(int('sku')), order({ name: 'sku', type: 'string' }))).toEqual([
    { path: '#/fields/lines/items/fields/sku', message: 'int cannot be read as string' },
  ]);
  expect(differences(record(), record(int('a')))).toEqual([
    { path: '#/fields/a', message: 'a is not in what was written, and has no default' },
  ]);
});

/** A type that a change of the schema could make of this one, readable or not. */
function changedType(type: unknown, random: () => number): unknown {
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  if (Array.isArray(type)) return pick([[...type, 'bytes'], [...type].reverse(), type[1]]);
  if (typeof type === 'object') return pick([type, 'string', ['null', type]]);
  const wider: Record<string, readonly string[]> = {
    int: ['long', 'float', 'double'],
    long: ['float', 'double'],
    float: ['double'],
  };
  return pick([...(wider[String(type)] ?? ['bytes']), ['null', type], 'string', type]);
}

test('random schemas: what is called compatible is read by avsc, every value of it', () => {
  const random = seededRandom();
  const scalar = fc.constantFrom('int', 'long', 'float', 'double', 'string', 'boolean');
  const type = fc.oneof(
    scalar,
    scalar.map((items) => array(items)),
    scalar.map((values) => map(values)),
    scalar.map((branch) => ['null', branch]),
    fc.constant(sizes('S', 'M')),
  );
  let compatible = 0;
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), type, { minKeys: 1 }), (types) => {
      // Named types are defined once each.
      const entries = Object.entries(types).map(([name, one], i): [string, unknown] => [
        name,
        typeof one === 'object' && 'name' in one ? { ...one, name: `Size${i}` } : one,
      ]);
      const writer = record(...entries.map(([name, one]) => ({ name, type: one })));
      const kept = entries.filter(() => random() < 0.8);
      const fields = kept.map(([name, one]) => ({ name, type: random() < 0.5 ? changedType(one, random) : one }));
      const reader = record(...fields, ...(random() < 0.5 ? [int('new', { default: 7 })] : []));
      if (differences(writer, reader).length > 0) return;
      compatible++;
      const written = avro.Type.forSchema(writer as Schema, { wrapUnions: 'always' });
      const read = avro.Type.forSchema(reader as Schema, { wrapUnions: 'always' });
      const resolver = read.createResolver(written);
      const value = written.fromString(
        JSON.stringify(Object.fromEntries(entries.map(([name, one]) => [name, sampleOf(one)]))),
      );
      expect(read.isValid(read.fromBuffer(written.toBuffer(value), resolver))).toBe(true);
    }),
    withSeed({ numRuns: 1_000 }),
  );
  expect(compatible).toBeGreaterThan(50);
});

/** A value in Avro's JSON encoding. */
function sampleOf(type: unknown): unknown {
  if (Array.isArray(type)) return { [String(type[1])]: sampleOf(type[1]) };
  if (typeof type === 'object' && type !== null) {
    const { type: kind, items, values, symbols } = type as Record<string, unknown>;
    if (kind === 'array') return [sampleOf(items)];
    return kind === 'map' ? { k: sampleOf(values) } : (symbols as string[])[1];
  }
  return type === 'string' ? 'text' : type === 'boolean' ? true : 5;
}
