/**
 * Who calls, as one text, for what is kept apart by caller: the client that was authenticated, or, where a token says who
 * it is, its issuer and subject. Null: the route asks nobody who they are. Called by the policies that keep things.
 */
import type { GatewayRequest } from './policy.ts';

export function callerOf({ client, claims }: Pick<GatewayRequest, 'client' | 'claims'>): string | null {
  if (client !== undefined) return client.name;
  const { iss, sub } = claims ?? {};
  return typeof sub === 'string' ? `${typeof iss === 'string' ? iss : ''} ${sub}` : null;
}
