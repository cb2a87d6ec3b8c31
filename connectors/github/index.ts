/**
 * Connector `github`: repositories with their issues, comments, pull requests, commits, releases, labels and milestones; issues,
 * comments, labels, milestones and releases are written too. Webhooks give changes of issues, comments, pull requests,
 * releases, labels and milestones.
 */
import { z } from 'zod';
import { type Auth, defineHttpConnector, httpSettings, type JsonObject, pick, secretText } from '#connector';
import { changesOf } from './events.ts';
import { streamsOf } from './streams.ts';

const spec = z.strictObject({
  ...httpSettings('https://api.github.com'),
  token: secretText('Personal access token, or token of an app').optional(),
  app_id: z.string().min(1).optional().describe('Of a GitHub App, instead of a token'),
  installation_id: z.string().min(1).optional().describe('Of the installation of that app'),
  private_key: secretText('Private key of that app, PKCS#8 PEM').optional(),
  repositories: z
    .array(z.string().regex(/^[\w.-]+\/[\w.-]+$/, 'must be owner/name'))
    .max(1_000)
    .default([])
    .describe('Those to look into; none: all that the token sees'),
  writes_per_minute: z.int().min(1).default(80).describe('GitHub blocks accounts that write much more'),
  webhook_secret: secretText('Secret of the webhooks').optional(),
});

function authOf({ token, app_id, installation_id, private_key }: z.infer<typeof spec>): Auth {
  if (token !== undefined) return { kind: 'bearer', token };
  if (app_id === undefined || installation_id === undefined || private_key === undefined) return { kind: 'none' };
  return {
    kind: 'session',
    login: { method: 'POST', path: `/app/installations/${encodeURIComponent(installation_id)}/access_tokens` },
    auth: { kind: 'jwt', jwt: { algorithm: 'RS256', key: private_key, claims: { iss: app_id } } },
    token: { path: 'token' },
    expires: 'expires_at',
  };
}

export default defineHttpConnector({
  name: 'github',
  title: 'GitHub',
  description:
    'Repositories, issues, comments, pull requests, commits and releases; issues and more are written as well.',
  proof: 'emulator',
  can: ['full', 'incremental', 'lookup', 'receive', 'insert', 'update', 'upsert', 'delete'],
  spec,
  system: (config) => ({
    settings: config,
    auth: authOf(config),
    headers: { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' },
    budgets: [{ requests: config.writes_per_minute, perMs: 60_000, match: ({ method = 'GET' }) => method !== 'GET' }],
    // A secondary limit is a 403 that names no time.
    rules: [{ status: 403, text: /rate limit/i, then: 'limited' }],
    reason: (body) => whyOf(body as JsonObject | undefined),
    check: config.app_id === undefined ? { path: '/user' } : { path: '/installation/repositories' },
    streams: streamsOf(config.repositories),
    webhooks: {
      signature: config.webhook_secret === undefined ? undefined : { kind: 'github', secrets: [config.webhook_secret] },
      changes: changesOf,
    },
  }),
});

/** The fields at fault are in a list beside the message. */
function whyOf(body: JsonObject | undefined): string | undefined {
  const { message, errors } = pick(body ?? {}, ['message', 'errors']);
  if (typeof message !== 'string') return undefined;
  return Array.isArray(errors) && errors.length > 0 ? `${message}: ${JSON.stringify(errors)}` : message;
}
