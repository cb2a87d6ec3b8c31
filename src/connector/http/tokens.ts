/**
 * Tokens that are fetched: by OAuth2 refresh token or client credentials, by a signed assertion, by a login; or that we sign
 * ourselves. One is fetched for all connections of the account, before the old one ends or when the system refuses it; a
 * refresh token that comes with it replaces the old one, and is kept before anything else is done. Used by `client.ts`.
 */
import { importPKCS8, SignJWT } from 'jose';
import { SluiceError } from '#kernel';
import type { OpenContext } from '../contract.ts';
import type { Auth, Claims, ClientAuth, FetchedAuth, OwnJwt } from './auth.ts';
import type { Answer, HttpRequest } from './declaration.ts';
import { reasonOf } from './error-rules.ts';
import { plainText } from './exact-json.ts';
import { at } from './paths.ts';
import { TokenCell, type Tokens } from './token-cell.ts';

/** A token is renewed so long before it ends. */
const EARLY_MS = 30_000;
const LIFETIME_S = 300;
const SERVER_ERROR = 500;
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** Sends one request once, proven by `auth`, with no token of ours. */
export type SendOnce = (request: HttpRequest, auth: Auth) => Promise<Answer>;

export class TokenSource {
  readonly #auth: FetchedAuth;
  readonly #cell: TokenCell;
  readonly #send: SendOnce;
  readonly #keep: OpenContext['keep'];
  #held: Tokens | undefined;

  constructor(auth: FetchedAuth, shared: SharedArrayBuffer, send: SendOnce, keep: OpenContext['keep']) {
    this.#auth = auth;
    this.#cell = new TokenCell(shared, JSON.stringify(auth));
    this.#send = send;
    this.#keep = keep;
  }

  /** One that holds. @throws ENDPOINT_REFUSED, ENDPOINT_UNREACHABLE */
  async token(deadlineMs: number): Promise<string> {
    if (this.#held !== undefined && lasts(this.#held)) return this.#held.access;
    return this.#renew(undefined, deadlineMs);
  }

  /** Another than the one that was refused. */
  replace(refused: string, deadlineMs: number): Promise<string> {
    return this.#renew(refused, deadlineMs);
  }

  #renew(refused: string | undefined, deadlineMs: number): Promise<string> {
    return this.#cell.exclusively(deadlineMs, async () => {
      const known = this.#cell.read() ?? this.#held;
      if (known !== undefined && lasts(known) && known.access !== refused) {
        this.#held = known;
        return known.access;
      }
      const fetched = await this.#fetch(known?.refresh);
      const refresh = fetched.refresh ?? known?.refresh;
      const tokens = refresh === undefined ? fetched : { ...fetched, refresh };
      this.#held = tokens;
      this.#cell.write(tokens);
      if (fetched.refresh !== undefined && this.#auth.kind === 'oauth2-refresh') {
        await this.#keep?.({ [this.#auth.refreshTokenPath]: fetched.refresh });
      }
      return tokens.access;
    });
  }

  async #fetch(refresh: string | undefined): Promise<Tokens> {
    const auth = this.#auth;
    switch (auth.kind) {
      case 'jwt': {
        const lifetimeMs = (auth.jwt.lifetimeS ?? LIFETIME_S) * 1000;
        return { access: await signJwt(auth.jwt), expiresAtMs: Date.now() + lifetimeMs };
      }
      case 'session':
        return this.#login(auth);
      case 'oauth2-refresh': {
        const { refreshToken, scope } = auth;
        const form = { grant_type: 'refresh_token', refresh_token: refresh ?? refreshToken, scope };
        const { tokenUrl, clientId, clientSecret, clientAuth } = auth;
        const tokens = await this.#exchange(tokenUrl, form, { clientId, clientSecret, clientAuth });
        return tokens.refresh === (refresh ?? refreshToken) ? withoutRefresh(tokens) : tokens;
      }
      case 'oauth2-client': {
        const form = { grant_type: 'client_credentials', scope: auth.scope, ...auth.parameters };
        const { tokenUrl, clientId, clientSecret, clientAuth } = auth;
        return this.#exchange(tokenUrl, form, { clientId, clientSecret, clientAuth });
      }
      default: {
        const form = { grant_type: JWT_BEARER, assertion: await signJwt(auth.jwt), scope: auth.scope };
        return this.#exchange(auth.tokenUrl, form, {});
      }
    }
  }

  async #exchange(
    tokenUrl: string,
    form: Record<string, string | undefined>,
    client: { clientId?: string; clientSecret?: string | undefined; clientAuth?: ClientAuth | undefined },
  ): Promise<Tokens> {
    const { clientId, clientSecret, clientAuth } = client;
    const basic = clientAuth === 'basic' && clientId !== undefined && clientSecret !== undefined;
    const own = basic ? {} : { client_id: clientId, client_secret: clientSecret };
    const answer = await this.#send(
      { method: 'POST', path: tokenUrl, form: { ...form, ...own }, headers: { accept: 'application/json' } },
      basic
        ? { kind: 'basic', user: encodeURIComponent(clientId), password: encodeURIComponent(clientSecret) }
        : { kind: 'none' },
    );
    const access = at(answer.body, 'access_token');
    if (typeof access !== 'string' || access === '') throw refusal(answer, 'it gave no token');
    const seconds = Number(at(answer.body, 'expires_in'));
    const refresh = at(answer.body, 'refresh_token');
    return {
      access,
      expiresAtMs: seconds > 0 ? Date.now() + seconds * 1000 : Number.POSITIVE_INFINITY,
      ...(typeof refresh === 'string' && refresh !== '' ? { refresh } : {}),
    };
  }

  async #login(auth: Extract<FetchedAuth, { kind: 'session' }>): Promise<Tokens> {
    const { login, token, expires } = auth;
    const proof: Auth =
      auth.auth?.kind === 'jwt'
        ? { kind: 'bearer', token: await signJwt(auth.auth.jwt) }
        : (auth.auth ?? { kind: 'none' });
    const answer = await this.#send(login, proof);
    const found =
      'path' in token
        ? at(answer.body, token.path)
        : 'header' in token
          ? answer.headers[token.header.toLowerCase()]
          : cookieOf(answer.headers['set-cookie'] ?? '', token.cookie);
    if (found === undefined || found === null || found === '') throw refusal(answer, 'the login gave no token');
    const ends =
      typeof expires === 'string' ? endOf(at(answer.body, expires)) : Date.now() + (expires?.afterMs ?? Infinity);
    return { access: plainText(found), expiresAtMs: ends };
  }
}

