/**
 * The provider of one route's logins, on the main thread: the protocol of OpenID Connect, by openid-client. Its metadata is
 * looked up at first need and kept. One renewal of a session is made once, however many requests ask for it at the same
 * time or shortly after with the cookie they still have: providers take a refresh token that comes twice for stolen.
 */
import { createHash } from 'node:crypto';
import * as openid from 'openid-client';
import { type Clock, type Limits, SluiceError } from '#kernel';
import type { GuardedFetch } from '../upstream/guarded-fetch.ts';
import type { Begun, LoggedIn, LoginReply } from './question.ts';
import type { LoginPaths, LoginSpec } from './spec.ts';

/** How long the result of a renewal is there for those who come late. */
const RENEWED_MS = 30_000;
const RENEWALS_MAX = 10_000;
/** Before the access token ends, so that a session does not fail by a clock that is a little off. */
const EARLY_S = 5;

export interface ProviderParts {
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'keySetMs'>;
  readonly fetch: Pick<GuardedFetch, 'within'>;
}

interface Renewal {
  readonly reply: Promise<LoginReply>;
  readonly untilMs: number;
}

type Tokens = Pick<Awaited<ReturnType<typeof openid.refreshTokenGrant>>, 'claims' | 'expiresIn' | 'refresh_token'>;

export class LoginProvider {
  readonly #spec: LoginSpec;
  readonly #parts: ProviderParts;
  readonly #redirectUri: string;
  #found: Promise<openid.Configuration> | undefined;
  /** By digest of the refresh token; the oldest first. */
  readonly #renewals = new Map<string, Renewal>();

  constructor(spec: LoginSpec, paths: LoginPaths, parts: ProviderParts) {
    this.#spec = spec;
    this.#parts = parts;
    this.#redirectUri = `${spec.url}${paths.callback}`;
  }

