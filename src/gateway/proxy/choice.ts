/** Which upstream, and which target of it, a request is meant for, as far as the request decides. */
import type { UpstreamSpec } from '../kinds/upstream-kind.ts';
import type { GatewayRequest } from '../policy.ts';
import { hashText } from '../upstream/balance.ts';

/** The route's own, or its canary. */
export function chooseUpstream(request: GatewayRequest): string {
  const { upstream, canary } = request.route.spec;
  if (canary === undefined) return upstream;
  const { header, percent } = canary;
  if (header !== undefined && request.header(header.name) === header.value) return canary.upstream;
  return Math.random() * 100 < percent ? canary.upstream : upstream;
}

/** Of what requests must agree in to go to the same target; 0 where that does not matter. */
export function hashKey({ balance, hash_on }: UpstreamSpec, request: GatewayRequest): number {
  if (balance !== 'hash') return 0;
  const [what, name = ''] = hash_on.split(':');
  if (what === 'client_ip') return hashText(request.clientAddress);
  if (what === 'path') return hashText(request.path);
  if (what === 'header') return hashText(request.header(name.toLowerCase()) ?? '');
  return hashText(new URLSearchParams(request.query).get(name) ?? '');
}