function lasts({ expiresAtMs }: Tokens): boolean {
  return Date.now() < expiresAtMs - EARLY_MS;
}

function withoutRefresh({ access, expiresAtMs }: Tokens): Tokens {
  return { access, expiresAtMs };
}

async function signJwt({ algorithm, key, keyId, claims, lifetimeS = LIFETIME_S }: OwnJwt): Promise<string> {
  const nowS = Math.floor(Date.now() / 1000);
  const secret = algorithm.startsWith('HS') ? new TextEncoder().encode(key) : await pemOf(key, algorithm);
  return new SignJWT(claims satisfies Claims as Record<string, never>)
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) })
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + lifetimeS)
    .sign(secret);
}

async function pemOf(key: string, algorithm: string): ReturnType<typeof importPKCS8> {
  try {
    // A PEM that came through an environment variable has its line ends written out.
    return await importPKCS8(key.replaceAll('\\n', '\n'), algorithm);
  } catch (error) {
    throw new SluiceError('ENDPOINT_INVALID', `the key is no PKCS#8 PEM for ${algorithm}`, {}, error);
  }
}

function cookieOf(header: string, name: string): string | undefined {
  return new RegExp(`(?:^|[,;]\\s*)${name.replace(/[^\w-]/g, '\\$&')}=([^;,]+)`).exec(header)?.[1];
}

/** Seconds or milliseconds since 1970, or a date. */
function endOf(value: unknown): number {
  const number = Number(value);
  const ms = Number.isNaN(number) ? Date.parse(String(value)) : number > 1e12 ? number : number * 1000;
  return Number.isNaN(ms) || value === undefined ? Number.POSITIVE_INFINITY : ms;
}

function refusal(answer: Answer, what: string): SluiceError {
  const code = answer.status >= SERVER_ERROR ? 'ENDPOINT_UNREACHABLE' : 'ENDPOINT_REFUSED';
  return new SluiceError(code, `${what}: ${reasonOf(answer)}`);
}
