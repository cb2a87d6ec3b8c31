/** Requests and answers held to API descriptions: what is found where, styles of parameters, hostile input, vendors' files. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { DEFAULT_LIMITS } from '#kernel';
import { compileValidation, validationSchema } from '../../../src/gateway/openapi/validation.ts';
import type { WholeAnswer } from '../../../src/gateway/policy.ts';
import { askNow, type RequestParts, requestOf } from './request.ts';

const ITEM = {
  type: 'object',
  required: ['id', 'name'],
  properties: {
    id: { type: 'integer', readOnly: true },
    name: { type: 'string', minLength: 1, pattern: '^[a-z ]+$' },
    tags: { type: 'array', items: { type: 'string' }, uniqueItems: true },
    secret: { type: 'string', writeOnly: true },
    parent: { $ref: '#/components/schemas/Item' },
  },
  additionalProperties: false,
};

const operation = (parts: object) => ({ responses: { 200: { description: 'ok' } }, ...parts });
const query = (name: string, schema: object, more: object = {}) => ({ name, in: 'query', schema, ...more });
const PATHS = {
  '/items': {
    get: operation({
      parameters: [
        query('limit', { type: 'integer', maximum: 10 }, { required: true }),
        query('ids', { type: 'array', items: { type: 'integer' } }, { explode: false }),
        query('many', { type: 'array', items: { type: 'boolean' } }),
        query('pipes', { type: 'array', items: { type: 'integer' } }, { style: 'pipeDelimited', explode: false }),
        query('filter', { type: 'object', properties: { age: { type: 'integer' } } }, { style: 'deepObject' }),
        query('json', {}, { schema: undefined, content: { 'application/json': { schema: { type: 'array' } } } }),
        { name: 'X-Trace', in: 'header', schema: { type: 'array', items: { type: 'integer' } } },
        { name: 'theme', in: 'cookie', schema: { enum: ['dark', 'light'] } },
      ],
      responses: {
        200: {
          headers: { 'X-Total': { required: true, schema: { type: 'integer' } } },
          content: { 'application/json': { schema: { type: 'array', items: { $ref: '#/components/schemas/Item' } } } },
        },
        '4XX': { content: { 'text/plain': {} } },
      },
    }),
    post: operation({
      requestBody: {
        required: true,
        content: {
          'application/json': { schema: { $ref: '#/components/schemas/Item' } },
          'application/x-www-form-urlencoded': {
            schema: { type: 'object', required: ['age'], properties: { age: { type: 'integer' } } },
          },
          'image/*': {},
        },
      },
    }),
  },
  '/items/{id}': {
    parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer' } }],
    get: operation({}),
  },
  '/items/top': { get: operation({}) },
};

function api(spec: object = {}, paths: object = PATHS, openapi = '3.1.0') {
  const document = { openapi, paths, components: { schemas: { Item: ITEM } } };
  const found: string[] = [];
  const validation = compileValidation(validationSchema.parse({ openapi: document, responses: 'block', ...spec }), {
    limits: DEFAULT_LIMITS,
    found: (what, refused) => found.push(`${what} ${refused}`),
    eager: true,
  });
  return { validation, found };
}

/** The code, and where it does not fit. */
function checked(parts: RequestParts, { validation } = api()): unknown[] {
  const { allow, code, details } = askNow(validation, requestOf({ path: '/items', ...parts }));
  const errors = (details as { errors?: { in: string; pointer: string }[] } | undefined)?.errors ?? [];
  return allow ? [] : [code, ...errors.map((one) => `${one.in} ${one.pointer}`)];
}

const json = (value: unknown): RequestParts => ({
  method: 'POST',
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
});

