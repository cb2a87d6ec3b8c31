/** Tokens that an authorization server is asked about: how it is asked, what is remembered, what fails how. */
import { describe, expect, test, vi } from 'vitest';
import { DEFAULT_LIMITS, ManualClock } from '#kernel';
import { compileIntrospection, introspectionSchema } from '../../../src/gateway/policies/introspection.ts';
import type { FetchKeys } from '../../../src/gateway/policies/key-set.ts';
import { ask, requestOf, type Said } from './request.ts';

const NOW_S = 1_800_000_000;
const ACTIVE = { active: true, sub: 'ann', scope: 'read write', aud: 'api', exp: NOW_S + 1_000 };

function introspection(answer: unknown, spec: object = {}) {
  const fetch = vi.fn<FetchKeys>(async () => (answer instanceof Response ? answer.clone() : Response.json(answer)));
  const clock = new ManualClock(NOW_S * 1000);
  const base = { url: 'https://issuer.example/introspect', client_id: 'gate way', client_secret: 's:1' };
  const limits = { ...DEFAULT_LIMITS, tokensKeptMax: 2 };
  const policy = compileIntrospection(introspectionSchema.parse({ ...base, ...spec }), { clock, limits, fetch });
  const check = (token?: string) =>
    ask(policy, requestOf({ headers: token === undefined ? {} : { authorization: `Bearer ${token}` } }));
  return { check, fetch, clock };
}

const code = async (decision: Said | Promise<Said>) => {
  const found = await decision;
  return found.allow ? 'allowed' : found.code;
};

describe('a token', () => {
  test('is asked about with the credentials of the gateway, and its claims are given', async () => {
    const { check, fetch } = introspection(ACTIVE);
    expect(await check('t+1')).toEqual({ allow: true, headers: {}, claims: ACTIVE });
    const [url, options] = fetch.mock.calls[0] as unknown as [
      string,
      { method: string; body: string; headers: Headers },
    ];
    expect(url).toBe('https://issuer.example/introspect');
    expect(options).toMatchObject({
      method: 'POST',
      redirect: 'manual',
      body: 'token=t%2B1&token_type_hint=access_token',
    });
    expect(options.headers.get('authorization')).toBe(`Basic ${Buffer.from('gate%20way:s%3A1').toString('base64')}`);
  });

  test.each<[string, unknown, object]>([
    ['TOKEN_INACTIVE', { active: false }, {}],
    ['TOKEN_INACTIVE', { active: 'true' }, {}],
    ['TOKEN_EXPIRED', { ...ACTIVE, exp: NOW_S }, {}],
    ['TOKEN_AUDIENCE_REFUSED', ACTIVE, { audiences: ['other'] }],
    ['allowed', ACTIVE, { audiences: ['other', 'api'], scopes: ['write'] }],
    ['FORBIDDEN', ACTIVE, { scopes: ['admin'] }],
    ['INTROSPECTION_FAILED', null, {}],
    ['INTROSPECTION_FAILED', new Response('no', { status: 401 }), {}],
    ['INTROSPECTION_FAILED', new Response(null, { status: 302, headers: { location: 'http://127.0.0.1/' } }), {}],
    ['INTROSPECTION_FAILED', new Response('not JSON'), {}],
    ['INTROSPECTION_FAILED', new Response(`"${'x'.repeat(DEFAULT_LIMITS.keySetBytesMax)}"`), {}],
  ])('is answered %s: case %#', async (expected, answer, spec) => {
    expect(await code(introspection(answer, spec).check('t'))).toBe(expected);
  });

  test('is asked for where there is none, and not asked about when it is too long', async () => {
    const { check, fetch } = introspection(ACTIVE);
    expect(await check()).toMatchObject({
      code: 'TOKEN_MISSING',
      headers: { 'www-authenticate': 'Bearer realm="api"' },
    });
    expect(await code(check('x'.repeat(DEFAULT_LIMITS.tokenBytesMax + 1)))).toBe('TOKEN_MALFORMED');
    expect(fetch).not.toHaveBeenCalled();
  });
});

describe('an answer', () => {
  test('is shared by requests at once, and remembered for its time', async () => {
    const { check, fetch, clock } = introspection(ACTIVE, { keep_s: 60 });
    await Promise.all([check('t'), check('t'), check('t')]);
    clock.advance(59_999);
    expect(check('t')).not.toBeInstanceOf(Promise);
    expect(fetch).toHaveBeenCalledTimes(1);
    clock.advance(1);
    await check('t');
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  test('is not remembered past the expiry of the token', async () => {
    const { check, clock } = introspection({ ...ACTIVE, exp: NOW_S + 5 }, { keep_s: 60 });
    await check('t');
    clock.advance(5_000);
    expect(await code(check('t'))).toBe('TOKEN_EXPIRED');
  });

  test('that refuses is remembered for a shorter time, a failure not at all', async () => {
    const refused = introspection({ active: false }, { keep_refused_s: 10 });
    await refused.check('t');
    refused.clock.advance(9_999);
    expect(refused.check('t')).not.toBeInstanceOf(Promise);
    refused.clock.advance(1);
    await refused.check('t');
    expect(refused.fetch).toHaveBeenCalledTimes(2);
    const failed = introspection(new Response('no', { status: 500 }));
    await failed.check('t');
    await failed.check('t');
    expect(failed.fetch).toHaveBeenCalledTimes(2);
  });

  test('gives way to newer ones when there are too many', async () => {
    const { check, fetch } = introspection(ACTIVE);
    for (const token of ['a', 'b', 'c']) await check(token);
    expect(check('c')).not.toBeInstanceOf(Promise);
    await check('a');
    expect(fetch).toHaveBeenCalledTimes(4);
  });
});
