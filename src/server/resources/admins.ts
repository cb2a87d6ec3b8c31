/**
 * Nobody is locked out: while there is any client, one that is an administrator must be left, since from the first
 * client on every call needs a key. So the first client is an administrator, and the last one goes last.
 */
import { SluiceError } from '#kernel';
import type { Resources, Spec } from '#resource';

/**
 * @param spec what client `name` is about to become; undefined when it is about to go
 * @throws RESOURCE_INVALID (details: `field`)
 */
export function requireAdminLeft(resources: Resources, name: string, spec: Spec | undefined): void {
  const others = resources.list('client').filter((document) => document.name !== name);
  const specs = others.map((document) => document.spec);
  if (spec !== undefined) specs.push(spec);
  if (specs.length === 0 || specs.some(isAdmin)) return;
  throw new SluiceError('RESOURCE_INVALID', 'one client with the scope admin must be left, and be there first', {
    field: 'scopes',
  });
}

function isAdmin(spec: Spec): boolean {
  const { scopes, disabled, expires_at } = spec;
  return Array.isArray(scopes) && scopes.includes('admin') && disabled !== true && expires_at === undefined;
}
