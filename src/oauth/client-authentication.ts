/**
 * Which client calls an endpoint: `client_secret_basic` and `client_secret_post` (RFC 6749 2.3.1), `private_key_jwt`
 * (RFC 7523). Whatever is wrong with the credentials is answered `invalid_client` in the same words, and counted.
 *
 * An assertion is taken once: its id is on the disk before the client is let in, so that it is no good after a restart
 * either. It must end within `ASSERTION_S`, which bounds what has to be remembered.
 */
import { createHash } from 'node:crypto';
import type { MountRequest } from '#http1';
import { type Clock, type Counter, type Limits, SluiceError } from '#kernel';
import { type ApiKeys, type ClientSpec, type Document, isInForce } from '#resource';
import type { ClientKeys } from './client-keys.ts';
import type { ExpiringSet } from './expiring-set.ts';
import type { FailureCounts } from './failures.ts';
import type { Form } from './form.ts';
import { jose } from './jose.ts';
import { OAuthError } from './oauth-error.ts';

export const AUTHENTICATION_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
export const ASSERTION_ALGORITHMS = ['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'RS256', 'EdDSA'] as const;

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const ASSERTION_S = 300;
const LEEWAY_S = 30;
const ID_LENGTH_MAX = 256;
const BASIC = /^basic +([A-Za-z0-9+/]+={0,2})$/i;

export interface AuthenticationParts {
  readonly secrets: Pick<ApiKeys, 'find'>;
  readonly client: (name: string) => Document | undefined;
  readonly keys: ClientKeys;
  readonly used: ExpiringSet;
  readonly failures: FailureCounts;
  readonly failed: Counter;
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'tokenBytesMax'>;
}

export interface AuthenticatedClient {
  readonly name: string;
  readonly spec: ClientSpec;
}

type Credentials =
  | { readonly id: string; readonly secret: string }
  | { readonly id: string; readonly assertion: string };

export class ClientAuthentication {
  readonly #parts: AuthenticationParts;

  constructor(parts: AuthenticationParts) {
    this.#parts = parts;
  }

  /**
   * @param audiences what an assertion may be meant for: the issuer, and the endpoint's own address
   * @throws OAuthError invalid_request, invalid_client, temporarily_unavailable
   */
  async authenticate(request: MountRequest, form: Form, audiences: readonly string[]): Promise<AuthenticatedClient> {
    const { failures, failed } = this.#parts;
    const credentials = credentialsOf(request, form);
    const place = `${credentials?.id.slice(0, ID_LENGTH_MAX) ?? ''} ${request.remoteAddress}`;
    const waitS = failures.waitS(place);
    if (waitS > 0) throw new OAuthError('temporarily_unavailable', 'too many failed authentications', waitS);
    const client = credentials === undefined ? undefined : await this.#check(credentials, audiences);
    if (client !== undefined) return client;
    failures.add(place);
    failed.add();
    throw new OAuthError('invalid_client', 'client authentication failed');
  }

  async #check(credentials: Credentials, audiences: readonly string[]): Promise<AuthenticatedClient | undefined> {
    const { id } = credentials;
    if ('secret' in credentials) {
      // The secret finds its client, so the time this takes says nothing about the name.
      const found = this.#parts.secrets.find(credentials.secret);
      return found?.name === id ? this.#inForce(id) : undefined;
    }
    const client = this.#inForce(id);
    return client !== undefined && (await this.#holds(credentials.assertion, client, audiences)) ? client : undefined;
  }

  #inForce(name: string): AuthenticatedClient | undefined {
    const spec = this.#parts.client(name)?.spec as ClientSpec | undefined;
    return spec !== undefined && isInForce(spec, this.#parts.clock.now()) ? { name, spec } : undefined;
  }

  async #holds(assertion: string, { name, spec }: AuthenticatedClient, audiences: readonly string[]): Promise<boolean> {
    const { keys, used, clock, limits } = this.#parts;
    const set = keys.of(spec);
    if (set === undefined || assertion.length > limits.tokenBytesMax) return false;
    const now = clock.now();
    try {
      const { payload } = await jose().jwtVerify(assertion, set, {
        algorithms: [...ASSERTION_ALGORITHMS],
        issuer: name,
        subject: name,
        audience: [...audiences],
        requiredClaims: ['exp', 'jti'],
        clockTolerance: LEEWAY_S,
        currentDate: new Date(now),
      });
      const { jti, exp = 0, iat = now / 1000 } = payload;
      if (typeof jti !== 'string' || jti === '' || exp > now / 1000 + ASSERTION_S + LEEWAY_S) return false;
      if (iat > now / 1000 + LEEWAY_S) return false;
      const digest = createHash('sha256').update(`${name} ${jti}`).digest('base64url');
      return await used.add(digest, (exp + LEEWAY_S) * 1000);
    } catch (error) {
      // What the log has against it is no fault of the client.
      if (error instanceof SluiceError) throw error;
      return false;
    }
  }
}

/** Undefined where there are none that can be read. @throws OAuthError invalid_request where there are several */
function credentialsOf(request: MountRequest, form: Form): Credentials | undefined {
  const authorization = request.header('authorization');
  const [id, secret] = [form.get('client_id'), form.get('client_secret')];
  const [type, assertion] = [form.get('client_assertion_type'), form.get('client_assertion')];
  const ways = [authorization, secret, type ?? assertion].filter((way) => way !== undefined).length;
  if (ways > 1) throw new OAuthError('invalid_request', 'more than one way of client authentication is used');
  if (authorization !== undefined) {
    const basic = basicOf(authorization);
    if (basic !== undefined && id !== undefined && id !== basic.id) return undefined;
    return basic;
  }
  if (secret !== undefined) return id === undefined ? undefined : { id, secret };
  if (assertion === undefined || type !== ASSERTION_TYPE) return undefined;
  const subject = subjectOf(assertion);
  if (subject === undefined || (id !== undefined && id !== subject)) return undefined;
  return { id: subject, assertion };
}

/** Both parts are form-encoded before they are joined. */
function basicOf(authorization: string): Credentials | undefined {
  const text = Buffer.from(BASIC.exec(authorization)?.[1] ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  try {
    const decode = (part: string) => decodeURIComponent(part.replaceAll('+', ' '));
    return { id: decode(text.slice(0, colon)), secret: decode(text.slice(colon + 1)) };
  } catch {
    // A percent sign that begins no escape.
    return undefined;
  }
}

/** Whom an assertion speaks of, not verified. */
function subjectOf(assertion: string): string | undefined {
  try {
    const { sub } = jose().decodeJwt(assertion);
    return typeof sub === 'string' ? sub : undefined;
  } catch {
    return undefined;
  }
}
