/**
 * Policy `introspection`: bearer tokens that only their authorization server can read, asked about as RFC 7662 says. What
 * it answered is remembered, by a digest of the token: for `keep_s` at most and never past `exp`, refusals for
 * `keep_refused_s`. Requests that bring one token at once wait for one question. Called as the token policy is.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type Clock, type ErrorCode, type Limits, SluiceError } from '#kernel';
import { bearerOf, hasScopes } from './bearer.ts';
import type { Claims } from './claims.ts';
import { bounded, type FetchKeys } from './key-set.ts';
import { type Refusal, type RequestView, refuse } from './request.ts';
import type { TokenAllowance, TokenDecision } from './tokens.ts';

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
});

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
  readonly decision: TokenDecision;
  readonly untilMs: number;
}

export class Introspection {
  readonly #spec: IntrospectionSpec;
  readonly #parts: IntrospectionParts;
  /** By digest of the token; the oldest first. */
  readonly #kept = new Map<string, Kept>();
  readonly #underWay = new Map<string, Promise<TokenDecision>>();

  constructor(spec: IntrospectionSpec, parts: IntrospectionParts) {
    this.#spec = spec;
    this.#parts = parts;
  }

  check(request: RequestView): TokenDecision | Promise<TokenDecision> {
    const token = bearerOf(request);
    if (token === undefined) return this.#refuse('TOKEN_MISSING');
    if (token.length > this.#parts.limits.tokenBytesMax) return this.#refuse('TOKEN_MALFORMED');
    const digest = createHash('sha256').update(token).digest('base64');
    const kept = this.#kept.get(digest);
    if (kept !== undefined && this.#parts.clock.now() < kept.untilMs) return kept.decision;
    const before = this.#underWay.get(digest);
    if (before !== undefined) return before;
    const promise = this.#ask(token, digest)
      .catch((error: unknown) => this.#refuse(error instanceof SluiceError ? error.code : 'INTROSPECTION_FAILED'))
      .finally(() => this.#underWay.delete(digest));
    this.#underWay.set(digest, promise);
    return promise;
  }

  async #ask(token: string, digest: string): Promise<TokenDecision> {
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
    const decision = this.#decide(claims, now);
    const keptMs = (decision.allow ? this.#spec.keep_s : this.#spec.keep_refused_s) * 1000;
    const expiresMs = typeof claims['exp'] === 'number' ? claims['exp'] * 1000 : Number.POSITIVE_INFINITY;
    this.#keep(digest, { decision, untilMs: decision.allow ? Math.min(expiresMs, now + keptMs) : now + keptMs });
    return decision;
  }

  #decide(claims: Claims, now: number): TokenDecision {
    if (typeof claims !== 'object' || claims === null) throw new SluiceError('INTROSPECTION_FAILED');
    if (claims['active'] !== true) return this.#refuse('TOKEN_INACTIVE');
    if (typeof claims['exp'] === 'number' && now >= claims['exp'] * 1000) return this.#refuse('TOKEN_EXPIRED');
    const { aud } = claims;
    const { audiences, scopes } = this.#spec;
    const given: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
    if (audiences.length > 0 && !audiences.some((one) => given.includes(one))) {
      return this.#refuse('TOKEN_AUDIENCE_REFUSED');
    }
    if (!hasScopes(claims, scopes)) return this.#refuse('FORBIDDEN');
    const allowance: TokenAllowance = { allow: true, headers: {}, claims };
    return allowance;
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

  #refuse(code: ErrorCode): Refusal {
    if (code === 'INTROSPECTION_FAILED') return refuse(code, { 'retry-after': '1' });
    const error = code === 'TOKEN_MISSING' ? '' : code === 'FORBIDDEN' ? 'insufficient_scope' : 'invalid_token';
    const parameter = error === '' ? '' : `, error="${error}"`;
    return refuse(code, { 'www-authenticate': `Bearer realm="${this.#spec.realm}"${parameter}` });
  }
}
