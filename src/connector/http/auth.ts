/**
 * How requests prove who sends them. What is fixed is put into each request here; tokens that are fetched, kept and renewed are
 * those of `tokens.ts`. Declared by connectors, applied by `client.ts`.
 */
import { AwsV4Signer } from 'aws4fetch';
import type { HttpRequest } from './declaration.ts';
import { withAt } from './paths.ts';

export type ClientAuth = 'basic' | 'body';

export interface Claims {
  readonly iss?: string;
  readonly sub?: string;
  readonly aud?: string;
  readonly [name: string]: unknown;
}

/** A JWT that we sign: with a PEM (PKCS#8), or for HS with a shared secret. */
export interface OwnJwt {
  readonly algorithm: string;
  readonly key: string;
  readonly keyId?: string;
  readonly claims: Claims;
  /** Default 300. */
  readonly lifetimeS?: number;
}

export type Auth =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }
  | {
      readonly kind: 'key';
      readonly in: 'header' | 'query' | 'body';
      readonly name: string;
      readonly value: string;
    }
  | {
      readonly kind: 'sigv4';
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly sessionToken?: string;
      readonly region: string;
      readonly service: string;
    }
  | FetchedAuth;

/** Whose token is fetched. `send`: how it is sent, by default as a bearer token. */
export type FetchedAuth = { readonly send?: { readonly header: string; readonly prefix?: string } } & (
  | {
      readonly kind: 'oauth2-refresh';
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly clientSecret?: string;
      readonly refreshToken: string;
      /** Where the refresh token is in the configuration, so that a new one is kept. */
      readonly refreshTokenPath: string;
      readonly scope?: string;
      readonly clientAuth?: ClientAuth;
    }
  | {
      readonly kind: 'oauth2-client';
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly clientSecret: string;
      readonly scope?: string;
      /** Further parameters: `audience`, `resource`. */
      readonly parameters?: Readonly<Record<string, string>>;
      readonly clientAuth?: ClientAuth;
    }
  /** RFC 7523: a signed assertion for a token. */
  | { readonly kind: 'jwt-bearer'; readonly tokenUrl: string; readonly jwt: OwnJwt; readonly scope?: string }
  /** The signed JWT itself is the token. */
  | { readonly kind: 'jwt'; readonly jwt: OwnJwt }
  /** A login whose answer has the token at a path, or sets a cookie. */
  | {
      readonly kind: 'session';
      readonly login: HttpRequest;
      /** How the login itself proves who sends it. */
      readonly auth?:
        | Extract<Auth, { kind: 'none' | 'basic' | 'bearer' | 'key' }>
        | { readonly kind: 'jwt'; readonly jwt: OwnJwt };
      readonly token: { readonly path: string } | { readonly header: string } | { readonly cookie: string };
      /** A path to a time, or how long it holds. */
      readonly expires?: string | { readonly afterMs: number };
    }
);

/** A request as it will be sent. */
export interface Draft {
  readonly method: string;
  readonly url: URL;
  readonly headers: Record<string, string>;
  json?: unknown;
  body?: string;
}

export function isFetched(auth: Auth): auth is FetchedAuth {
  return auth.kind.startsWith('oauth2') || auth.kind.startsWith('jwt') || auth.kind === 'session';
}

/** Before the body is made of its JSON. @param token of a fetched kind */
export function prove(draft: Draft, auth: Auth, token: string | undefined): void {
  if (token !== undefined) {
    const { header = 'authorization', prefix = 'Bearer ' } = ('send' in auth ? auth.send : undefined) ?? {};
    draft.headers[header.toLowerCase()] = `${prefix}${token}`;
    return;
  }
  switch (auth.kind) {
    case 'basic': {
      const pair = Buffer.from(`${auth.user}:${auth.password}`).toString('base64');
      draft.headers['authorization'] = `Basic ${pair}`;
      break;
    }
    case 'bearer':
      draft.headers['authorization'] = `Bearer ${auth.token}`;
      break;
    case 'key':
      if (auth.in === 'header') draft.headers[auth.name.toLowerCase()] = auth.value;
      else if (auth.in === 'query') draft.url.searchParams.set(auth.name, auth.value);
      else draft.json = withAt(draft.json, auth.name, auth.value);
      break;
    default:
  }
}

/** After the body is made: signatures are over all of it. */
export async function sign(draft: Draft, auth: Auth): Promise<void> {
  if (auth.kind !== 'sigv4') return;
  const { accessKeyId, secretAccessKey, sessionToken, region, service } = auth;
  const signer = new AwsV4Signer({
    method: draft.method,
    url: draft.url.href,
    headers: draft.headers,
    ...(draft.body === undefined ? {} : { body: draft.body }),
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    region,
    service,
  });
  const { headers } = await signer.sign();
  for (const [name, value] of headers as unknown as Iterable<[string, string]>) draft.headers[name] = value;
}
