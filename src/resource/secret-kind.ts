/**
 * Kind `secret`: a value that others name and nobody is shown. Its document has a mark that changes with the value; the value
 * itself is with the vault, so there is nothing in the history that one could go back to.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { Declared, Kind, Spec } from './document.ts';
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

function userOf(secret: string, declared: Declared): string | undefined {
  const names = (value: unknown): boolean => {
    if (typeof value !== 'object' || value === null) return false;
    return (value as { secret?: unknown }).secret === secret || Object.values(value).some(names);
  };
  return declared.list('endpoint').find(({ spec }) => names(spec['config']))?.name;
}
