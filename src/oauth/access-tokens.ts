/**
 * Access tokens as RFC 9068 writes them: JWTs of type `at+jwt`, signed with ES256. Made for the token endpoint, read for
 * introspection and revocation, and taken as credentials by the server itself.
 *
 * Reading is synchronous, since the server must know who asks before its callback returns; a token whose signature held is
 * remembered. What can change is looked at each time: expiry, revocation, the client and its scopes, so that a client
 * that is disabled, deleted or cut back loses its tokens at once.
 */
import { randomBytes, verify } from 'node:crypto';
import { type Clock, covers, type Limits, SluiceError } from '#kernel';
import { type ClientSpec, type Document, isInForce } from '#resource';
import type { ExpiringSet } from './expiring-set.ts';
import { jose } from './jose.ts';
import type { SigningKeys } from './signing-keys.ts';

const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})$/;
const SIGNATURE_BYTES = 64;

/** A token whose signature holds, and that this server made. */
export interface AccessToken {
  readonly jti: string;
  readonly client: string;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly kid: string;
  /** Epoch seconds. */
  readonly issuedS: number;
  readonly expiresS: number;
}

interface OwnClaims {
  readonly jti: string;
  readonly client_id: string;
  readonly scope: string;
  readonly aud: string | readonly string[];
  readonly iat: number;
  readonly exp: number;
}

export interface TokenParts {
  readonly keys: SigningKeys;
  readonly revoked: ExpiringSet;
  readonly client: (name: string) => Document | undefined;
  readonly issuer: () => string;
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'tokenBytesMax' | 'tokensKeptMax'>;
}

export interface Caller {
  readonly name: string;
  readonly scopes: readonly string[];
  /** When what it brought ends, epoch milliseconds. */
  readonly expiresMs: number;
}

export class AccessTokens {
  readonly #parts: TokenParts;
  /** By token; the one used longest ago comes first. */
  readonly #kept = new Map<string, AccessToken>();

  constructor(parts: TokenParts) {
    this.#parts = parts;
  }

  /** @throws STORE_FAILED when a key is needed and cannot be kept */
  async issue(
    client: string,
    scopes: readonly string[],
    audiences: readonly string[],
    lifetimeS: number,
  ): Promise<string> {
    const { kid, privateKey } = this.#parts.keys.current();
    const now = Math.floor(this.#parts.clock.now() / 1000);
    return await new (jose().SignJWT)({ client_id: client, scope: scopes.join(' ') })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
      .setIssuer(this.#parts.issuer())
      .setSubject(client)
      .setAudience(audiences.length === 1 ? (audiences[0] as string) : [...audiences])
      .setJti(randomBytes(16).toString('base64url'))
      .setIssuedAt(now)
      .setExpirationTime(now + lifetimeS)
      .sign(privateKey);
  }

  /** Who brings it to this server. @throws TOKEN_… */
  find(text: string): Caller {
    const token = this.read(text);
    if (!token.audiences.includes(this.#parts.issuer())) throw new SluiceError('TOKEN_AUDIENCE_REFUSED');
    const scopes = this.scopesNow(token);
    return { name: token.client, scopes, expiresMs: token.expiresS * 1000 };
  }

  /** A token that holds now, whatever it is for. @throws TOKEN_… */
  read(text: string): AccessToken {
    const token = this.#signed(text);
    const { clock, revoked } = this.#parts;
    if (token.expiresS * 1000 <= clock.now()) throw new SluiceError('TOKEN_EXPIRED');
    if (revoked.has(token.jti)) throw new SluiceError('TOKEN_REVOKED');
    this.scopesNow(token);
    return token;
  }

  /** What of its scopes its client still has. @throws TOKEN_REVOKED when that is gone, or is another one of the name */
  scopesNow({ client: name, scopes, issuedS }: AccessToken): string[] {
    const client = this.#parts.client(name);
    const spec = client?.spec as ClientSpec | undefined;
    if (client === undefined || spec?.oauth === undefined || !isInForce(spec, this.#parts.clock.now())) {
      throw new SluiceError('TOKEN_REVOKED');
    }
    if (issuedS < Math.floor(client.createdAt / 1000)) throw new SluiceError('TOKEN_REVOKED');
    return scopes.filter((scope) => spec.scopes.some((held) => covers(held, scope)));
  }

  #signed(text: string): AccessToken {
    const kept = this.#kept.get(text);
    if (kept !== undefined) {
      this.#kept.delete(text);
      // A key that was forgotten takes its tokens along.
      if (this.#parts.keys.find(kept.kid) === undefined) throw new SluiceError('TOKEN_KEY_UNKNOWN');
      this.#kept.set(text, kept);
      return kept;
    }
    const token = this.#verify(text);
    this.#kept.set(text, token);
    if (this.#kept.size > this.#parts.limits.tokensKeptMax) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    return token;
  }

  #verify(text: string): AccessToken {
    if (text.length > this.#parts.limits.tokenBytesMax) throw new SluiceError('TOKEN_MALFORMED');
    const [, head = '', body = '', tail = ''] = COMPACT.exec(text) ?? [];
    const header = readPart(head);
    const claims = readPart(body);
    if (claims['iss'] !== this.#parts.issuer()) throw new SluiceError('TOKEN_ISSUER_UNKNOWN');
    if (header['alg'] !== 'ES256') throw new SluiceError('TOKEN_ALGORITHM_DENIED');
    const kid = String(header['kid']);
    const key = this.#parts.keys.find(kid);
    if (key === undefined) throw new SluiceError('TOKEN_KEY_UNKNOWN');
    const signature = Buffer.from(tail, 'base64url');
    const isOneSpelling = signature.length === SIGNATURE_BYTES && signature.toString('base64url') === tail;
    const signed = Buffer.from(`${head}.${body}`);
    const { publicKey } = key;
    if (!isOneSpelling || !verify('sha256', signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)) {
      throw new SluiceError('TOKEN_SIGNATURE_WRONG');
    }
    if (header['typ'] !== 'at+jwt') throw new SluiceError('TOKEN_TYPE_REFUSED');
    // Nobody else signs with this key, so the claims are as `issue` wrote them.
    const { jti, client_id, scope, aud, iat, exp } = claims as unknown as OwnClaims;
    const audiences = typeof aud === 'string' ? [aud] : aud;
    const scopes = scope === '' ? [] : scope.split(' ');
    return { jti, client: client_id, scopes, audiences, kid, issuedS: iat, expiresS: exp };
  }
}

function readPart(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new SluiceError('TOKEN_MALFORMED', undefined, {}, error);
  }
  throw new SluiceError('TOKEN_MALFORMED');
}
