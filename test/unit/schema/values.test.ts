/** Checks of values: what fits, and the path of what does not, in the three languages. */
import { describe, expect, test } from 'vitest';
import { parseSchema } from '../../../src/schema/parse.ts';
import type { SchemaType } from '../../../src/schema/source.ts';

interface Import {
  readonly name: string;
  readonly text: string;
}

function checkOf(type: SchemaType, schema: unknown, imports: readonly Import[] = []) {
  const text = typeof schema === 'string' && type === 'protobuf' ? schema : JSON.stringify(schema);
  return parseSchema({ type, text, imports }).compile();
}

/** Value, path and message of what does not fit. */
type Misfit = readonly [value: unknown, path: string, message: string];

function expectMisfits(check: (value: unknown) => unknown, misfits: readonly Misfit[]) {
  expect(misfits.map(([value]) => check(value))).toEqual(misfits.map(([, path, message]) => ({ path, message })));
}

describe('JSON Schema', () => {
  const order = {
    type: 'object',
    required: ['total'],
    properties: {
      total: { type: 'number', minimum: 0 },
      mail: { type: 'string', format: 'email' },
      size: { enum: ['s', 'm'] },
      'a/b~c': { type: 'boolean' },
      payment: {
        anyOf: [{ type: 'null' }, { type: 'object', required: ['iban'], properties: { iban: { type: 'string' } } }],
      },
      lines: { type: 'array', items: { type: 'object', properties: { sku: { type: 'string' } } } },
    },
    additionalProperties: false,
  };

  test('a value that fits has nothing to be told', () => {
    const check = checkOf('json', order);
    expect(
      check({ total: 1, mail: 'a@b.example', size: 's', 'a/b~c': true, payment: null, lines: [{ sku: 'x' }, {}] }),
    ).toBeUndefined();
  });

  test('the path leads to what is wrong, missing or too much', () => {
    expectMisfits(checkOf('json', order), [
      [7, '', 'must be object'],
      [{}, '/total', 'is missing'],
      [{ total: 'x' }, '/total', 'must be number'],
      [{ total: -1 }, '/total', 'must be >= 0'],
      [{ total: 1, mail: 'nobody' }, '/mail', 'must match format "email"'],
      [{ total: 1, size: 'l' }, '/size', 'must be one of ["s","m"]'],
      [{ total: 1, sum: 2 }, '/sum', 'is not allowed here'],
      [{ total: 1, 'a/b~c': 1 }, '/a~1b~0c', 'must be boolean'],
      [{ total: 1, lines: [{ sku: 'x' }, { sku: 2 }] }, '/lines/1/sku', 'must be string'],
    ]);
  });

  test('of alternatives, the one that fits longest is told', () => {
    expectMisfits(checkOf('json', order), [
      [{ total: 1, payment: { iban: 7 } }, '/payment/iban', 'must be string'],
      [{ total: 1, payment: {} }, '/payment/iban', 'is missing'],
    ]);
  });

  test('the draft that $schema names is the one that counts', () => {
    const tuple = { prefixItems: [{ type: 'string' }], items: false };
    const newer = checkOf('json', { $schema: 'https://json-schema.org/draft/2020-12/schema', ...tuple });
    expect(newer(['a', 'b'])).toBeDefined();
    expect(
      checkOf('json', { $schema: 'http://json-schema.org/draft-07/schema#', prefixItems: [] })(['a', 'b']),
    ).toBeUndefined();
    expect(checkOf('json', { $schema: 'http://json-schema.org/draft-06/schema#', const: 1 })(2)).toMatchObject({
      path: '',
    });
    const between = checkOf('json', {
      $schema: 'https://json-schema.org/draft/2019-09/schema',
      dependentRequired: { a: ['b'] },
    });
    expect(between({ a: 1 })).toBeDefined();
  });

  test('schemas that are referred to count, by their name or by where it leads from the $id', () => {
    const size: Import = { name: 'size.json', text: '{"type":"string"}' };
    const schema = { properties: { size: { $ref: 'size.json' } } };
    expectMisfits(checkOf('json', schema, [size]), [[{ size: 1 }, '/size', 'must be string']]);
    expectMisfits(checkOf('json', { $id: 'https://shop.example/schemas/order.json', ...schema }, [size]), [
      [{ size: 1 }, '/size', 'must be string'],
    ]);
  });

  test.each([
    ['no JSON', '{', /not JSON/],
    ['no object', '[1]', /neither an object nor a boolean/],
    ['an unknown type', '{"type":"text"}', /type/],
    ['draft-04', '{"$schema":"http://json-schema.org/draft-04/schema#"}', /not one of/],
    ['a reference to nowhere', '{"$ref":"#/definitions/none"}', /none/],
    ['a pattern that is none', '{"pattern":"("}', /regular expression/i],
    ['a check that would not be finished', '{"$async":true}', /async/],
    ['nesting without end', '['.repeat(300), /nested too deeply/],
  ])('refuses a schema that is %s', (_, text, message) => {
    expect(() => parseSchema({ type: 'json', text, imports: [] }).compile()).toThrow(message);
  });
});

