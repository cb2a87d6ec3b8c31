/** Compatibility of Protobuf schemas: the published table, recursion, and where this registry is stricter. */
import { describe, expect, test } from 'vitest';
import { parseSchema } from '../../../src/schema/parse.ts';
import { FIELDS, type File, ONEOFS, type ProtobufCase } from './protobuf-cases.ts';

function parse({ text, imports = [] }: File) {
  return parseSchema({ type: 'protobuf', text, imports });
}

function differences(before: string, after: string) {
  return parse({ text: after }).differences(parse({ text: before }));
}

describe.each<[string, readonly ProtobufCase[]]>([
  ['messages and fields', FIELDS],
  ['oneofs', ONEOFS],
])('the published table, %s', (_, cases) => {
  test.each(cases)('%s', (_change, before, after, compatible) => {
    const found = parse(after).differences(parse(before));
    expect(found.length === 0, JSON.stringify(found)).toBe(compatible);
  });

  test.each(cases)('%s: before and after read themselves', (_change, before, after) => {
    expect(parse(before).differences(parse(before))).toEqual([]);
    expect(parse(after).differences(parse(after))).toEqual([]);
  });
});

test('a difference names the place by numbers, which is what counts', () => {
  const order = (type: string) =>
    `syntax = "proto3"; message Order { message Line { ${type} sku = 7; } repeated Line lines = 1; }`;
  expect(differences(order('int32'), order('string'))).toEqual([
    { path: '#/Order/1/7', message: 'int32 cannot be read as string' },
  ]);
});

test('messages that are within themselves are compared', () => {
  const tree = (type: string) => `syntax = "proto3"; message Tree { ${type} label = 1; repeated Tree children = 2; }`;
  expect(differences(tree('string'), tree('bytes'))).toEqual([]);
  expect(differences(tree('string'), tree('int32'))).toEqual([
    { path: '#/Tree/1', message: 'string cannot be read as int32' },
  ]);
});

describe('stricter than Confluent’s registry', () => {
  test('a number may not become repeated, also where proto3 leaves `optional` out', () => {
    const order = (label: string) => `syntax = "proto3"; message Order { ${label} int32 a = 1; }`;
    expect(differences(order(''), order('repeated'))).toHaveLength(1);
  });

  test('a field that is there may not become required', () => {
    const order = (label: string) => `syntax = "proto2"; message Order { ${label} string a = 1; }`;
    expect(differences(order('optional'), order('required'))).toHaveLength(1);
    expect(differences(order('required'), order('optional'))).toEqual([]);
  });
});
