/** The token policy: what it takes, and the code of each thing it does not. */
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { DEFAULT_LIMITS, ManualClock } from '#kernel';
import type { FetchKeys } from '../../../src/gateway/policies/key-set.ts';
import { OwnIssuer } from '../../../src/gateway/policies/own-issuer.ts';
import { compileTokens, tokensSchema } from '../../../src/gateway/policies/tokens.ts';
import { ask, requestOf, type Said } from './request.ts';

const NOW_S = 1_800_000_000;
const ISSUER = 'https://issuer.example';
const SECRET: JWK = { kty: 'oct', kid: 's', alg: 'HS256', k: Buffer.alloc(32, 7).toString('base64url') };

interface Pair {
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

const pairs: Record<string, Pair> = {};

beforeAll(async () => {
  for (const [name, alg] of Object.entries({ one: 'ES256', two: 'ES256', rsa: 'RS256', ed: 'EdDSA' })) {
    const { privateKey, publicKey } = await generateKeyPair(alg);
    pairs[name] = { privateKey, jwk: { ...(await exportJWK(publicKey)), kid: name, alg, use: 'sig' } };
  }
});

const pair = (name: string) => pairs[name] as Pair;

interface TokenParts {
  readonly key?: string;
  readonly header?: Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
}

/** A token that is good, but for what is said. */
async function tokenOf({ key = 'one', header = {}, claims = {} }: TokenParts = {}): Promise<string> {
  const { privateKey, jwk } = pair(key);
  return await new SignJWT({ iss: ISSUER, aud: 'api', sub: 'ann', iat: NOW_S, exp: NOW_S + 300, ...claims })
    .setProtectedHeader({ alg: jwk.alg as string, kid: key, typ: 'at+jwt', ...header } as never)
    .sign(privateKey);
}

const noFetch: FetchKeys = () => Promise.reject(new Error('nothing is fetched here'));

function tokens(issuer: object = {}, policy: object = {}, fetch = noFetch, clock = new ManualClock(NOW_S * 1000)) {
  const base = { issuer: ISSUER, audiences: ['api'], algorithms: ['ES256'], keys: [pair('one').jwk], ...issuer };
  const spec = tokensSchema.parse({ issuers: [base], ...policy });
  const own = new OwnIssuer(clock);
  const compiled = compileTokens(spec, { clock, limits: { ...DEFAULT_LIMITS, tokensKeptMax: 3 }, fetch, own });
  return (token?: string) => ask(compiled, requestOf({ headers: token ? { authorization: `Bearer ${token}` } : {} }));
}

const code = async (decision: Said | Promise<Said>) => {
  const found = await decision;
  return found.allow ? 'allowed' : found.code;
};

describe('a token', () => {
  test('that is good gives its claims', async () => {
    expect(await tokens()(await tokenOf())).toMatchObject({ allow: true, claims: { sub: 'ann', iss: ISSUER } });
  });

  test('is asked for where there is none', async () => {
    expect(await tokens()()).toEqual({
      allow: false,
      code: 'TOKEN_MISSING',
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="api"' },
      details: {},
    });
  });

  test('that is refused is told nothing but the code', async () => {
    expect(await tokens()(await tokenOf({ claims: { aud: 'other' } }))).toEqual({
      allow: false,
      code: 'TOKEN_AUDIENCE_REFUSED',
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="api", error="invalid_token"' },
      details: {},
    });
  });

  test.each<[string, TokenParts]>([
    ['TOKEN_ISSUER_UNKNOWN', { claims: { iss: 'https://other.example' } }],
    ['TOKEN_ISSUER_UNKNOWN', { claims: { iss: undefined } }],
    ['TOKEN_KEY_UNKNOWN', { header: { kid: 'nobody' } }],
    ['TOKEN_SIGNATURE_WRONG', { key: 'two', header: { kid: 'one' } }],
    ['TOKEN_ALGORITHM_DENIED', { key: 'rsa' }],
    ['TOKEN_TYPE_REFUSED', { header: { typ: 'dpop+jwt' } }],
    ['allowed', { header: { typ: 'application/AT+JWT' } }],
    ['allowed', { header: { typ: undefined } }],
    ['allowed', { claims: { aud: ['x', 'api'] } }],
    ['TOKEN_AUDIENCE_REFUSED', { claims: { aud: undefined } }],
    ['TOKEN_EXPIRED', { claims: { exp: NOW_S - 30 } }],
    ['allowed', { claims: { exp: NOW_S - 29 } }],
    ['TOKEN_CLAIM_INVALID', { claims: { exp: undefined } }],
    ['TOKEN_CLAIM_INVALID', { claims: { exp: String(NOW_S + 300) } }],
    ['TOKEN_NOT_YET_VALID', { claims: { nbf: NOW_S + 31 } }],
    ['allowed', { claims: { nbf: NOW_S + 30 } }],
    ['TOKEN_NOT_YET_VALID', { claims: { iat: NOW_S + 31 } }],
  ])('is answered %s: %j', async (expected, parts) => {
    expect(await code(tokens()(await tokenOf(parts)))).toBe(expected);
  });

  test.each([
    ['not a token', 'abc'],
    ['without a signature', 'eyJhbGciOiJub25lIn0.e30.'],
    ['of no algorithm', `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.AAAA`],
    ['with an extension', `${Buffer.from('{"alg":"ES256","crit":["b64"],"b64":true}').toString('base64url')}.e30.AAAA`],
    ['encrypted', 'a.b.c.d.e'],
    ['too long', `${'a'.repeat(DEFAULT_LIMITS.tokenBytesMax)}.b.c`],
  ])('is refused when it is %s', async (_, token) => {
    expect(await code(tokens()(token))).toMatch(/^TOKEN_(MALFORMED|ALGORITHM_DENIED|ISSUER_UNKNOWN)$/);
  });

  test('cannot bring its own key', async () => {
    const stolen = pair('two').jwk;
    const header = { jwk: stolen, jku: 'https://evil.example/jwks', x5u: 'https://evil.example/x', kid: 'two' };
    expect(await code(tokens()(await tokenOf({ key: 'two', header })))).toBe('TOKEN_KEY_UNKNOWN');
    expect(await code(tokens()(await tokenOf({ key: 'two', header: { ...header, kid: 'one' } })))).toBe(
      'TOKEN_SIGNATURE_WRONG',
    );
  });

  test('signed with a public key as if it were a secret is refused', async () => {
    const asSecret = Buffer.from(JSON.stringify(pair('rsa').jwk));
    const forged = await new SignJWT({ iss: ISSUER, aud: 'api', exp: NOW_S + 300 })
      .setProtectedHeader({ alg: 'HS256', kid: 'rsa' })
      .sign(asSecret);
    const check = tokens({ algorithms: ['RS256'], keys: [pair('rsa').jwk] });
    expect(await code(check(forged))).toBe('TOKEN_ALGORITHM_DENIED');
  });

  test('of a shared secret is taken where the issuer is declared so', async () => {
    const token = await new SignJWT({ iss: ISSUER, aud: 'api', exp: NOW_S + 300 })
      .setProtectedHeader({ alg: 'HS256', kid: 's' })
      .sign(Buffer.alloc(32, 7));
    expect(await code(tokens({ algorithms: ['HS256'], keys: [SECRET] })(token))).toBe('allowed');
    const other = { ...SECRET, k: Buffer.alloc(32, 8).toString('base64url') };
    expect(await code(tokens({ algorithms: ['HS256'], keys: [other] })(token))).toBe('TOKEN_SIGNATURE_WRONG');
  });

  test('without a kid is held against every key that fits', async () => {
    const keys = [pair('two').jwk, pair('one').jwk];
    const check = tokens({ keys });
    expect(await code(check(await tokenOf({ header: { kid: undefined } })))).toBe('allowed');
    const rest = tokens({ keys: [pair('two').jwk, { ...pair('two').jwk, kid: 'three' }] });
    expect(await code(rest(await tokenOf({ header: { kid: undefined } })))).toBe('TOKEN_SIGNATURE_WRONG');
  });

  test('needs the scopes, the age and the claims that are asked for', async () => {
    const scoped = tokens({}, { scopes: ['read', 'write'] });
    expect(await code(scoped(await tokenOf({ claims: { scope: 'write read more' } })))).toBe('allowed');
    expect(await code(scoped(await tokenOf({ claims: { scp: ['read'] } })))).toBe('FORBIDDEN');
    const young = tokens({ age_max_s: 60 });
    expect(await code(young(await tokenOf({ claims: { iat: NOW_S - 91 } })))).toBe('TOKEN_EXPIRED');
    expect(await code(young(await tokenOf({ claims: { iat: undefined } })))).toBe('TOKEN_CLAIM_INVALID');
    expect(await code(tokens({ required_claims: ['org'] })(await tokenOf()))).toBe('TOKEN_CLAIM_INVALID');
  });
});

describe('what is remembered', () => {
  test('answers at once, until the token expires', async () => {
    const clock = new ManualClock(NOW_S * 1000);
    const check = tokens({ leeway_s: 0 }, {}, noFetch, clock);
    const token = await tokenOf({ claims: { exp: NOW_S + 10 } });
    const first = await check(token);
    clock.advance(9_999);
    expect(check(token)).toEqual(first);
    clock.advance(1);
    expect(await code(check(token))).toBe('TOKEN_EXPIRED');
  });

  test('is bounded, and what was used longest ago goes first', async () => {
    const check = tokens();
    const made = await Promise.all([1, 2, 3, 4].map((jti) => tokenOf({ claims: { jti: String(jti) } })));
    for (const token of made.slice(0, 3)) await check(token);
    expect(check(made[0])).not.toBeInstanceOf(Promise);
    await check(made[3]);
    expect(made.map((token) => !(check(token) instanceof Promise))).toEqual([true, false, true, true]);
  });
});

describe('keys that are fetched', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: NOW_S * 1000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const url = { jwks_url: 'https://issuer.example/jwks', keys: undefined };

  test('are fetched once, again for a new key, and not for a flood of unknown ones', async () => {
    let keys = [pair('one').jwk];
    const fetch = vi.fn<FetchKeys>(async () => Response.json({ keys }));
    const check = tokens(url, { cooldown_s: 30 }, fetch);
    expect(await code(check(await tokenOf()))).toBe('allowed');
    expect(await code(check(await tokenOf({ claims: { jti: 'x' } })))).toBe('allowed');
    expect(fetch).toHaveBeenCalledTimes(1);
    keys = [pair('two').jwk];
    vi.setSystemTime(NOW_S * 1000 + 31_000);
    expect(await code(check(await tokenOf({ key: 'two' })))).toBe('allowed');
    for (let i = 0; i < 20; i++) {
      expect(await code(check(await tokenOf({ header: { kid: `made up ${i}` } })))).toBe('TOKEN_KEY_UNKNOWN');
    }
    expect(fetch).toHaveBeenCalledTimes(2);
    expect(await code(check(await tokenOf({ claims: { jti: 'y' } })))).toBe('TOKEN_KEY_UNKNOWN');
  });

  test.each<[string, FetchKeys]>([
    ['the issuer is away', () => Promise.reject(new Error('refused'))],
    ['it answers with an error', async () => new Response('no', { status: 500 })],
    ['it answers with something else', async () => Response.json({ keys: 'none' })],
    ['it sends on', async () => new Response(null, { status: 302, headers: { location: 'http://127.0.0.1/' } })],
    ['it answers without end', async () => new Response('x'.repeat(DEFAULT_LIMITS.keySetBytesMax + 1))],
  ])('are missed where %s', async (_, fetch) => {
    expect(await tokens(url, {}, fetch)(await tokenOf())).toMatchObject({
      code: 'TOKEN_KEYS_UNAVAILABLE',
      status: 503,
      headers: { 'retry-after': '30' },
    });
  });
});

describe('a declaration', () => {
  test.each([
    ['with keys twice', { jwks_url: 'https://issuer.example/jwks' }],
    ['without keys', { keys: undefined }],
    ['that mixes kinds of algorithms', { algorithms: ['ES256', 'HS256'] }],
    ['that fetches secrets', { algorithms: ['HS256'], keys: undefined, jwks_url: 'https://issuer.example/jwks' }],
  ])('%s is refused', (_, issuer) => {
    expect(() => tokens(issuer)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