describe('Avro', () => {
  const order = {
    type: 'record',
    name: 'Order',
    namespace: 'shop',
    fields: [
      { name: 'id', type: 'long' },
      { name: 'count', type: 'int', default: 1 },
      { name: 'note', type: ['null', 'string'], default: null },
      { name: 'price', type: 'double', default: 0 },
      { name: 'size', type: { type: 'enum', name: 'Size', symbols: ['S', 'M'] }, default: 'S' },
      { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 2 }, default: 'ab' },
      { name: 'data', type: 'bytes', default: '' },
      { name: 'tags', type: { type: 'map', values: 'boolean' }, default: {} },
      {
        name: 'lines',
        type: { type: 'array', items: { type: 'record', name: 'Line', fields: [{ name: 'sku', type: 'string' }] } },
        default: [],
      },
      { name: 'parent', type: ['null', 'Order'], default: null },
    ],
  };

  test('a value in the JSON encoding fits; fields with a default may be left out', () => {
    const check = checkOf('avro', order);
    expect(check({ id: 1 })).toBeUndefined();
    const full = {
      id: -1,
      count: 2,
      note: { string: 'n' },
      price: 'NaN',
      size: 'M',
      hash: '\u0000\u00ff',
      data: 'é',
      tags: { a: true },
      lines: [{ sku: 'x' }],
      parent: { 'shop.Order': { id: 2, parent: null } },
    };
    expect(check(full)).toBeUndefined();
  });

  test('the path leads to what is wrong, missing or too much', () => {
    const branches = 'must be one of null, {"string": …}';
    expectMisfits(checkOf('avro', order), [
      [[], '', 'must be an object'],
      [{}, '/id', 'is missing'],
      [{ id: 1.5 }, '/id', 'must be a whole number of 64 bits'],
      [{ id: 1e19 }, '/id', 'must be a whole number of 64 bits'],
      [{ id: 1, count: 2 ** 31 }, '/count', 'must be a whole number of 32 bits'],
      [{ id: 1, note: 'plain' }, '/note', branches],
      [{ id: 1, note: { string: 'a', int: 1 } }, '/note', branches],
      [{ id: 1, note: { string: 7 } }, '/note/string', 'must be a string'],
      [{ id: 1, price: '1' }, '/price', 'must be a number'],
      [{ id: 1, size: 'L' }, '/size', 'must be one of S, M'],
      [{ id: 1, hash: 'abc' }, '/hash', 'must be 2 bytes'],
      [{ id: 1, data: '€' }, '/data', 'must be bytes: a string of the characters 0 to 255'],
      [{ id: 1, tags: { a: 1 } }, '/tags/a', 'must be true or false'],
      [{ id: 1, lines: [{ sku: 'x' }, {}] }, '/lines/1/sku', 'is missing'],
      [{ id: 1, total: 1 }, '/total', 'is not a field of the record'],
      [{ id: 1, parent: { 'shop.Order': { id: 'x' } } }, '/parent/shop.Order/id', 'must be a whole number of 64 bits'],
    ]);
  });

  test('schemas that are referred to are known by their names', () => {
    const line: Import = {
      name: 'shop.Line',
      text: JSON.stringify({ type: 'record', name: 'shop.Line', fields: [{ name: 'sku', type: 'string' }] }),
    };
    const check = checkOf('avro', { type: 'array', items: 'shop.Line' }, [line]);
    expect(check([{ sku: 'x' }])).toBeUndefined();
    expectMisfits(check, [[[{ sku: 1 }], '/0/sku', 'must be a string']]);
  });

  test.each([
    ['no JSON', 'record'],
    ['an unknown type', '"nothing"'],
    ['a record without fields', '{"type":"record","name":"R"}'],
    ['a default of another type', '{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}'],
    ['a number', '1'],
  ])('refuses a schema that is %s', (_, text) => {
    expect(() => parseSchema({ type: 'avro', text, imports: [] })).toThrow(
      expect.objectContaining({ code: 'SCHEMA_INVALID' }),
    );
  });
});

