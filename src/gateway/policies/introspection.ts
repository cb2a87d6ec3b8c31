/**
 * Policy `introspection`: bearer tokens that only their authorization server can read, asked about as RFC 7662 says. What
 * it answered is remembered, by a digest of the token: for `keep_s` at most and never past `exp`, refusals for
 * `keep_refused_s`. Requests that bring one token at once wait for one question. Called as the token policy is.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type Clock, type Limits, SluiceError } from '#kernel';
import type { GatewayRequest, Policy, Verdict } from '../policy.ts';
import { networkNames } from './address.ts';
import { bearerOf, hasScopes, lacksScope, type Standing, settle } from './bearer.ts';
import type { Claims } from './claims.ts';
import { bounded, type FetchKeys } from './key-set.ts';

export const introspectionSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  client_id: z.string().min(1).max(256),
  client_secret: z.string().min(1).max(512),
  audiences: z
    .array(z.string().min(1).max(512))
    .max(32)
    .default([])
    .describe('When there are any, one must be in `aud`'),
  scopes: z.array(z.string().min(1).max(256)).max(32).default([]),
  realm: z
    .string()
    .regex(/^[\w .:/-]{1,128}$/)
    .default('api'),
  keep_s: z.int().min(0).max(3600).default(60).describe('How long a revoked token may still pass'),
  keep_refused_s: z.int().min(0).max(3600).default(10),
  networks: networkNames.describe('Networks where the server may be although they are private, loopback or link-local'),
});

const RETRY_S = 1;

export type IntrospectionSpec = z.infer<typeof introspectionSchema>;

export interface IntrospectionParts {
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'tokenBytesMax' | 'tokensKeptMax' | 'keySetBytesMax' | 'keySetMs'>;
  readonly fetch: FetchKeys;
}

export function compileIntrospection(spec: IntrospectionSpec, parts: IntrospectionParts): Introspection {
  return new Introspection(spec, parts);
}

interface Kept {
  readonly standing: Standing;
  readonly untilMs: number;
}

export class Introspection implements Policy {
  readonly name = 'introspection';
  readonly #spec: IntrospectionSpec;
  readonly #parts: IntrospectionParts;
  /** By digest of the token; the oldest first. */
  readonly #kept = new Map<string, Kept>();
  readonly #underWay = new Map<string, Promise<Standing>>();

  constructor(spec: IntrospectionSpec, parts: IntrospectionParts) {
    this.#spec = spec;
    this.#parts = parts;
  }

  check(request: GatewayRequest): Verdict | Promise<Verdict> {
    const token = bearerOf(request);
    const standing = token === undefined ? new SluiceError('TOKEN_MISSING') : this.#standing(token);
    const { realm } = this.#spec;
    return standing instanceof Promise
      ? standing.then((one) => settle(request, one, realm, RETRY_S))
      : settle(request, standing, realm, RETRY_S);
  }

  #standing(token: string): Standing | Promise<Standing> {
    if (token.length > this.#parts.limits.tokenBytesMax) return new SluiceError('TOKEN_MALFORMED');
    const digest = createHash('sha256').update(token).digest('base64');
    const kept = this.#kept.get(digest);
    if (kept !== undefined && this.#parts.clock.now() < kept.untilMs) return kept.standing;
    const before = this.#underWay.get(digest);
    if (before !== undefined) return before;
    const promise = this.#ask(token, digest)
      .catch((error: unknown) => new SluiceError(error instanceof SluiceError ? error.code : 'INTROSPECTION_FAILED'))
      .finally(() => this.#underWay.delete(digest));
    this.#underWay.set(digest, promise);
    return promise;
  }

  async #ask(token: string, digest: string): Promise<Standing> {
    const { url, client_id, client_secret } = this.#spec;
    const { fetch, limits, clock } = this.#parts;
    // RFC 6749 2.3.1: both are form-encoded before they are joined.
    const credentials = Buffer.from(`${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`);
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.timeout(limits.keySetMs),
      headers: new Headers({
        accept: 'application/json',
        authorization: `Basic ${credentials.toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      }),
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }).toString(),
    });
    if (response.status !== 200) throw new SluiceError('INTROSPECTION_FAILED');
    const claims = (await (await bounded(response, limits.keySetBytesMax)).json()) as Claims;
    const now = clock.now();
    const standing = this.#decide(claims, now);
    const refused = standing instanceof SluiceError;
    const keptMs = (refused ? this.#spec.keep_refused_s : this.#spec.keep_s) * 1000;
    const expiresMs = typeof claims['exp'] === 'number' ? claims['exp'] * 1000 : Number.POSITIVE_INFINITY;
    this.#keep(digest, { standing, untilMs: refused ? now + keptMs : Math.min(expiresMs, now + keptMs) });
    return standing;
  }

  #decide(claims: Claims, now: number): Standing {
    if (typeof claims !== 'object' || claims === null) throw new SluiceError('INTROSPECTION_FAILED');
    if (claims['active'] !== true) return new SluiceError('TOKEN_INACTIVE');
    if (typeof claims['exp'] === 'number' && now >= claims['exp'] * 1000) return new SluiceError('TOKEN_EXPIRED');
    const { aud } = claims;
    const { audiences, scopes } = this.#spec;
    const given: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
    if (audiences.length > 0 && !audiences.some((one) => given.includes(one))) {
      return new SluiceError('TOKEN_AUDIENCE_REFUSED');
    }
    return hasScopes(claims, scopes) ? claims : lacksScope();
  }

  #keep(digest: string, kept: Kept): void {
    this.#kept.delete(digest);
    this.#kept.set(digest, kept);
    if (this.#kept.size <= this.#parts.limits.tokensKeptMax) return;
    for (const oldest of this.#kept.keys()) {
      this.#kept.delete(oldest);
      return;
    }
  }
}
