/** What the policies of bearer tokens share: where the token stands in a request, and what scopes its claims hold. */
import type { Claims } from './claims.ts';
import type { RequestView } from './request.ts';

export function bearerOf({ headers }: RequestView): string | undefined {
  const field = headers.get('authorization');
  return field === undefined ? undefined : /^bearer +([^ ]+)$/i.exec(field)?.[1];
}

/** `scope` is a list set apart by spaces (RFC 8693, RFC 9068); some issuers write `scp`, some an array. */
export function hasScopes(claims: Claims, scopes: readonly string[]): boolean {
  if (scopes.length === 0) return true;
  const claim = claims['scope'] ?? claims['scp'];
  const held = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : [];
  return scopes.every((scope) => held.includes(scope));
}
