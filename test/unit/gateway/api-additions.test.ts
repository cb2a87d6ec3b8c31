/** What may change in an API without its callers noticing, and documents that go in circles. */
import { describe, expect, test } from 'vitest';
import { breaksBetween } from '../../../src/gateway/api/breaks.ts';
import { AT, documentOf, object, type Parts, query, text, told } from './api-documents.ts';

describe('what does not break callers', () => {
  const cases: [what: string, before: Parts, after: Parts][] = [
    ['an operation that comes', {}, { more: { '/b': { get: { responses: {} } } } }],
    ['an optional parameter that comes', {}, { parameters: [query('q')] }],
    [
      'a parameter that need not be there any more',
      { parameters: [query('q', { required: true })] },
      { parameters: [query('q')] },
    ],
    ['a field of the answer that comes', { response: object({}) }, { response: object({ a: text }) }],
    ['an optional field of the request that comes', { request: object({}) }, { request: object({ a: text }) }],
    ['a value of an enumeration that comes', { request: { enum: ['a'] } }, { request: { enum: ['a', 'b'] } }],
    ['a request that takes more types', { request: { type: 'integer' } }, { request: { type: ['number', 'null'] } }],
    ['an answer that is more exact', { response: { type: 'number' } }, { response: { type: 'integer' } }],
    ['a limit that widens', { request: { maxLength: 3 } }, { request: { maxLength: 4 } }],
    ['a limit on what is answered', { response: text }, { response: { ...text, maxLength: 4 } }],
    [
      'a header name in other case',
      { parameters: [{ name: 'X-A', in: 'header' }] },
      { parameters: [{ name: 'x-a', in: 'header' }] },
    ],
    ['a further way in', { security: [{ key: [] }] }, { security: [{ oauth: [] }, { key: [] }] }],
    ['a scheme of another name', { security: [{ key: [] }] }, { security: [{ key2: [] }] }],
    ['no key any more', { security: [{ key: [] }] }, { security: [] }],
    [
      'an alternative of the request that comes',
      { request: { oneOf: [text] } },
      { request: { oneOf: [{ type: 'integer' }, text] } },
    ],
    [
      'the same said by allOf and references',
      { response: object({ a: text, b: text }, { required: ['a'] }) },
      {
        response: { allOf: [{ $ref: '#/components/schemas/A' }, object({ b: text })] },
        schemas: { A: object({ a: text }, { required: ['a'] }) },
      },
    ],
  ];
  test.each(cases)('%s', (_what, before, after) => {
    expect(told(before, after)).toEqual([]);
  });

  test('another name of a path parameter', () => {
    const { paths, ...rest } = documentOf({});
    expect(breaksBetween({ ...rest, paths }, { ...rest, paths: { '/a/{order}': paths['/a/{id}'] } })).toEqual([]);
  });
});

describe('documents that go in circles', () => {
  const tree = (value: object) => ({
    response: { $ref: '#/components/schemas/Tree' },
    schemas: { Tree: object({ value, children: { type: 'array', items: { $ref: '#/components/schemas/Tree' } } }) },
  });
  test('are compared to their end, and a break in them is told once', () => {
    expect(told(tree(text), tree(text))).toEqual([]);
    expect(told(tree(text), tree({ type: 'integer' }))).toEqual([['type_changed', `${AT} response 200 .value`]]);
  });

  test('also through alternatives', () => {
    const expression = (leaf: object) => {
      const part = { $ref: '#/components/schemas/E' };
      const branches = ['and', 'or', 'xor'].map((name) =>
        object({ [name]: { type: 'array', items: part } }, { required: [name] }),
      );
      return { response: part, schemas: { E: { oneOf: [leaf, ...branches] } } };
    };
    expect(told(expression(text), expression(text))).toEqual([]);
    expect(told(expression(text), expression({ type: 'integer' }))).toHaveLength(1);
  });

  test('or refer to themselves alone end too', () => {
    const self = { response: { $ref: '#/components/schemas/A' }, schemas: { A: { $ref: '#/components/schemas/A' } } };
    expect(told(self, self)).toEqual([]);
    const all = {
      response: { $ref: '#/components/schemas/A' },
      schemas: { A: { allOf: [{ $ref: '#/components/schemas/A' }] } },
    };
    expect(told(all, all)).toEqual([]);
  });
});