  /** @throws LOGIN_UNAVAILABLE */
  async begin(): Promise<LoginReply> {
    const begun: Begun = {
      state: openid.randomState(),
      nonce: openid.randomNonce(),
      verifier: openid.randomPKCECodeVerifier(),
    };
    return await this.#withProvider(async (provider) => {
      const url = openid.buildAuthorizationUrl(provider, {
        ...this.#spec.parameters,
        redirect_uri: this.#redirectUri,
        scope: this.#spec.scopes.join(' '),
        code_challenge: await openid.calculatePKCECodeChallenge(begun.verifier),
        code_challenge_method: 'S256',
        state: begun.state,
        nonce: begun.nonce,
      });
      return { kind: 'begun', url: url.href, begun };
    });
  }

  /** @param url where the provider sent the browser @throws LOGIN_FAILED, LOGIN_UNAVAILABLE */
  async finish(url: string, { state, nonce, verifier }: Begun): Promise<LoginReply> {
    return await this.#withProvider(async (provider) => {
      const tokens = await openid.authorizationCodeGrant(provider, new URL(url), {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      });
      return { kind: 'in', session: this.#session(tokens, {}, null) };
    });
  }

  /** @throws LOGIN_UNAVAILABLE */
  renew(session: LoggedIn): Promise<LoginReply> {
    const { refreshToken } = session;
    if (refreshToken === null) return Promise.resolve({ kind: 'over' });
    const now = this.#parts.clock.now();
    const name = createHash('sha256').update(refreshToken).digest('base64');
    const before = this.#renewals.get(name);
    if (before !== undefined && before.untilMs > now) return before.reply;
    const reply = this.#renew(session, refreshToken);
    // What failed may be tried again.
    reply.catch(() => this.#renewals.delete(name));
    this.#renewals.delete(name);
    this.#renewals.set(name, { reply, untilMs: now + RENEWED_MS });
    for (const [oldest, { untilMs }] of this.#renewals) {
      if (untilMs > now && this.#renewals.size <= RENEWALS_MAX) break;
      this.#renewals.delete(oldest);
    }
    return reply;
  }

  async #renew(session: LoggedIn, refreshToken: string): Promise<LoginReply> {
    return await this.#withProvider(async (provider) => {
      try {
        const tokens = await openid.refreshTokenGrant(provider, refreshToken);
        return { kind: 'in', session: this.#session(tokens, session.claims, refreshToken) };
      } catch (error) {
        if (error instanceof openid.ResponseBodyError && error.error === 'invalid_grant') return { kind: 'over' };
        throw error;
      }
    });
  }

  /** Ends the session at the provider too, as far as it goes along. @throws LOGIN_UNAVAILABLE */
  async logout(refreshToken: string | null): Promise<LoginReply> {
    return await this.#withProvider(async (provider) => {
      const metadata = provider.serverMetadata();
      if (refreshToken !== null && metadata.revocation_endpoint !== undefined) {
        // The cookie is gone in any case, so a provider that refuses holds nobody back.
        await openid.tokenRevocation(provider, refreshToken).catch(() => undefined);
      }
      const home = this.#spec.logout_url ?? this.#spec.url;
      if (metadata.end_session_endpoint === undefined) return { kind: 'out', url: home };
      const url = openid.buildEndSessionUrl(provider, {
        client_id: this.#spec.client_id,
        post_logout_redirect_uri: home,
      });
      return { kind: 'out', url: url.href };
    });
  }

  #session(tokens: Tokens, before: LoggedIn['claims'], refreshToken: string | null): LoggedIn {
    const all: Readonly<Record<string, unknown>> = { ...before, ...tokens.claims() };
    if (before['sub'] !== undefined && all['sub'] !== before['sub']) throw new SluiceError('LOGIN_FAILED');
    const names = new Set(['sub', ...this.#spec.claims, ...Object.values(this.#spec.headers)]);
    const claims = Object.fromEntries(
      [...names].flatMap((name) => (Object.hasOwn(all, name) ? [[name, all[name]]] : [])),
    );
    const next = tokens.refresh_token ?? refreshToken;
    const lastsS = tokens.expiresIn();
    const now = Math.floor(this.#parts.clock.now() / 1000);
    const freshUntilS = next === null || lastsS === undefined ? null : now + Math.max(lastsS - EARLY_S, 1);
    return { claims, refreshToken: freshUntilS === null ? null : next, freshUntilS };
  }

  /** @throws LOGIN_FAILED where the provider or the browser says something wrong, LOGIN_UNAVAILABLE where nothing useful came */
  async #withProvider(work: (provider: openid.Configuration) => Promise<LoginReply>): Promise<LoginReply> {
    try {
      this.#found ??= this.#discover();
      return await work(await this.#found);
    } catch (error) {
      if (error instanceof SluiceError) throw error;
      throw new SluiceError(isRefusal(error) ? 'LOGIN_FAILED' : 'LOGIN_UNAVAILABLE', undefined, {}, error);
    }
  }

  async #discover(): Promise<openid.Configuration> {
    const { issuer, client_id, client_secret, networks } = this.#spec;
    const { keySetMs } = this.#parts.limits;
    const authentication = client_secret === undefined ? openid.None() : openid.ClientSecretBasic(client_secret);
    try {
      return await openid.discovery(new URL(issuer), client_id, undefined, authentication, {
        timeout: keySetMs / 1000,
        execute: issuer.startsWith('http:') ? [openid.allowInsecureRequests] : [],
        [openid.customFetch]: (url, { method, headers, body, signal }) =>
          this.#parts.fetch.within(networks)(url, {
            method: method as 'GET' | 'POST',
            redirect: 'manual',
            headers: new Headers(headers),
            signal: signal ?? AbortSignal.timeout(keySetMs),
            ...(body === undefined || body === null ? {} : { body: String(body) }),
          }),
      });
    } catch (error) {
      this.#found = undefined;
      throw error instanceof SluiceError ? error : new SluiceError('LOGIN_UNAVAILABLE', undefined, {}, error);
    }
  }
}

/** Something was said, and it was no. The rest is the way to the provider, or its trouble. */
function isRefusal(error: unknown): boolean {
  if (error instanceof openid.AuthorizationResponseError) return true;
  if (error instanceof openid.ResponseBodyError) return error.status < 500;
  return error instanceof openid.ClientError && REFUSALS.has(String(error.code));
}

const REFUSALS = new Set([
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_KEY_SELECTION_FAILED',
  'OAUTH_WWW_AUTHENTICATE_CHALLENGE',
]);
