/**
 * Webhooks that are declared as data: which signature, where the record is, where it says what happened. Used by connectors
 * of any API.
 */
import { z } from 'zod';
import type { JsonObject, Webhooks } from './declaration.ts';
import { at } from './paths.ts';
import { secretText } from './settings.ts';

const path = z.string().max(200).describe('Dotted path in the body');

export const declaredWebhooks = z.strictObject({
  kind: z.enum(['standard', 'github', 'stripe', 'slack', 'hmac']),
  secret: secretText('Of the signature'),
  header: z.string().default('x-signature').describe('Of kind hmac'),
  prefix: z.string().default(''),
  encoding: z.enum(['hex', 'base64']).default('hex'),
  stream: z.string().describe('Whose records come, or {place} for a path to its name'),
  record: path.default(''),
  op: path.optional().describe('Where it says what happened'),
  deleted: z.array(z.string()).default(['deleted', 'delete']).describe('What it says of deletions'),
  inserted: z.array(z.string()).default(['created', 'insert']),
});

type DeclaredWebhooks = z.infer<typeof declaredWebhooks>;

export function verifiedBy(declared: DeclaredWebhooks | undefined): Webhooks {
  if (declared === undefined) return { signature: undefined, changes: () => [] };
  const { kind, secret, header, prefix, encoding, stream, record, op, deleted, inserted } = declared;
  const secrets = [secret];
  return {
    signature: kind === 'hmac' ? { kind, secrets, header, prefix, encoding } : { kind, secrets },
    changes: (body) => {
      const found = at(body, record);
      const [, path] = /^\{(.*)\}$/.exec(stream) ?? [];
      const name = path === undefined ? stream : String(at(body, path));
      const said = op === undefined ? '' : String(at(body, op));
      const what = deleted.includes(said) ? 'delete' : inserted.includes(said) ? 'insert' : 'update';
      const all = Array.isArray(found) ? found : found === undefined || found === null ? [] : [found];
      return all.map((one) => ({ stream: name, op: what, record: one as JsonObject }));
    },
  };
}
