/** What breaks the callers of an API, rule by rule. */
import { describe, expect, test } from 'vitest';
import { type BreakRule, breaksBetween } from '../../../src/gateway/api/breaks.ts';
import { AT, documentOf, object, type Parts, query, text, told } from './api-documents.ts';

describe('what breaks callers', () => {
  const cases: [what: string, rule: BreakRule, at: string, before: Parts, after: Parts][] = [
    ['an operation that goes', 'operation_removed', 'GET /b', { more: { '/b': { get: { responses: {} } } } }, {}],
    ['a parameter that goes', 'parameter_removed', `${AT} query q`, { parameters: [query('q')] }, {}],
    [
      'a parameter of another name',
      'parameter_removed',
      `${AT} query q`,
      { parameters: [query('q')] },
      { parameters: [query('search')] },
    ],
    [
      'a field of the request that goes',
      'parameter_removed',
      `${AT} request .a.b`,
      { request: object({ a: object({ b: text }) }) },
      { request: object({ a: object({}) }) },
    ],
    [
      'a field of the answer that goes, in a list in a list',
      'response_field_removed',
      `${AT} response 200 .items[].parts[].x`,
      {
        response: object({
          items: { type: 'array', items: object({ parts: { type: 'array', items: object({ x: text }) } }) },
        }),
      },
      {
        response: object({ items: { type: 'array', items: object({ parts: { type: 'array', items: object({}) } }) } }),
      },
    ],
    [
      'a field of the answer that may be missing',
      'response_field_removed',
      `${AT} response 200 .a`,
      { response: object({ a: text }, { required: ['a'] }) },
      { response: object({ a: text }) },
    ],
    [
      'a new parameter that is required',
      'required_parameter_added',
      `${AT} query q`,
      {},
      { parameters: [query('q', { required: true })] },
    ],
    [
      'a new field of the request that is required',
      'required_parameter_added',
      `${AT} request .b`,
      { request: object({ a: text }) },
      { request: object({ a: text, b: text }, { required: ['b'] }) },
    ],
    ['a body that is new and required', 'required_parameter_added', `${AT} request`, {}, { request: object({}) }],
    [
      'a parameter that becomes required',
      'parameter_required',
      `${AT} query q`,
      { parameters: [query('q')] },
      { parameters: [query('q', { required: true })] },
    ],
    [
      'a field of the request that becomes required',
      'parameter_required',
      `${AT} request .a`,
      { request: object({ a: text }) },
      { request: object({ a: text }, { required: ['a'] }) },
    ],
    [
      'a body that becomes required',
      'parameter_required',
      `${AT} request`,
      { request: text, required: false },
      { request: text },
    ],
    [
      'another type of a parameter',
      'type_changed',
      `${AT} query q`,
      { parameters: [query('q')] },
      { parameters: [query('q', { schema: { type: 'integer' } })] },
    ],
    [
      'another type of a path parameter, whatever its name',
      'type_changed',
      `${AT} path id`,
      { parameters: [{ name: 'id', in: 'path', required: true, schema: text }] },
      { parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer' } }] },
    ],
    [
      'an answer that may be null',
      'type_changed',
      `${AT} response 200`,
      { response: text },
      { response: { type: ['string', 'null'] } },
    ],
    [
      'a request that may no longer be null',
      'type_changed',
      `${AT} request`,
      { request: { type: ['string', 'null'] } },
      { request: text },
    ],
    [
      'an answer that becomes a list',
      'type_changed',
      `${AT} response 200`,
      { response: object({ a: text }) },
      { response: { type: 'array', items: object({ a: text }) } },
    ],
    [
      'an alternative of the request that goes',
      'type_changed',
      `${AT} request`,
      { request: { oneOf: [text, { type: 'integer' }] } },
      { request: { oneOf: [text] } },
    ],
    [
      'an alternative of the answer that comes',
      'type_changed',
      `${AT} response 200`,
      { response: { anyOf: [text] } },
      { response: { anyOf: [text, { type: 'integer' }] } },
    ],
    [
      'a value of an enumeration that goes',
      'enum_value_removed',
      `${AT} request .s`,
      { request: object({ s: { type: 'string', enum: ['a', 'b'] } }) },
      { request: object({ s: { type: 'string', enum: ['a'] } }) },
    ],
    ...['minLength', 'minimum', 'minItems'].map((name): (typeof cases)[number] => [
      `a ${name} that grows`,
      'validation_added',
      `${AT} request`,
      { request: { [name]: 1 } },
      { request: { [name]: 2 } },
    ]),
    ...['maxLength', 'maximum', 'exclusiveMaximum'].map((name): (typeof cases)[number] => [
      `a new ${name}`,
      'validation_added',
      `${AT} request`,
      { request: {} },
      { request: { [name]: 2 } },
    ]),
    [
      'a pattern',
      'validation_added',
      `${AT} query q`,
      { parameters: [query('q')] },
      { parameters: [query('q', { schema: { ...text, pattern: '^a' } })] },
    ],
    [
      'a list of values where anything went',
      'validation_added',
      `${AT} request`,
      { request: text },
      { request: { ...text, enum: ['a'] } },
    ],
    [
      'fields that are no longer taken',
      'validation_added',
      `${AT} request`,
      { request: object({}) },
      { request: object({}, { additionalProperties: false }) },
    ],
    ['a key where none was needed', 'auth_changed', AT, {}, { security: [{ key: [] }] }],
    [
      'a further scope',
      'auth_changed',
      AT,
      { security: [{ oauth: ['read'] }] },
      { security: [{ oauth: ['read', 'write'] }] },
    ],
    [
      'a way in that goes',
      'auth_changed',
      AT,
      { security: [{ key: [] }, { oauth: [] }] },
      { security: [{ oauth: [] }] },
    ],
    [
      'two keys instead of one',
      'auth_changed',
      AT,
      { security: [{ key: [] }] },
      { security: [{ key: [], oauth: [] }] },
    ],
  ];
  test.each(cases)('%s', (_what, rule, at, before, after) => {
    expect(told(before, after)).toEqual([[rule, at]]);
    expect(told(before, before)).toEqual([]);
  });

  test('a media type that is no longer taken or given, a status and a header that go', () => {
    const { paths: was } = documentOf({ request: text, response: text });
    const changed = structuredClone({ paths: was }) as unknown as {
      paths: Record<string, { post: Record<string, object> }>;
    };
    const { post } = changed.paths['/a/{id}'] as { post: Record<string, object> };
    post['requestBody'] = { required: true, content: { 'text/plain': { schema: text } } };
    post['responses'] = { 201: { description: 'made' } };
    expect(breaksBetween({ paths: was }, changed).map(({ rule, at, what }) => `${rule} ${at} ${what}`)).toEqual([
      `type_changed ${AT} request is no longer taken as application/json`,
      `response_field_removed ${AT} response 200 is gone`,
    ]);
  });
});
