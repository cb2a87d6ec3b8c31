/** What the `errors` of a GraphQL answer mean, whatever its status. Used by connectors whose system speaks GraphQL. */
import type { Answer } from './declaration.ts';
import type { ErrorRule, Verdict } from './error-rules.ts';
import { at } from './paths.ts';

const CODES: Readonly<Record<string, Verdict>> = {
  RATELIMITED: 'limited',
  RATE_LIMITED: 'limited',
  THROTTLED: 'limited',
  MAX_COST_EXCEEDED: 'fail',
  AUTHENTICATION_ERROR: 'refresh',
  UNAUTHENTICATED: 'refresh',
  FORBIDDEN: 'refused',
  NOT_FOUND: 'missing',
  ENTITY_NOT_FOUND: 'missing',
  INTERNAL_SERVER_ERROR: 'retry',
};
const NOT_FOUND = /not found|could not find|does not exist/i;

function meaningOf({ body }: Answer): Verdict | undefined {
  const errors = at(body, 'errors');
  if (!Array.isArray(errors) || errors.length === 0) return undefined;
  const code = String(at(errors, '0.extensions.code') ?? at(errors, '0.type') ?? '').toUpperCase();
  const known = CODES[code];
  return known ?? (NOT_FOUND.test(String(at(errors, '0.message'))) ? 'missing' : 'reject');
}

const means = (verdict: Verdict): ErrorRule => ({ when: (answer) => meaningOf(answer) === verdict, then: verdict });

export const graphqlRules: readonly ErrorRule[] = [...new Set(Object.values(CODES)), 'reject' as const].map(means);
