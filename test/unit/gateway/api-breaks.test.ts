/** What breaks the callers of an API, rule by rule, and what does not. */
import { describe, expect, test } from 'vitest';
import { type BreakRule, breaksBetween } from '../../../src/gateway/api/breaks.ts';

interface Parts {
  readonly parameters?: unknown[];
  readonly request?: unknown;
  readonly required?: boolean;
  readonly response?: unknown;
  readonly schemas?: Record<string, unknown>;
  readonly security?: unknown;
  readonly more?: object;
}

/** A document with one operation, made of these. */
function documentOf({ parameters = [], request, required, response, schemas = {}, security, more = {} }: Parts) {
  const json = (schema: unknown) => ({ content: { 'application/json': { schema } } });
  return {
    openapi: '3.1.0',
    info: { title: 't', version: '1' },
    components: {
      schemas,
      securitySchemes: {
        key: { type: 'apiKey', in: 'header', name: 'x-key' },
        key2: { type: 'apiKey', in: 'header', name: 'x-key' },
        oauth: { type: 'oauth2', flows: {} },
      },
    },
    paths: {
      '/a/{id}': {
        post: {
          parameters,
          ...(request !== undefined && { requestBody: { ...json(request), required: required ?? true } }),
          responses: { 200: { description: 'ok', ...(response !== undefined && json(response)) } },
          ...(security !== undefined && { security }),
        },
      },
      ...more,
    },
  };
}

const told = (before: Parts, after: Parts) =>
  breaksBetween(documentOf(before), documentOf(after)).map(({ rule, at }) => [rule, at]);

const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });
const text = { type: 'string' };
const query = (name: string, more: object = {}) => ({ name, in: 'query', schema: text, ...more });
const AT = 'POST /a/{id}';

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
