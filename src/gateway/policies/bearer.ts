/**
 * What the policies of bearer tokens share: where the token stands in a request, what scopes its claims hold, and how the
 * caller is told that it is no good (RFC 6750).
 */
import { SluiceError } from '#kernel';
import type { GatewayRequest } from '../policy.ts';
import type { Claims } from './claims.ts';
import { fieldOf } from './fields.ts';

export function bearerOf(request: GatewayRequest): string | undefined {
  const field = fieldOf(request, 'authorization');
  return field === undefined ? undefined : /^bearer +([^ ]+)$/i.exec(field)?.[1];
}

/** `scope` is a list set apart by spaces (RFC 8693, RFC 9068); some issuers write `scp`, some an array. */
export function hasScopes(claims: Claims, scopes: readonly string[]): boolean {
  if (scopes.length === 0) return true;
  const claim = claims['scope'] ?? claims['scp'];
  const held = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : [];
  return scopes.every((scope) => held.includes(scope));
}

/**
 * What stands for a token: its claims, or why it is refused. Kept and shared between requests, so it holds nothing of one.
 */
export type Standing = Claims | SluiceError;

/** Gives the request its claims, or the answer its challenge. @param retryS for what may be mended by waiting */
export function settle(
  request: GatewayRequest,
  standing: Standing,
  realm: string,
  retryS: number,
): SluiceError | undefined {
  if (!(standing instanceof SluiceError)) {
    request.claims = standing;
    return undefined;
  }
  if (standing.status === 503) request.answerHeaders.push('retry-after', String(retryS));
  else if (standing.code !== 'INTERNAL') {
    // Without credentials, only the realm.
    const scope = standing.code === 'FORBIDDEN';
    const error =
      standing.code === 'TOKEN_MISSING' ? '' : `, error="${scope ? 'insufficient_scope' : 'invalid_token'}"`;
    request.answerHeaders.push('www-authenticate', `Bearer realm="${realm}"${error}`);
  }
  return standing;
}

export function lacksScope(): SluiceError {
  return new SluiceError('FORBIDDEN', 'the token does not have the scope this needs');
}
