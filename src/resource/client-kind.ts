/**
 * Kind `client`: a caller of the API, what it may do, and whether it may have access tokens. Its keys and secrets are kept
 * apart, see `api-keys.ts`.
 */
import { z } from 'zod';
import { isScope, SluiceError } from '#kernel';
import type { ApiKeys } from './api-keys.ts';
import type { Declared, Kind, Spec } from './document.ts';

/** Members of a JSON Web Key that must stay with the client. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

const publicKey = z
  .looseObject({ kty: z.enum(['EC', 'RSA', 'OKP']), kid: z.string().min(1).max(256).optional() })
  .refine(
    (key) => !PRIVATE_MEMBERS.some((member) => member in key),
    'must be a public key, without its private members',
  );

const oauth = z
  .strictObject({
    jwks: z
      .strictObject({ keys: z.array(publicKey).min(1).max(16) })
      .optional()
      .describe(
        'Public keys it signs its assertions with (private_key_jwt); two, while one takes the place of the other',
      ),
    jwks_uri: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Where those keys are fetched from instead'),
    audience: z
      .array(z.string().min(1).max(512))
      .max(16)
      .default([])
      .describe('What its tokens may be for; none: this server alone'),
    token_lifetime_s: z.int().min(1).max(86_400).default(3_600),
  })
  .refine((spec) => spec.jwks === undefined || spec.jwks_uri === undefined, 'has jwks or jwks_uri, not both');

const certificate = z.union([
  z.strictObject({
    sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of the certificate, in lower-case hex'),
  }),
  z.strictObject({
    subject: z.string().min(4).max(1_000).describe('As in CN=till,O=Shop, in the order of the certificate'),
  }),
]);

const schema = z.strictObject({
  scopes: z
    .array(
      z
        .string()
        .refine(
          isScope,
          'a scope is admin, observe, introspect, produce: or consume: and a topic or stream/<path>, or call: and a route; * matches anything',
        ),
    )
    .min(1),
  description: z.string().max(1_000).optional(),
  disabled: z.boolean().default(false).describe('All its keys, secrets and tokens are refused'),
  plan: z.string().max(249).optional().describe('How much it may call through the gateway'),
  expires_at: z.int().positive().optional().describe('Epoch milliseconds after which they are refused'),
  certificates: z.array(certificate).max(16).optional().describe('TLS certificates it shows to the gateway'),
  oauth: oauth.optional().describe('It may have access tokens from /oauth2/token'),
});

export type ClientSpec = z.infer<typeof schema>;

/** @param keys its API keys and its OAuth secrets, which go with it */
export function clientKind(keys: readonly ApiKeys[]): Kind {
  return {
    kind: 'client',
    plural: 'clients',
    summary: 'A caller of the API, with scopes and keys',
    schema: schema as z.ZodType<Spec>,
    check: (_name, spec, declared) => {
      const plan = (spec as ClientSpec | undefined)?.plan;
      if (plan !== undefined && declared.find('plan', plan) === undefined) {
        throw new SluiceError('RESOURCE_INVALID', `plan: there is no plan ${plan}`, { field: 'plan' });
      }
    },
    remove: async (name) => {
      for (const ring of keys) await ring.revokeAll(name);
    },
  };
}

export interface CertificateHolder {
  readonly name: string;
  readonly scopes: readonly string[];
  /** Epoch milliseconds; null: never. */
  readonly expiresMs: number | null;
  readonly certificates: NonNullable<ClientSpec['certificates']>;
}

/** Clients that have TLS certificates and are not disabled, for those who meet them. */
export function certificateHolders(declared: Declared): CertificateHolder[] {
  return declared.list('client').flatMap(({ name, spec }) => {
    const { certificates = [], scopes, disabled, expires_at } = spec as ClientSpec;
    if (disabled || certificates.length === 0) return [];
    return [{ name, scopes, expiresMs: expires_at ?? null, certificates }];
  });
}

/** Whether a client of this spec may do anything now. */
export function isInForce({ disabled, expires_at }: ClientSpec, nowMs: number): boolean {
  return !disabled && (expires_at === undefined || expires_at > nowMs);
}