describe('a request', () => {
  test.each<[string, RequestParts, unknown[]]>([
    ['fits', { query: 'limit=3' }, []],
    ['to another path', { path: '/other' }, ['OPERATION_UNKNOWN']],
    ['of another method', { method: 'PUT' }, ['METHOD_NOT_ALLOWED']],
    ['of a literal path before a template', { path: '/items/top' }, []],
    ['with a path parameter', { path: '/items/7' }, []],
    ['with a wrong path parameter', { path: '/items/x%20y' }, ['REQUEST_MISMATCH', 'path /id']],
    ['without what is required', {}, ['REQUEST_MISMATCH', 'query /limit']],
    ['with several faults', { query: 'limit=11&ids=1,x' }, ['REQUEST_MISMATCH', 'query /limit', 'query /ids/1']],
    ['with lists', { query: 'limit=1&ids=1,2&many=true&many=false&pipes=1%7C2' }, []],
    ['with a wrong list', { query: 'limit=1&many=true&many=7' }, ['REQUEST_MISMATCH', 'query /many/1']],
    ['with a deep object', { query: 'limit=1&filter[age]=3' }, []],
    ['with a wrong deep object', { query: 'limit=1&filter[age]=x' }, ['REQUEST_MISMATCH', 'query /filter/age']],
    ['with JSON in the query', { query: 'limit=1&json=%5B1%5D' }, []],
    ['with other JSON in the query', { query: 'limit=1&json=%7B%7D' }, ['REQUEST_MISMATCH', 'query /json']],
    ['with a header', { query: 'limit=1', headers: { 'x-trace': '1, 2' } }, []],
    [
      'with a wrong header',
      { query: 'limit=1', headers: { 'x-trace': 'a' } },
      ['REQUEST_MISMATCH', 'header /X-Trace/0'],
    ],
    [
      'with a wrong cookie',
      { query: 'limit=1', headers: { cookie: 'theme=red' } },
      ['REQUEST_MISMATCH', 'cookie /theme'],
    ],
    ['with a body, without what only answers have', json({ name: 'a' }), []],
    ['with a wrong member', json({ name: '' }), ['REQUEST_MISMATCH', 'body /name']],
    ['with a wrong nested member', json({ name: 'a', parent: { name: 7 } }), ['REQUEST_MISMATCH', 'body /parent/name']],
    ['without a member', json({}), ['REQUEST_MISMATCH', 'body /name']],
    ['with one too many', json({ name: 'a', 'x/y': 1 }), ['REQUEST_MISMATCH', 'body /x~1y']],
    ['with a member of every object', json('{"name":"a","__proto__":{}}'), ['REQUEST_MISMATCH', 'body /__proto__']],
    ['with equal items', json({ name: 'a', tags: ['x', 'x'] }), ['REQUEST_MISMATCH', 'body /tags']],
    ['with what is no JSON', json('{'), ['REQUEST_MISMATCH', 'body ']],
    ['without a body', { method: 'POST' }, ['REQUEST_MISMATCH', 'body ']],
    ['with a body that has no place', { ...json({}), method: 'GET', query: 'limit=1' }, ['REQUEST_MISMATCH', 'body ']],
    ['of another type', { ...json('<a/>'), headers: { 'content-type': 'text/xml' } }, ['MEDIA_TYPE_UNSUPPORTED']],
    ['of a type of a range', { ...json('x'), headers: { 'content-type': 'image/png' } }, []],
  ])('%s', (_, parts, expected) => {
    expect(checked(parts)).toEqual(expected);
  });

  test('as a form is read by its schema', () => {
    const form = (text: string) => ({
      ...json(text),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(checked(form('age=7'))).toEqual([]);
    expect(checked(form('age=x'))).toEqual(['REQUEST_MISMATCH', 'body /age']);
  });

  test('that does not fit passes and is counted in mode log, and is not looked at in mode off', () => {
    const log = api({ requests: 'log' });
    const request = requestOf({ path: '/items' });
    expect(askNow(log.validation, request).allow).toBe(true);
    expect(log.found).toEqual(['request false']);
    expect(request.notes.get('mismatch')).toBe('REQUEST_MISMATCH: query /limit is missing');
    const off = api({ requests: 'off' });
    expect([checked({}, off), off.found]).toEqual([[], []]);
  });

  test('is looked up without the base path', () => {
    const based = api({ base_path: '/v1' });
    expect(checked({ path: '/v1/items/7' }, based)).toEqual([]);
    expect(checked({ path: '/items/7' }, based)).toEqual(['OPERATION_UNKNOWN']);
    expect(checked({ path: '/v10/items/7' }, based)).toEqual(['OPERATION_UNKNOWN']);
  });

  test('costs little, whatever it holds', () => {
    const deep = `${'{"name":"a","parent":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
    expect(checked(json(deep))[0]).toBe('REQUEST_MISMATCH');
    const tags = Array.from({ length: 100_000 }, (_, i) => String(i));
    expect(checked(json({ name: 'a', tags }))).toEqual([]);
    const slow = { ...ITEM, properties: { name: { type: 'string', pattern: '^(a|b)*c$' } } };
    const body = { required: true, content: { 'application/json': { schema: slow } } };
    const { validation } = api({}, { '/items': { post: operation({ requestBody: body }) } });
    expect(checked(json({ id: 1, name: 'a'.repeat(500_000) }), { validation, found: [] })[0]).toBe('REQUEST_MISMATCH');
  });
});

describe('an answer', () => {
  const answerOf = (status: number, body: unknown, headers: Record<string, string> = {}): WholeAnswer => ({
    status,
    headers: Object.entries({ 'content-type': 'application/json', 'x-total': '1', ...headers }).flat(),
    body: Buffer.from(JSON.stringify(body)),
  });
  const judge = (answer: WholeAnswer, spec: object = {}) => {
    const { validation } = api(spec);
    const request = requestOf({ path: '/items', query: 'limit=1' });
    askNow(validation, request);
    const verdicts = validation.answers.map(({ answer: step }) => {
      if (step?.bytesMax !== 0 && step?.wants?.(request, answer.status, answer.headers) === false) return answer;
      return step?.edit(request, answer);
    });
    const error = verdicts.find((one) => one !== answer) as { code?: string; details?: object } | undefined;
    return error === undefined ? 'fits' : [error.code, error.details, request.notes.get('mismatch')];
  };

  test.each<[WholeAnswer, unknown]>([
    [answerOf(200, [{ id: 1, name: 'a' }]), 'fits'],
    [answerOf(404, {}, { 'content-type': 'text/plain' }), 'fits'],
    [answerOf(200, [{ name: 'a' }]), 'body /0/id is missing'],
    [answerOf(200, [{ id: 1, name: 'a', password: 'x' }]), 'body /0/password is not allowed here'],
    [answerOf(200, [], { 'x-total': 'many' }), 'header X-Total must be integer'],
    [answerOf(200, [], { 'content-type': 'text/html' }), 'media type text/html is not described'],
    [answerOf(500, {}), 'status 500 is not described'],
  ])('is judged: case %#', (answer, expected) => {
    const wrong = ['RESPONSE_MISMATCH', {}, `RESPONSE_MISMATCH: ${expected as string}`];
    expect(judge(answer)).toEqual(expected === 'fits' ? 'fits' : wrong);
    expect(judge(answer, { responses: 'log' })).toBe('fits');
  });
});

describe('a description', () => {
  const one = (schema: object) => ({
    '/a': { post: operation({ requestBody: { content: { 'application/json': { schema } } } }) },
  });

  test.each<[string, object, string]>([
    ['of another version', { openapi: { swagger: '2.0' } }, 'OpenAPI 3.0 or 3.1'],
    ['with a schema that leads nowhere', { openapi: { openapi: '3.1.0', paths: one({ $ref: '#/x' }) } }, 'no schema'],
    [
      'with a reference out of it',
      { openapi: { openapi: '3.1.0', paths: one({ $ref: 'http://x/y' }) } },
      'another document',
    ],
    ['with a schema that is none', { openapi: { openapi: '3.1.0', paths: one({ type: 'text' }) } }, 'type'],
    [
      'with a slow pattern',
      { openapi: { openapi: '3.1.0', paths: one({ pattern: '(a+)+$' }) } },
      'could take too long',
    ],
    [
      'with a parameter in a circle',
      { openapi: { openapi: '3.1.0', paths: { '/a': { parameters: [{ $ref: '#/paths/~1a/parameters/0' }] } } } },
      'refers to itself',
    ],
  ])('%s is refused', (_, spec, why) => {
    expect(() => api(spec)).toThrow(
      expect.objectContaining({ code: 'RESOURCE_INVALID', message: expect.stringContaining(why) }),
    );
  });

  test('with a slow pattern can be taken without it', () => {
    const openapi = { openapi: '3.1.0', paths: one({ type: 'string', pattern: '(a+)+$', maxLength: 3 }) };
    const lenient = api({ openapi, unsafe_patterns: 'ignore' });
    expect(checked({ ...json('"bbb"'), path: '/a' }, lenient)).toEqual([]);
    expect(checked({ ...json('"bbbb"'), path: '/a' }, lenient)).toEqual(['REQUEST_MISMATCH', 'body ']);
  });

  test('of OpenAPI 3.0 is read as that says', () => {
    const schema = { type: 'integer', nullable: true, minimum: 3, exclusiveMinimum: true };
    const old = api({}, one(schema), '3.0.3');
    expect(['null', '4', '3'].map((text) => checked({ ...json(text), path: '/a' }, old)[0])).toEqual([
      undefined,
      undefined,
      'REQUEST_MISMATCH',
    ]);
  });
});

const SPECS = ['../../../../shared/specs/', '../../../../../shared/specs/']
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find(existsSync);

describe.skipIf(SPECS === undefined)("a vendor's file", () => {
  test.each([
    ['discord.json', '/users/@me', 'GET', []],
    ['hubspot-contacts.json', '/crm/v3/objects/contacts/1', 'GET', []],
    ['intercom.yaml', '/contacts/search', 'PUT', ['METHOD_NOT_ALLOWED']],
    ['jira.json', '/rest/api/3/issue/A-1/comment', 'POST', ['REQUEST_MISMATCH', 'body ']],
    ['klaviyo.json', '/api/profiles', 'GET', ['REQUEST_MISMATCH', 'header /revision']],
    ['sendgrid-mail.json', '/v3/mail/send', 'PATCH', ['METHOD_NOT_ALLOWED']],
    ['pagerduty.json', '/incidents/x', 'GET', []],
    ['paypal-orders.json', '/v2/checkout/orders', 'POST', ['REQUEST_MISMATCH']],
  ])('is taken: %s', (file, path, method, expected) => {
    const text = readFileSync(`${SPECS}${file}`, 'utf8');
    const openapi = file.endsWith('.json') ? JSON.parse(text) : parse(text);
    const vendor = api({ openapi, unsafe_patterns: 'ignore' });
    const found = checked({ path, method }, vendor);
    expect(found.slice(0, expected.length)).toEqual(expected);
    expect(found.length > 0).toBe(expected.length > 0);
  });
});
