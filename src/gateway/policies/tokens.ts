/**
 * Policy `jwt`: a bearer token of an issuer that is trusted here, as RFC 8725 asks: algorithms are listed for each issuer,
 * audience and expiry are required, keys come from the issuer alone. Every failure has a code of its own and says no
 * more than that code.
 *
 * A token that held is remembered until it expires, and for `KEPT_MS` at most, so that a withdrawn key takes effect; then
 * `check` answers at once, otherwise with a promise. Called for each request of a route that asks for tokens.
 */
import { z } from 'zod';
import { type Clock, covers, type Limits, SluiceError } from '#kernel';
import type { GatewayRequest, Policy, Verdict } from '../policy.ts';
import { networkNames } from './address.ts';
import { bearerOf, hasScopes, lacksScope, type Standing, settle } from './bearer.ts';
import { type Claims, checkClaims, issuerOf } from './claims.ts';
import { jose } from './jose.ts';
import {
  type Algorithm,
  type FindKey,
  PUBLIC_KEY_ALGORITHMS,
  readHeader,
  SECRET_ALGORITHMS,
  verifyJws,
} from './jws.ts';
import { type FetchKeys, localKeys, remoteKeys, secretKeys } from './key-set.ts';
import type { OwnIssuer } from './own-issuer.ts';

const KEPT_MS = 5 * 60_000;

const issuerSchema = z.strictObject({
  issuer: z.string().min(1).max(512),
  audiences: z.array(z.string().min(1).max(512)).min(1).max(32).describe('One of these must be in `aud`'),
  algorithms: z.array(z.enum([...PUBLIC_KEY_ALGORITHMS, ...SECRET_ALGORITHMS])).min(1),
  jwks_url: z.url({ protocol: /^https?$/ }).optional(),
  keys: z.array(z.record(z.string(), z.unknown())).min(1).max(64).optional().describe('JSON Web Keys'),
  types: z
    .array(z.string().min(1).max(64).toLowerCase())
    .min(1)
    .default(['jwt', 'at+jwt'])
    .describe('What `typ` may be, without `application/`'),
  type_required: z.boolean().default(false).describe('Refuse tokens without `typ`'),
  leeway_s: z.int().min(0).max(60).default(30),
  age_max_s: z.int().min(1).optional().describe('Refuse tokens issued longer ago; needs `iat`'),
  required_claims: z.array(z.string().min(1).max(128)).max(32).default([]),
});

export const tokensSchema = z
  .strictObject({
    self: z
      .strictObject({
        audiences: z
          .array(z.string().min(1).max(512))
          .min(1)
          .max(32)
          .optional()
          .describe('One of these must be in `aud`; without it: this server itself'),
      })
      .optional()
      .describe('Tokens of /oauth2/token of this server, whose client has the scope call:<route>'),
    issuers: z.array(issuerSchema).max(32).default([]),
    scopes: z.array(z.string().min(1).max(256)).max(32).default([]).describe('All must be in `scope` (or `scp`)'),
    realm: z
      .string()
      .regex(/^[\w .:/-]{1,128}$/)
      .default('api'),
    cooldown_s: z.int().min(1).max(3600).default(30).describe('Between two fetches of a key set for an unknown key'),
    networks: networkNames.describe('Networks where issuers may be although they are private, loopback or link-local'),
  })
  .refine(({ self, issuers }) => self !== undefined || issuers.length > 0, 'needs self or issuers');

export type TokensSpec = z.infer<typeof tokensSchema>;
type IssuerSpec = TokensSpec['issuers'][number];

export interface TokensParts {
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'tokenBytesMax' | 'tokensKeptMax' | 'keySetBytesMax' | 'keySetMs'>;
  readonly fetch: FetchKeys;
  /** The issuer of this server. */
  readonly own: OwnIssuer;
}

/** What this server's own tokens are held to. */
const OWN_RULES = { types: ['at+jwt'], type_required: true, leeway_s: 0, required_claims: ['jti', 'client_id', 'iat'] };

interface Issuer {
  readonly spec: IssuerSpec;
  readonly find: FindKey;
}

/** @throws CONFIG_INVALID where an issuer contradicts itself or another */
export function compileTokens(spec: TokensSpec, parts: TokensParts): Tokens {
  // Now, and not with the first token.
  jose();
  const issuers = new Map<string, Issuer>();
  for (const issuer of spec.issuers) {
    if (issuers.has(issuer.issuer)) throw invalid(issuer, 'is declared twice');
    issuers.set(issuer.issuer, { spec: issuer, find: keysOf(issuer, spec.cooldown_s, parts) });
  }
  return new Tokens(spec, issuers, parts);
}

function keysOf(issuer: IssuerSpec, cooldownS: number, { limits, fetch }: TokensParts): FindKey {
  const secrets = issuer.algorithms.filter((one) => (SECRET_ALGORITHMS as readonly string[]).includes(one)).length;
  if (secrets > 0 && secrets < issuer.algorithms.length) {
    throw invalid(issuer, 'mixes algorithms of shared secrets with those of public keys');
  }
  if ((issuer.jwks_url === undefined) === (issuer.keys === undefined)) throw invalid(issuer, 'needs jwks_url or keys');
  if (issuer.jwks_url !== undefined) {
    if (secrets > 0) throw invalid(issuer, 'has shared secrets, which are not fetched');
    const { keySetMs: timeoutMs, keySetBytesMax: bytesMax } = limits;
    return remoteKeys({ url: issuer.jwks_url, cooldownMs: cooldownS * 1000, timeoutMs, bytesMax, fetch });
  }
  const keys = (issuer.keys ?? []) as { kty: string }[];
  if (keys.some(({ kty }) => typeof kty !== 'string')) throw invalid(issuer, 'has a key without kty');
  return secrets > 0 ? secretKeys({ keys }) : localKeys({ keys });
}

