/**
 * Cookies of the login policy: read, sealed and opened. A sealed cookie is a JWE (`dir`, A256GCM) under the key of this
 * server, good for one purpose of one route, until its time. Over https it has the prefix `__Host-`, so that no other
 * host and no path can set it; on loopback, without https, it cannot have it.
 */
import type { Clock } from '#kernel';
import { jose } from '../policies/jose.ts';

/** With other header fields it must fit into the head of a request. */
export const COOKIE_BYTES_MAX = 2_560;

export class Sealer {
  readonly #key: () => Uint8Array | undefined;
  readonly #clock: Clock;
  readonly #jose = jose();

  /** @param key 32 bytes; undefined before it is known */
  constructor(key: () => Uint8Array | undefined, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  /** Undefined when there is no key yet. @param expiresS epoch seconds */
  async seal(purpose: string, value: object, expiresS: number): Promise<string | undefined> {
    const key = this.#key();
    if (key === undefined) return undefined;
    return await new this.#jose.EncryptJWT({ value })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setAudience(purpose)
      .setExpirationTime(expiresS)
      .encrypt(key);
  }

  /** Undefined for anything but what was sealed for this purpose and is not over. */
  async open(purpose: string, text: string): Promise<{ value: unknown; expiresS: number } | undefined> {
    const key = this.#key();
    if (key === undefined || text.length > COOKIE_BYTES_MAX) return undefined;
    try {
      const { payload } = await this.#jose.jwtDecrypt(text, key, {
        audience: purpose,
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
        requiredClaims: ['exp'],
        currentDate: new Date(this.#clock.now()),
      });
      return { value: payload['value'], expiresS: payload.exp as number };
    } catch (error) {
      if (error instanceof this.#jose.errors.JOSEError) return undefined;
      throw error;
    }
  }
}

/** All cookies of a request, in order; the values as they came. */
export function readCookies(headers: readonly string[]): [name: string, value: string][] {
  const found: [string, string][] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue;
    for (const pair of (headers[i + 1] as string).split(';')) {
      const at = pair.indexOf('=');
      if (at > 0) found.push([pair.slice(0, at).trim(), pair.slice(at + 1).trim()]);
    }
  }
  return found;
}

/** A field `Set-Cookie`. @param maxAgeS 0 takes it away */
export function setCookie(name: string, value: string, maxAgeS: number, secure: boolean): string {
  const attributes = `Path=/; Max-Age=${maxAgeS}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  return `${name}=${value}; ${attributes}`;
}
