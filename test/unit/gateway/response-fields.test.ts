/** Fields of answers: what is left of a JSON text, for whom, and answers that cannot be looked into. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, SluiceError } from '#kernel';
import { withSeed } from '#kit';
import { compileResponseFields, responseFieldsSchema } from '../../../src/gateway/policies/response-fields.ts';
import { type RequestParts, requestOf } from './request.ts';

async function shown(
  spec: object,
  text: string,
  parts: RequestParts = {},
  type = 'application/json',
  more: string[] = [],
) {
  const policy = compileResponseFields(responseFieldsSchema.parse(spec), DEFAULT_LIMITS);
  const answer = { status: 200, headers: ['content-type', type, 'etag', '"1"', ...more], body: Buffer.from(text) };
  const request = requestOf(parts);
  if (policy.answer.wants?.(request, 200, answer.headers) === false) return text;
  const edited = await policy.answer.edit(request, answer);
  return edited instanceof SluiceError ? edited.code : edited.body.toString();
}

const ORDER =
  '{"id":12345678901234567890,"card":"4111111111111111","items":[{"sku":"a","cost":1.50},{"sku":"b"}],"x":{"y":{"z":1}}}';

describe('of an answer', () => {
  test.each<[string, object, string, string]>([
    ['everything passes without rules, as it was written', {}, ' { "a" : 1e0 } ', '{ "a" : 1e0 }'],
    ['only what is allowed', { allow: ['/id'] }, ORDER, '{"id":12345678901234567890}'],
    ['in every item', { allow: ['/items/*/sku'] }, ORDER, '{"items":[{"sku":"a"},{"sku":"b"}]}'],
    ['with all that is in it', { allow: ['/x'] }, ORDER, '{"x":{"y":{"z":1}}}'],
    [
      'and nothing where a value is not what the path expects',
      { allow: ['/id/deep', '/x/y'] },
      ORDER,
      '{"x":{"y":{"z":1}}}',
    ],
    ['of an absent place nothing', { allow: ['/none/*/a'] }, ORDER, '{}'],
    ['of a list at the root its items', { allow: ['/*/a'] }, '[{"a":1,"b":2},3,[],{}]', '[{"a":1},[],{}]'],
    ['of a single value nothing', { allow: ['/a'] }, '"secret"', 'null'],
    ['by position in a list', { allow: ['/items/1'] }, ORDER, '{"items":[{"sku":"b"}]}'],
    [
      'what is taken out is gone',
      { redact: [{ path: '/items' }, { path: '/x/y' }] },
      ORDER,
      '{"id":12345678901234567890,"card":"4111111111111111","x":{}}',
    ],
    [
      'what is replaced',
      { allow: ['/items'], redact: [{ path: '/items/*/cost', with: null }] },
      ORDER,
      '{"items":[{"sku":"a","cost":null},{"sku":"b"}]}',
    ],
    [
      'what is masked',
      { allow: ['/card'], redact: [{ path: '/card', mask: 4 }] },
      ORDER,
      '{"card":"************1111"}',
    ],
    ['what is masked and short', { redact: [{ path: '/a', mask: 4 }] }, '{"a":"12"}', '{"a":"**"}'],
    ['what is masked and no text', { redact: [{ path: '/a', mask: 4 }] }, '{"a":{"b":1}}', '{"a":null}'],
    ['by every member', { redact: [{ path: '/*/y' }] }, '{"x":{"y":1,"z":2},"w":{"y":3}}', '{"x":{"z":2},"w":{}}'],
    ['a name behind escapes', { redact: [{ path: '/pass~1word' }] }, '{"pass\\u002fword":1,"a":2}', '{"a":2}'],
    ['a name twice', { redact: [{ path: '/a' }] }, '{"a":1,"b":2,"a":3}', '{"b":2}'],
  ])('%s', async (_, spec, text, expected) => {
    expect(await shown(spec, text)).toBe(expected);
  });

  test('each caller sees what its client or scope may', async () => {
    const spec = {
      allow: ['/id'],
      clients: { till: { redact: [{ path: '/card' }] } },
      scopes: { 'orders:all': {}, 'orders:some': { allow: ['/x'] } },
    };
    const text = '{"id":1,"card":2,"x":3}';
    expect(await shown(spec, text)).toBe('{"id":1}');
    expect(await shown(spec, text, { client: 'till' })).toBe('{"id":1,"x":3}');
    expect(await shown(spec, text, { client: 'other' })).toBe('{"id":1}');
    expect(await shown(spec, text, { claims: { scope: 'orders:some' } })).toBe('{"x":3}');
    expect(await shown(spec, text, { claims: { scp: ['orders:some', 'orders:all'] } })).toBe(text);
  });

  test('nothing else is changed, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), async (text) => {
        const value = JSON.parse(text) as unknown;
        expect(JSON.parse(await shown({ redact: [{ path: '/\u0001/\u0002' }] }, text))).toEqual(value);
        const hidden = JSON.parse(await shown({ allow: ['/\u0001'] }, text)) as unknown;
        const empty = Array.isArray(value) ? [] : typeof value === 'object' && value !== null ? {} : null;
        expect(hidden).toEqual(empty);
      }),
      withSeed({ numRuns: 500 }),
    );
  });
});

describe('an answer that cannot be looked into', () => {
  test.each<[string, Promise<string>]>([
    ['because it is no JSON', shown({ allow: [] }, '<a/>', {}, 'text/xml')],
    ['because it is not what it is called', shown({ allow: [] }, '{"a":')],
    ['because it is compressed', shown({ allow: [] }, '{}', {}, 'application/json', ['content-encoding', 'gzip'])],
    [
      'because it is too deep',
      shown({ redact: [{ path: `${'/a'.repeat(499)}` }, { path: '/*/*' }] }, `${'['.repeat(1e5)}`),
    ],
  ])('is refused %s', async (_, answer) => {
    expect(await answer).toBe('UPSTREAM_ANSWER_INVALID');
  });

  test('passes where that is allowed, but not for being called JSON', async () => {
    const spec = { allow: [], others: 'pass' };
    expect(await shown(spec, '<a/>', {}, 'text/xml')).toBe('<a/>');
    expect(await shown(spec, '{"a":')).toBe('UPSTREAM_ANSWER_INVALID');
  });

  test.each([[{ redact: [{ path: '/a', with: 1, mask: 1 }] }], [{ bytes_max: 1e9 }]])(
    'cannot be declared as %j',
    async (spec) => {
      await expect(shown(spec, '{}')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    },
  );
});