const invalid = ({ issuer }: IssuerSpec, what: string) => new SluiceError('CONFIG_INVALID', `issuer ${issuer} ${what}`);

interface Kept {
  readonly claims: Claims;
  readonly untilMs: number;
}

export class Tokens implements Policy {
  readonly name = 'jwt';
  readonly #spec: TokensSpec;
  readonly #issuers: ReadonlyMap<string, Issuer>;
  readonly #parts: TokensParts;
  /** By token; the one used longest ago comes first. */
  readonly #kept = new Map<string, Kept>();
  readonly #underWay = new Map<string, Promise<Standing>>();
  /** Claims of tokens of this server, and the keys that held them. */
  readonly #ownKids = new WeakMap<Claims, unknown>();

  constructor(spec: TokensSpec, issuers: ReadonlyMap<string, Issuer>, parts: TokensParts) {
    this.#spec = spec;
    this.#issuers = issuers;
    this.#parts = parts;
  }

  check(request: GatewayRequest): Verdict | Promise<Verdict> {
    const token = bearerOf(request);
    const standing = token === undefined ? new SluiceError('TOKEN_MISSING') : this.#standing(token);
    const { realm, cooldown_s } = this.#spec;
    const decide = (one: Standing) => settle(request, this.#now(request, one), realm, cooldown_s);
    return standing instanceof Promise ? standing.then(decide) : decide(standing);
  }

  /** What can change of a token of this server is looked at each time: its key, its revocation, its client. */
  #now(request: GatewayRequest, standing: Standing): Standing {
    if (standing instanceof SluiceError || !this.#ownKids.has(standing)) return standing;
    const { own } = this.#parts;
    if (!own.knows(this.#ownKids.get(standing))) return new SluiceError('TOKEN_KEY_UNKNOWN');
    const client = own.clientOf(standing);
    if (client === undefined) return new SluiceError('TOKEN_REVOKED');
    const claims = { ...standing, scope: client.scopes.join(' ') };
    const may = client.scopes.some((scope) => covers(scope, `call:${request.route.name}`));
    if (!may || !hasScopes(claims, this.#spec.scopes)) return lacksScope();
    request.client = client;
    // Like a key, it opens this server: an upstream has no business with it.
    request.spent.add('authorization');
    return claims;
  }

  #standing(token: string): Standing | Promise<Standing> {
    const kept = this.#kept.get(token);
    if (kept !== undefined) {
      this.#kept.delete(token);
      if (this.#parts.clock.now() < kept.untilMs) {
        this.#kept.set(token, kept);
        return kept.claims;
      }
    }
    if (token.length > this.#parts.limits.tokenBytesMax) return new SluiceError('TOKEN_MALFORMED');
    return this.#verifyOnce(token);
  }

  /** Requests that bring the same token at once wait for one verification. */
  #verifyOnce(token: string): Promise<Standing> {
    const before = this.#underWay.get(token);
    if (before !== undefined) return before;
    const promise = this.#verify(token)
      .catch((error: unknown) => new SluiceError(error instanceof SluiceError ? error.code : 'INTERNAL'))
      .finally(() => this.#underWay.delete(token));
    this.#underWay.set(token, promise);
    return promise;
  }

  async #verify(token: string): Promise<Standing> {
    readHeader(token);
    const name = issuerOf(token);
    const { own } = this.#parts;
    if (this.#spec.self !== undefined && own.issuer !== '' && name === own.issuer) return await this.#verifyOwn(token);
    const issuer = this.#issuers.get(name);
    if (issuer === undefined) return new SluiceError('TOKEN_ISSUER_UNKNOWN');
    const { spec, find } = issuer;
    const { header, payload } = await verifyJws(token, find, spec.algorithms as readonly Algorithm[]);
    const now = this.#parts.clock.now();
    const { claims, expiresMs } = checkClaims(Buffer.from(payload).toString('utf8'), header.typ, spec, now);
    if (!hasScopes(claims, this.#spec.scopes)) return lacksScope();
    this.#keep(token, { claims, untilMs: Math.min(expiresMs, now + KEPT_MS) });
    return claims;
  }

  async #verifyOwn(token: string): Promise<Standing> {
    const { own, clock } = this.#parts;
    const rules = { ...OWN_RULES, issuer: own.issuer, audiences: this.#spec.self?.audiences ?? [own.issuer] };
    const { header, payload } = await verifyJws(token, own.find, ['ES256']);
    const text = Buffer.from(payload).toString('utf8');
    const { claims, expiresMs } = checkClaims(text, header.typ, rules, clock.now());
    this.#ownKids.set(claims, header.kid);
    this.#keep(token, { claims, untilMs: expiresMs });
    return claims;
  }

  #keep(token: string, kept: Kept): void {
    this.#kept.set(token, kept);
    if (this.#kept.size <= this.#parts.limits.tokensKeptMax) return;
    for (const oldest of this.#kept.keys()) {
      this.#kept.delete(oldest);
      return;
    }
  }
}
