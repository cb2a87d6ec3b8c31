/** Webhooks that are declared as data: which signature, where the record is, where it says what happened. Used by `rest`. */
import type { JsonObject, Webhooks } from './declaration.ts';
import { at } from './paths.ts';
import type { Signature } from './signatures.ts';

export interface DeclaredWebhooks {
  readonly kind: Signature['kind'];
  readonly secret: string;
  /** Of kind `hmac`. */
  readonly header: string;
  readonly prefix: string;
  readonly encoding: 'hex' | 'base64';
  /** A name, or `{path}` to it in the body. */
  readonly stream: string;
  readonly record: string;
  readonly op?: string | undefined;
  readonly deleted: readonly string[];
  readonly inserted: readonly string[];
}

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
