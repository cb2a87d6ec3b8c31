/**
 * Kind `secret`: a value that others name and nobody is shown. Its document has a mark that changes with the value; the value
 * itself is with the vault, so there is nothing in the history that one could go back to.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { Declared, Kind, Spec } from './document.ts';
import type { Resources } from './resources.ts';
import type { Vault } from './vault.ts';

const VALUE_CHARACTERS_MAX = 65_536;

const schema = z.strictObject({
  value: z.string().min(1).max(VALUE_CHARACTERS_MAX).describe('Kept encrypted and never shown'),
  description: z.string().max(1_000).optional(),
});

export function secretKind(vault: Vault): Kind {
  return {
    kind: 'secret',
    plural: 'secrets',
    summary: 'A value that endpoints name and nobody is shown; kept encrypted',
    schema: schema as z.ZodType<Spec>,
    check: (name, spec, declared) => {
      const user = spec === undefined ? userOf(name, declared) : undefined;
      if (user !== undefined) throw new SluiceError('RESOURCE_IN_USE', `endpoint ${user} names it`, { by: user });
    },
    record: (name, { value, ...rest }) => ({ ...rest, mark: vault.mark(name, value as string) }),
    changes: (name, spec) => vault.changes(name, spec?.['value'] as string | undefined),
  };
}

/**
 * A system has given another value (a rotated refresh token), and the old one is worth nothing now: the new one is durable when
 * this answers. Its document follows, since whoever declares the endpoint may be waiting for this very answer; one that a person
 * gave meanwhile stands.
 */
export async function replaceSecret(
  vault: Vault,
  resources: Resources,
  name: string,
  value: string,
  endpoint: string,
): Promise<void> {
  const { version, spec } = resources.get('secret', name);
  await vault.replace(name, value);
  const { mark: _, ...rest } = spec;
  const follow = resources.put('secret', name, { ...rest, value }, { by: `endpoint ${endpoint}`, ifMatch: version });
  void follow.catch(() => undefined);
}

function userOf(secret: string, declared: Declared): string | undefined {
  const names = (value: unknown): boolean => {
    if (typeof value !== 'object' || value === null) return false;
    return (value as { secret?: unknown }).secret === secret || Object.values(value).some(names);
  };
  return declared.list('endpoint').find(({ spec }) => names(spec['config']))?.name;
}
