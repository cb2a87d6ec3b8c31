/**
 * Where an issuer's keys come from: written into its declaration, or fetched from its `jwks_url`. A fetched set is kept
 * for ten minutes; a key it does not hold has it fetched again, but not within the cool-down, so a flood of tokens with
 * invented key ids costs one request. jose does the keeping; this file bounds the answer and tells what failed how.
 */
import type { CryptoKey, FetchImplementation, JSONWebKeySet, JWK } from 'jose';
import { SluiceError } from '#kernel';
import { jose } from './jose.ts';
import type { FindKey } from './jws.ts';

export interface IssuerRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Headers;
  /** Redirects are not followed. */
  readonly redirect: 'manual';
  readonly signal: AbortSignal;
  readonly body?: string;
}

/** As the fetch of Node; the gateway's refuses addresses that no upstream may have. */
export type FetchKeys = (url: string, request: IssuerRequest) => Promise<Response>;

export interface RemoteKeys {
  readonly url: string;
  readonly cooldownMs: number;
  readonly timeoutMs: number;
  readonly bytesMax: number;
  readonly fetch: FetchKeys;
}

const KEEP_MS = 10 * 60_000;

export function remoteKeys({ url, cooldownMs, timeoutMs, bytesMax, fetch }: RemoteKeys): FindKey {
  const { createRemoteJWKSet, customFetch, errors } = jose();
  const fetchBounded: FetchImplementation = async (address, options) =>
    bounded(await fetch(address, options), bytesMax);
  const find = createRemoteJWKSet(new URL(url), {
    cooldownDuration: cooldownMs,
    timeoutDuration: timeoutMs,
    cacheMaxAge: KEEP_MS,
    [customFetch]: fetchBounded,
  });
  return async (header, token) => {
    try {
      return await find(header, token);
    } catch (error) {
      // jose tells that no key fits, or that several do, by errors of its own; the rest is the way to the issuer.
      const told =
        error instanceof errors.JWKSNoMatchingKey ||
        error instanceof errors.JWKSMultipleMatchingKeys ||
        error instanceof errors.JOSENotSupported;
      throw told ? error : new SluiceError('TOKEN_KEYS_UNAVAILABLE', undefined, {}, error);
    }
  };
}

/** @throws JWKSInvalid of jose when it is not a key set */
export function localKeys(set: JSONWebKeySet): FindKey {
  const find = jose().createLocalJWKSet(set);
  return async (header, token) => await find(header, token);
}

/** Shared secrets, which jose's key sets do not hold: by kid, and the only one where the token names none. */
export function secretKeys(set: JSONWebKeySet): FindKey {
  const { importJWK } = jose();
  const imported = new Map<JWK, Promise<CryptoKey | Uint8Array>>();
  return async ({ alg, kid }) => {
    const fitting = set.keys.filter((key) => fits(key, alg, kid));
    const [key] = fitting;
    if (key === undefined || fitting.length > 1) throw new SluiceError('TOKEN_KEY_UNKNOWN');
    let promise = imported.get(key);
    if (promise === undefined) {
      promise = importJWK(key, alg);
      imported.set(key, promise);
    }
    return await promise;
  };
}

function fits(key: JWK, alg: string, kid: string | undefined): boolean {
  const named = kid === undefined || key.kid === kid;
  const used = (key.use ?? 'sig') === 'sig' && (key.key_ops?.includes('verify') ?? true);
  // RFC 7518 3.2: the secret is at least as long as the hash.
  const bytes = typeof key.k === 'string' ? Buffer.from(key.k, 'base64url').length : 0;
  const long = bytes * 8 >= Number(alg.slice(2));
  return key.kty === 'oct' && named && used && (key.alg ?? alg) === alg && long;
}

/** The answer again, read whole. @throws where it is larger than `bytesMax` */
export async function bounded(response: Response, bytesMax: number): Promise<Response> {
  const chunks: Uint8Array[] = [];
  const reader = response.body?.getReader();
  let bytes = 0;
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
    bytes += read.value.length;
    if (bytes > bytesMax) {
      // Not waited for: the other end may never agree to stop.
      reader?.cancel().catch(() => {});
      throw new Error(`the answer is larger than ${bytesMax} bytes`);
    }
    chunks.push(read.value);
  }
  return new Response(Buffer.concat(chunks), { status: response.status });
}
