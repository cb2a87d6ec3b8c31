/** What `Authorization` says for an authentication policy whose values are in place. Called for every call of a service. */
import type { AuthenticationPolicy } from '../definition/parts.ts';
import { Fault, problem } from '../engine/fault.ts';

/** Gets tokens from authorization servers. */
export interface Authenticator {
  /** @throws Fault of type `authentication` */
  token(kind: 'oauth2' | 'oidc', policy: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<string>;
}

/** Null: nothing is said. @throws Fault of type `authentication` or `configuration` */
export async function authorizationOf(
  policy: AuthenticationPolicy | null,
  authenticator: Authenticator,
  signal: AbortSignal,
): Promise<string | null> {
  if (policy === null) return null;
  const { basic, bearer, oauth2, oidc } = policy as Record<string, Record<string, unknown> | undefined>;
  if (basic !== undefined) {
    const pair = `${field(basic, 'username')}:${field(basic, 'password')}`;
    return `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  if (bearer !== undefined) return `Bearer ${field(bearer, 'token')}`;
  if (oauth2 !== undefined) return `Bearer ${await authenticator.token('oauth2', oauth2, signal)}`;
  if (oidc !== undefined) return `Bearer ${await authenticator.token('oidc', oidc, signal)}`;
  const scheme = Object.keys(policy)[0] ?? '';
  throw new Fault(problem('configuration', 501, `authentication of scheme ${scheme} cannot be done here`));
}

function field(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  throw new Fault(problem('authentication', 401, `the authentication has no ${name}`));
}
