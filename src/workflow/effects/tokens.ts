/**
 * Access tokens for calls, from OAuth 2 authorization servers, kept until shortly before they end. Grants: client credentials
 * and password; `oidc` finds the token endpoint in the discovery document of its authority. One per lane.
 */
import { createHash } from 'node:crypto';
import { request as send } from 'undici';
import type { Clock } from '#kernel';
import { Fault, problem } from '../engine/fault.ts';
import type { Authenticator } from './authorization.ts';

type Fields = Readonly<Record<string, unknown>>;

const EARLY_MS = 10_000;
const KEPT_MAX = 1_000;
const DEFAULT_LIFE_S = 60;
const ANSWER_CHARS_MAX = 64 * 1024;

export class Tokens implements Authenticator {
  readonly #clock: Clock;
  readonly #kept = new Map<string, { readonly token: Promise<string>; endsAt: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async token(kind: 'oauth2' | 'oidc', policy: Fields, signal: AbortSignal): Promise<string> {
    const key = createHash('sha256')
      .update(`${kind} ${JSON.stringify(policy)}`)
      .digest('base64');
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.endsAt > this.#clock.monotonic()) return await kept.token;
    const entry = { token: Promise.resolve(''), endsAt: Number.POSITIVE_INFINITY };
    entry.token = this.#fetch(kind, policy, signal).then(({ token, lifeMs }) => {
      entry.endsAt = this.#clock.monotonic() + Math.max(lifeMs - EARLY_MS, 0);
      return token;
    });
    this.#kept.delete(key);
    this.#kept.set(key, entry);
    if (this.#kept.size > KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value as string);
    entry.token.catch(() => this.#kept.delete(key));
    return await entry.token;
  }

  async #fetch(kind: string, policy: Fields, signal: AbortSignal): Promise<{ token: string; lifeMs: number }> {
    const { client = {}, grant = 'client_credentials', scopes, audiences, username, password } = policy;
    const form = new URLSearchParams({ grant_type: String(grant).replaceAll('-', '_') });
    const headers: Record<string, string> = { accept: 'application/json' };
    const { id, secret, authentication } = client as Record<string, string | undefined>;
    if (authentication === 'client_secret_basic') {
      const pair = `${encodeURIComponent(id ?? '')}:${encodeURIComponent(secret ?? '')}`;
      headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
    } else {
      if (id !== undefined) form.set('client_id', id);
      if (secret !== undefined) form.set('client_secret', secret);
    }
    if (Array.isArray(scopes)) form.set('scope', scopes.join(' '));
    if (Array.isArray(audiences)) form.set('audience', audiences.join(' '));
    if (typeof username === 'string') form.set('username', username);
    if (typeof password === 'string') form.set('password', password);
    headers['content-type'] = 'application/x-www-form-urlencoded';
    const uri = await tokenEndpoint(kind, policy, signal);
    const answer = await ask(uri, { method: 'POST', headers, body: form.toString(), signal });
    const { access_token: token, expires_in: lifeS } = answer;
    if (typeof token !== 'string') throw refused(`${uri} gave no access token`);
    return { token, lifeMs: (typeof lifeS === 'number' ? lifeS : DEFAULT_LIFE_S) * 1000 };
  }
}

async function tokenEndpoint(kind: string, { authority, endpoints }: Fields, signal: AbortSignal): Promise<string> {
  const base = String(authority ?? '').replace(/\/$/, '');
  if (kind === 'oauth2') {
    const path = (endpoints as { token?: string } | undefined)?.token ?? '/oauth2/token';
    return path.startsWith('http') ? path : `${base}${path}`;
  }
  const found = await ask(`${base}/.well-known/openid-configuration`, {
    method: 'GET',
    headers: {},
    body: null,
    signal,
  });
  if (typeof found['token_endpoint'] !== 'string') throw refused(`${base} names no token endpoint`);
  return found['token_endpoint'];
}

async function ask(
  uri: string,
  options: { method: 'GET' | 'POST'; headers: Record<string, string>; body: string | null; signal: AbortSignal },
): Promise<Record<string, unknown>> {
  try {
    const { statusCode, body } = await send(uri, options);
    const text = await body.text();
    if (statusCode !== 200 || text.length > ANSWER_CHARS_MAX) throw refused(`${uri} answered ${statusCode}`);
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw error instanceof Fault ? error : refused(`${uri}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function refused(detail: string): Fault {
  return new Fault(problem('authentication', 401, detail));
}
