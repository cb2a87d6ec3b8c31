/**
 * What a verified token says about itself, held against what is asked of its issuer: expiry, not before, age, audience,
 * type, required claims. Times are whole or fractional seconds (RFC 7519). Called by the token policy.
 */
import { SluiceError } from '#kernel';

export type Claims = Readonly<Record<string, unknown>>;

/** What is asked of an issuer's tokens, as its declaration says it. */
export interface ClaimRules {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly types: readonly string[];
  readonly type_required: boolean;
  readonly leeway_s: number;
  readonly age_max_s?: number | undefined;
  readonly required_claims: readonly string[];
}

export interface CheckedClaims {
  readonly claims: Claims;
  /** When the token stops being good, with leeway. */
  readonly expiresMs: number;
}

/**
 * The `iss` of a token that is not verified yet, to find out whose keys to ask.
 * @throws TOKEN_MALFORMED where the payload is not a JSON object
 */
export function issuerOf(token: string): string {
  const payload = Buffer.from(token.split('.', 2)[1] as string, 'base64url').toString('utf8');
  const { iss } = parseClaims(payload);
  if (typeof iss !== 'string') throw new SluiceError('TOKEN_ISSUER_UNKNOWN');
  return iss;
}

function parseClaims(text: string): Claims {
  let claims: unknown;
  try {
    claims = JSON.parse(text);
  } catch (error) {
    throw new SluiceError('TOKEN_MALFORMED', undefined, {}, error);
  }
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw new SluiceError('TOKEN_MALFORMED');
  return claims as Claims;
}

/**
 * The claims of a token whose signature holds.
 * @throws TOKEN_TYPE_REFUSED, TOKEN_AUDIENCE_REFUSED, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, TOKEN_CLAIM_INVALID
 */
export function checkClaims(text: string, type: string | undefined, spec: ClaimRules, nowMs: number): CheckedClaims {
  const claims = parseClaims(text);
  checkType(type, spec);
  if (claims['iss'] !== spec.issuer) throw new SluiceError('TOKEN_ISSUER_UNKNOWN');
  const { aud } = claims;
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!spec.audiences.some((audience) => audiences.includes(audience))) throw new SluiceError('TOKEN_AUDIENCE_REFUSED');
  for (const name of spec.required_claims) {
    if (claims[name] === undefined || claims[name] === null) throw new SluiceError('TOKEN_CLAIM_INVALID');
  }
  return { claims, expiresMs: checkTimes(claims, spec, nowMs) };
}

function checkType(type: string | undefined, spec: ClaimRules): void {
  if (type === undefined && !spec.type_required) return;
  const plain = String(type ?? '')
    .toLowerCase()
    .replace(/^application\//, '');
  if (!spec.types.includes(plain)) throw new SluiceError('TOKEN_TYPE_REFUSED');
}

/** Until when the token is good, in milliseconds. */
function checkTimes(claims: Claims, { leeway_s, age_max_s }: ClaimRules, nowMs: number): number {
  const now = nowMs / 1000;
  const expires = secondsOf(claims, 'exp');
  const notBefore = secondsOf(claims, 'nbf');
  const issued = secondsOf(claims, 'iat');
  if (expires === undefined || (age_max_s !== undefined && issued === undefined)) {
    throw new SluiceError('TOKEN_CLAIM_INVALID');
  }
  if (now >= expires + leeway_s) throw new SluiceError('TOKEN_EXPIRED');
  if (notBefore !== undefined && now < notBefore - leeway_s) throw new SluiceError('TOKEN_NOT_YET_VALID');
  if (issued !== undefined && now < issued - leeway_s) throw new SluiceError('TOKEN_NOT_YET_VALID');
  if (age_max_s === undefined || issued === undefined) return (expires + leeway_s) * 1000;
  if (now >= issued + age_max_s + leeway_s) throw new SluiceError('TOKEN_EXPIRED');
  return Math.min(expires + leeway_s, issued + age_max_s + leeway_s) * 1000;
}

function secondsOf(claims: Claims, name: 'exp' | 'nbf' | 'iat'): number | undefined {
  const value = claims[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new SluiceError('TOKEN_CLAIM_INVALID');
  return value;
}
