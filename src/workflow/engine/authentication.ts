/** How a call says who it is: the policy the document names, with its expressions evaluated and secrets in place. */
import type { AuthenticationPolicy, AuthenticationReference } from '../definition/parts.ts';
import type { RequestContext } from './behaviour.ts';
import { Fault, problem } from './fault.ts';

import { configuration } from './plan.ts';

/** @throws Fault of type `configuration`, `authorization` or `expression` */
export function authenticationOf(
  reference: AuthenticationReference | undefined,
  context: RequestContext,
  input: unknown,
): AuthenticationPolicy | null {
  if (reference === undefined) return null;
  const policy = 'use' in reference ? context.document.use?.authentications?.[reference.use as string] : reference;
  if (policy === undefined) throw configuration(`there is no authentication of that name in use.authentications`);
  const evaluated = context.templates.value(policy).evaluate(input, () => context.variables());
  const filled: Record<string, unknown> = {};
  for (const [scheme, given] of Object.entries(evaluated as Record<string, unknown>)) {
    const named = (given as { use?: unknown } | null)?.use;
    filled[scheme] = typeof named === 'string' ? secretFields(context, named) : given;
  }
  return filled as AuthenticationPolicy;
}

function secretFields(context: RequestContext, name: string): unknown {
  const secret = context.secret(name);
  if (typeof secret === 'object' && secret !== null) return secret;
  throw new Fault(problem('authorization', 403, `secret ${name} does not hold the fields of an authentication`));
}