describe('Protobuf', () => {
  const order = `syntax = "proto3"; package shop;
    import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
    message Order {
      int64 order_id = 1; repeated Line lines = 2; map<string, int32> stock = 3; State state = 4; bytes data = 5;
      oneof payment { string iban = 6; int32 card = 7; }
      google.protobuf.Timestamp placed = 8; google.protobuf.Int32Value limit = 9; double price = 10; optional bool paid = 11;
      message Line { string sku = 1; uint32 count = 2; }
    }
    enum State { OPEN = 0; DONE = 1; }`;

  test('a value in canonical JSON fits, by either name of a field', () => {
    const check = checkOf('protobuf', order);
    expect(check({})).toBeUndefined();
    expect(
      check({
        orderId: '9223372036854775807',
        lines: [{ sku: 'a', count: 1 }],
        stock: { x: 1 },
        state: 'DONE',
        data: 'aGk=',
        iban: 'D',
      }),
    ).toBeUndefined();
    expect(
      check({
        order_id: 7,
        state: 1,
        placed: '2024-02-29T12:00:00Z',
        limit: 5,
        price: 'Infinity',
        paid: null,
        card: 1,
      }),
    ).toBeUndefined();
  });

  test('the path leads to what does not fit', () => {
    expectMisfits(checkOf('protobuf', order), [
      [[], '', 'expected object: []'],
      [{ orderId: 'x' }, '/orderId', 'invalid integer: "x"'],
      [{ orderId: '9223372036854775808' }, '/orderId', 'out of range for int64: "9223372036854775808"'],
      [{ total: 1 }, '/total', 'unknown field: "total"'],
      [{ lines: {} }, '/lines', 'expected array: {}'],
      [{ lines: [{ sku: 'a' }, { count: -1 }] }, '/lines/1/count', 'out of range for uint32: -1'],
      [{ lines: [null] }, '/lines/0', 'expected object: null'],
      [{ stock: { a: 1, b: 'x' } }, '/stock/b', 'invalid integer: "x"'],
      [{ state: 'LOST' }, '/state', 'unknown enum value: "LOST"'],
      [{ iban: 'D', card: 1 }, '', 'multiple values for oneof payment'],
      [{ paid: 1 }, '/paid', 'expected boolean: 1'],
    ]);
    expect(checkOf('protobuf', order)({ placed: 'yesterday' })).toMatchObject({ path: '/placed' });
  });

  test('the first message of the file itself is what a value is', () => {
    const line: Import = {
      name: 'line.proto',
      text: 'syntax = "proto3"; package shop; message Line { string sku = 1; }',
    };
    const check = checkOf(
      'protobuf',
      'syntax = "proto3"; package shop; import "line.proto"; message Order { Line line = 1; } message B { int32 b = 1; }',
      [line],
    );
    expect(check({ line: { sku: 'x' } })).toBeUndefined();
    expect(check({ sku: 'x' })).toMatchObject({ path: '/sku' });
    expect(check({ b: 1 })).toMatchObject({ path: '/b' });
  });

  test('required fields of proto2 are required, also within', () => {
    const check = checkOf(
      'protobuf',
      'syntax = "proto2"; message Order { required int32 id = 1; repeated Line lines = 2; message Line { required string sku = 1; } }',
    );
    expect(check({ id: 1, lines: [{ sku: 'a' }] })).toBeUndefined();
    expectMisfits(check, [
      [{}, '/id', 'is missing'],
      [{ id: null }, '/id', 'is missing'],
      [{ id: 1, lines: [{ sku: 'a' }, {}] }, '/lines/1/sku', 'is missing'],
    ]);
  });

  test.each([
    ['no Protobuf', 'hello'],
    ['without a message', 'syntax = "proto3"; enum E { A = 0; }'],
    ['of a type that is nowhere', 'syntax = "proto3"; message M { Nothing a = 1; }'],
    ['with an import that is nowhere', 'syntax = "proto3"; import "none.proto"; message M {}'],
    ['with a number twice', 'syntax = "proto3"; message M { int32 a = 1; int32 b = 1; }'],
  ])('refuses a schema that is %s', (_, text) => {
    expect(() => parseSchema({ type: 'protobuf', text, imports: [] }).compile()).toThrow(
      expect.objectContaining({ code: 'SCHEMA_INVALID' }),
    );
  });
});
