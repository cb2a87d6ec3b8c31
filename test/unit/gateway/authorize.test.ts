/** The rules of policy `authorize`: what each part asks, and that nothing else passes. */
import { describe, expect, test } from 'vitest';
import { SluiceError } from '#kernel';
import { authorizeSchema, compileAuthorize } from '../../../src/gateway/policies/authorize.ts';
import type { GatewayRequest } from '../../../src/gateway/policy.ts';

interface Caller {
  readonly claims?: Record<string, unknown>;
  readonly client?: { name: string; scopes: string[] };
  readonly method?: string;
  readonly params?: string[];
}

function ask(
  rules: object[],
  { claims, client, method = 'GET', params = [] }: Caller,
  path = '/t/{tenant}/{rest...}',
): string {
  const policy = compileAuthorize(authorizeSchema.parse({ rules }), path);
  const answerHeaders: string[] = [];
  const verdict = policy.check?.({ claims, client, method, params, answerHeaders } as unknown as GatewayRequest);
  return verdict instanceof SluiceError ? verdict.code : 'passes';
}

const claim = (test: object) => [{ claims: [test] }];

describe('a rule', () => {
  test.each<[string, object, Record<string, unknown>, string]>([
    ['equals', { claim: 'a', equals: 'x' }, { a: 'x' }, 'passes'],
    ['equals, not a list of it', { claim: 'a', equals: 'x' }, { a: ['x'] }, 'ACCESS_DENIED'],
    ['equals, not as text', { claim: 'a', equals: 1 }, { a: '1' }, 'ACCESS_DENIED'],
    ['equals a truth', { claim: 'verified', equals: true }, { verified: true }, 'passes'],
    ['one of', { claim: 'a', one_of: ['x', 'y'] }, { a: 'y' }, 'passes'],
    ['one of, none', { claim: 'a', one_of: ['x', 'y'] }, {}, 'ACCESS_DENIED'],
    ['contains', { claim: 'roles', contains: 'admin' }, { roles: ['user', 'admin'] }, 'passes'],
    ['contains, in words', { claim: 'roles', contains: 'admin' }, { roles: 'user admin' }, 'passes'],
    [
      'contains, not a part of a word',
      { claim: 'roles', contains: 'admin' },
      { roles: ['administrator'] },
      'ACCESS_DENIED',
    ],
    [
      'contains, not a part of text',
      { claim: 'roles', contains: 'admin' },
      { roles: 'administrator' },
      'ACCESS_DENIED',
    ],
    ['inside objects', { claim: ['realm', 'roles'], contains: 'a' }, { realm: { roles: ['a'] } }, 'passes'],
    [
      'a name with dots is a name',
      { claim: 'https://x.example/role', equals: 'a' },
      { 'https://x.example/role': 'a' },
      'passes',
    ],
    ['nothing of what objects inherit', { claim: ['constructor', 'name'], equals: 'Object' }, {}, 'ACCESS_DENIED'],
    ['a parameter', { claim: 'tenant', equals_param: 'tenant' }, { tenant: 'acme' }, 'passes'],
    ['another one', { claim: 'tenant', equals_param: 'tenant' }, { tenant: 'other' }, 'ACCESS_DENIED'],
    ['no claim, no parameter', { claim: 'tenant', equals_param: 'tenant' }, {}, 'ACCESS_DENIED'],
    ['a list with the parameter', { claim: 'tenants', contains_param: 'tenant' }, { tenants: ['a', 'acme'] }, 'passes'],
    [
      'a list is not equal to one of it',
      { claim: 'tenants', equals_param: 'tenant' },
      { tenants: ['acme'] },
      'ACCESS_DENIED',
    ],
  ])('looks at a claim: %s', (_, test, claims, expected) => {
    expect(ask(claim(test), { claims, params: ['acme', 'x'] })).toBe(expected);
  });

  test('compares a parameter as the upstream reads it', () => {
    const rules = claim({ claim: 'tenant', equals_param: 'tenant' });
    const claims = { tenant: 'a b' };
    expect(ask(rules, { claims, params: ['a%20b'] })).toBe('passes');
    expect(ask(rules, { claims, params: ['a%2520b'] })).toBe('ACCESS_DENIED');
    expect(ask(rules, { claims: { tenant: '%zz' }, params: ['%zz'] })).toBe('ACCESS_DENIED');
    expect(ask(rules, { claims: { tenant: '' }, params: [''] })).toBe('ACCESS_DENIED');
    expect(ask(rules, { claims: { tenant: 7 }, params: ['7'] })).toBe('passes');
    expect(ask(rules, { claims: { tenant: null }, params: ['null'] })).toBe('ACCESS_DENIED');
  });

  test('holds in all its parts, or does not', () => {
    const rules = [
      { methods: ['GET'], scopes: ['read'] },
      {
        methods: ['PUT'],
        scopes: ['read', 'write'],
        claims: [
          { claim: 'a', equals: 1 },
          { claim: 'b', equals: 2 },
        ],
      },
    ];
    const claims = { scope: 'read write', a: 1, b: 2 };
    expect(ask(rules, { claims })).toBe('passes');
    expect(ask(rules, { claims, method: 'PUT' })).toBe('passes');
    expect(ask(rules, { claims: { ...claims, b: 3 }, method: 'PUT' })).toBe('ACCESS_DENIED');
    expect(ask(rules, { claims: { ...claims, scope: 'read' }, method: 'PUT' })).toBe('ACCESS_DENIED');
    expect(ask(rules, { claims, method: 'DELETE' })).toBe('ACCESS_DENIED');
    expect(ask(rules, { claims, method: 'HEAD' })).toBe('ACCESS_DENIED');
  });
});

test('nobody passes without rules, and nobody unknown with them', () => {
  expect(ask([], { claims: { scope: 'admin' } })).toBe('ACCESS_DENIED');
  expect(ask([{}], {})).toBe('TOKEN_MISSING');
  expect(ask([{}], { claims: {} })).toBe('passes');
});

test('a client of this server has its name as a claim, and what its scopes cover; a token only what stands in it', () => {
  const client = { name: 'ann', scopes: ['call:shop-*'] };
  expect(ask(claim({ claim: 'client_id', equals: 'ann' }), { client })).toBe('passes');
  expect(ask([{ scopes: ['call:shop-a'] }], { client })).toBe('passes');
  expect(ask([{ scopes: ['call:other'] }], { client })).toBe('ACCESS_DENIED');
  expect(ask([{ scopes: ['read'] }], { claims: { scope: 'admin' } })).toBe('ACCESS_DENIED');
});

test('a declaration that says nothing, or two things, or names what is not there, is refused', () => {
  const parse = (test: object) => authorizeSchema.safeParse({ rules: claim(test) }).success;
  expect(parse({ claim: 'a' })).toBe(false);
  expect(parse({ claim: 'a', equals: 1, contains: 2 })).toBe(false);
  expect(() => ask(claim({ claim: 'a', equals_param: 'other' }), {})).toThrow(
    expect.objectContaining({ code: 'RESOURCE_INVALID' }),
  );
});
