/**
 * Policy `login`, as a route declares it: people log in at an OpenID Connect provider (authorization code with PKCE), and
 * a sealed cookie holds what came of it. The paths of the policy lie below the route: `<prefix>/.login/callback` and
 * `<prefix>/.login/logout`.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import { networkNames } from '../policies/address.ts';

const headerName = z.string().regex(/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'must be a header name in lower case');
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** An https address, or http on this machine. */
const safeUrl = z
  .url({ protocol: /^https?$/ })
  .max(512)
  .refine((text) => text.startsWith('https:') || LOOPBACK.test(new URL(text).hostname), 'must be https');

export const loginSchema = z.strictObject({
  issuer: safeUrl.describe('Of the OpenID Connect provider; its metadata is looked up there'),
  client_id: z.string().min(1).max(256),
  client_secret: z.string().min(1).max(512).optional().describe('None: a public client'),
  url: safeUrl
    .refine((text) => new URL(text).origin === text, 'must be an origin such as https://app.example.com')
    .describe('Where browsers find this gateway'),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/))
    .max(32)
    .default(['openid'])
    .refine((scopes) => scopes.includes('openid'), 'must have openid'),
  parameters: z
    .record(z.string().max(64), z.string().max(512))
    .default({})
    .describe('Further ones for the provider, such as prompt'),
  claims: z
    .array(z.string().min(1).max(128))
    .max(32)
    .default(['sub'])
    .describe('Of the ID token, that the session keeps'),
  headers: z
    .record(headerName, z.string().min(1).max(128))
    .default({})
    .describe('For the upstream, each from a claim; what the client sends under these names is dropped'),
  session_s: z
    .int()
    .min(10)
    .max(30 * 86_400)
    .default(8 * 3_600)
    .describe('After that a new login is needed'),
  logout_url: safeUrl.optional().describe('Where a browser goes after the logout; without it: `url`'),
  networks: networkNames.describe(
    'Networks where the provider may be although they are private, loopback or link-local',
  ),
});

export type LoginSpec = z.infer<typeof loginSchema>;

export interface LoginPaths {
  readonly callback: string;
  readonly logout: string;
}

/** @param path the route's template @throws RESOURCE_INVALID where it leaves the policy no paths of its own */
export function loginPaths(path: string): LoginPaths {
  const prefix = /^([^{}]*\/)\{[a-z][a-z0-9_]*\.\.\.\}$/.exec(path)?.[1];
  if (prefix === undefined) {
    const why = 'the path must end in a rest such as /app/{path...}, and have no other parameters';
    throw new SluiceError('RESOURCE_INVALID', why, { field: 'login' });
  }
  return { callback: `${prefix}.login/callback`, logout: `${prefix}.login/logout` };
}
