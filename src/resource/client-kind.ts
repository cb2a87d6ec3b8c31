/** Kind `client`: a caller of the API and what it may do. Its keys are kept apart, see `api-keys.ts`. */
import { z } from 'zod';
import type { ApiKeys } from './api-keys.ts';
import type { Kind, Spec } from './document.ts';

const SCOPE =
  /^(admin|observe|(produce|consume):([A-Za-z0-9._*-]{1,249}|stream\/[^\s]{1,512})|call:[A-Za-z0-9._*-]{1,249})$/;

const schema = z.strictObject({
  scopes: z
    .array(
      z
        .string()
        .regex(
          SCOPE,
          'a scope is admin, observe, produce: or consume: and a topic or stream/<path>, or call: and a route; * matches anything',
        ),
    )
    .min(1),
  description: z.string().max(1_000).optional(),
  disabled: z.boolean().default(false).describe('All its keys are refused'),
  expires_at: z.int().positive().optional().describe('Epoch milliseconds after which its keys are refused'),
});

export type ClientSpec = z.infer<typeof schema>;

export function clientKind(keys: ApiKeys): Kind {
  return {
    kind: 'client',
    plural: 'clients',
    summary: 'A caller of the API, with scopes and keys',
    schema: schema as z.ZodType<Spec>,
    remove: (name) => keys.revokeAll(name),
  };
}
