/**
 * The policies of a route, in the order in which they are asked. A policy that a route names is one line here, one field
 * in the kind `route`, and a file of its own.
 */
import type { Clock, Limits } from '#kernel';
import type { ThreadLink } from '../link.ts';
import type { Policy } from '../policy.ts';
import type { NamedRoute } from '../table.ts';
import { ApiKeyPolicy, type KeyRing } from './api-key.ts';

/** What policies are made with: one set for each listener thread. */
export interface PolicyParts {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly link: ThreadLink;
  readonly keys: KeyRing;
}

/** @throws CONFIG_INVALID where a declaration contradicts itself */
export function routePolicies({ spec }: NamedRoute, parts: PolicyParts): Policy[] {
  const policies: Policy[] = [];
  if (spec.auth === 'key') policies.push(new ApiKeyPolicy(parts.keys));
  return policies;
}
