/**
 * Verifies a signed token in compact form: the one place where signatures of JWTs are checked, so the public vectors that
 * run through it say what the gateway does. The key comes from the issuer's key set alone: `jku`, `jwk`, `x5u` and `x5c`
 * of a token are not read, its `kid` only looks up. No extension of `crit` is understood, `none` is not an algorithm.
 */
import type { CompactJWSHeaderParameters, CryptoKey, FlattenedJWSInput, ProtectedHeaderParameters } from 'jose';
import { type ErrorCode, SluiceError } from '#kernel';
import { jose } from './jose.ts';

/** Algorithms with a public key, then those with a shared secret; an issuer has the one kind or the other. */
export const PUBLIC_KEY_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;
export const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'] as const;
export type Algorithm = (typeof PUBLIC_KEY_ALGORITHMS)[number] | (typeof SECRET_ALGORITHMS)[number];

/** Finds the key for a token, as jose asks for it. */
export type FindKey = (header: CompactJWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey | Uint8Array>;

export interface Verified {
  readonly header: CompactJWSHeaderParameters;
  readonly payload: Uint8Array;
}

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+$/;
/** Keys tried for a token without a kid where several fit. */
const KEYS_TRIED_MAX = 8;

/**
 * The parts of a token whose signature holds under a key of `find`.
 * @throws TOKEN_MALFORMED, TOKEN_ALGORITHM_DENIED, TOKEN_KEY_UNKNOWN, TOKEN_SIGNATURE_WRONG, TOKEN_KEYS_UNAVAILABLE
 */
export async function verifyJws(token: string, find: FindKey, algorithms: readonly Algorithm[]): Promise<Verified> {
  readHeader(token);
  const options = { algorithms: [...algorithms] };
  try {
    const { protectedHeader, payload } = await jose().compactVerify(token, find, options);
    return { header: protectedHeader, payload };
  } catch (error) {
    if (!(error instanceof jose().errors.JWKSMultipleMatchingKeys)) throw asTokenError(error);
    return await tryEach(token, error as AsyncIterable<CryptoKey>, options);
  }
}

/**
 * The header of a token, not verified.
 * @throws TOKEN_MALFORMED where it is not one of a signed token that is read here
 */
export function readHeader(token: string): CompactJWSHeaderParameters {
  if (!COMPACT.test(token) || !token.split('.').every(isCanonical)) throw new SluiceError('TOKEN_MALFORMED');
  let header: ProtectedHeaderParameters;
  try {
    header = jose().decodeProtectedHeader(token);
  } catch (error) {
    throw new SluiceError('TOKEN_MALFORMED', undefined, {}, error);
  }
  if (typeof header.alg !== 'string' || header.crit !== undefined || 'b64' in header || 'zip' in header) {
    throw new SluiceError('TOKEN_MALFORMED');
  }
  return header as CompactJWSHeaderParameters;
}

/** Whether the bits behind the last whole byte are 0, so that there is one way to write a token. */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}

/** Where the token names no key and several fit, as while an issuer rotates. */
async function tryEach(token: string, keys: AsyncIterable<CryptoKey>, options: { algorithms: string[] }) {
  let tried = 0;
  for await (const key of keys) {
    if (++tried > KEYS_TRIED_MAX) break;
    try {
      const { protectedHeader, payload } = await jose().compactVerify(token, key, options);
      return { header: protectedHeader, payload };
    } catch (error) {
      if (!(error instanceof jose().errors.JWSSignatureVerificationFailed)) throw asTokenError(error);
    }
  }
  throw new SluiceError('TOKEN_SIGNATURE_WRONG');
}

function asTokenError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  return new SluiceError(codeOf(error), undefined, {}, error);
}

function codeOf(error: unknown): ErrorCode {
  const { errors } = jose();
  if (error instanceof errors.JOSEAlgNotAllowed) return 'TOKEN_ALGORITHM_DENIED';
  if (error instanceof errors.JWKSNoMatchingKey) return 'TOKEN_KEY_UNKNOWN';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'TOKEN_SIGNATURE_WRONG';
  if (error instanceof errors.JOSENotSupported) return 'TOKEN_ALGORITHM_DENIED';
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return 'TOKEN_MALFORMED';
  // What is left is a key that does not fit the algorithm, such as RSA of 1024 bits.
  return 'TOKEN_SIGNATURE_WRONG';
}
