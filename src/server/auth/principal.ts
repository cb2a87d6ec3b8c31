/**
 * Who is asking, and what they may do. Used by HTTP routes and by WebSocket connections alike.
 *
 * Scopes: `admin` (everything), `observe` (look at topics, groups, metrics), `produce:<glob>` and
 * `consume:<glob>` for topics, where `*` stands for any characters; who may use a topic may look at it. While there is no client at all, which a
 * server beyond loopback refuses to start with, everyone may do everything. Topics of the system (`sys.`) and streams
 * (`stream/<path>`) are reached only by a glob that begins so itself, or by `admin`.
 */
import { matchesGlob, SluiceError } from '#kernel';
import type { ApiKeys } from '#resource';

export type Action = 'admin' | 'observe' | 'produce' | 'consume';

/** What a route asks for: nothing, a valid key, or an action (on the topic its path names). */
export type Access = 'open' | 'session' | Action;

/** Who brought a credential. */
export interface Caller {
  readonly name: string;
  readonly scopes: readonly string[];
  /** When it ends, epoch milliseconds; absent: not by itself. */
  readonly expiresMs?: number;
}

/** Reads access tokens. @throws TOKEN_… */
export interface TokenReader {
  find(token: string): Caller;
}

/** What is asked of the credentials of clients. */
export interface KeyRing {
  readonly required: boolean;
  find(key: string): Caller | undefined;
}

/** API keys, and access tokens where somebody reads them. */
export function keyRing(keys: Pick<ApiKeys, 'required' | 'find'>, tokens: TokenReader | undefined): KeyRing {
  return {
    get required() {
      return keys.required;
    },
    // A key has no dots.
    find: (key) => (tokens !== undefined && key.includes('.') ? tokens.find(key) : keys.find(key)),
  };
}

export class Principal {
  readonly client: string | undefined;
  /** When what it brought ends, epoch milliseconds. */
  readonly expiresMs: number;
  readonly #scopes: readonly string[];

  constructor(client: string | undefined, scopes: readonly string[], expiresMs = Number.POSITIVE_INFINITY) {
    this.client = client;
    this.expiresMs = expiresMs;
    this.#scopes = scopes;
  }

  allows(action: Action, topic = ''): boolean {
    for (const scope of this.#scopes) {
      if (scope === 'admin' || (scope === 'observe' && action === 'observe')) return true;
      if (
        scope.startsWith(action) &&
        scope[action.length] === ':' &&
        matchesGlob(scope.slice(action.length + 1), topic)
      ) {
        return true;
      }
    }
    return action === 'observe' && topic !== '' && (this.allows('consume', topic) || this.allows('produce', topic));
  }

  /** @throws FORBIDDEN */
  require(action: Action, topic = ''): void {
    if (this.allows(action, topic)) return;
    const scope = topic === '' ? action : `${action}:${topic}`;
    throw new SluiceError('FORBIDDEN', `this needs the scope ${scope}`, { scope });
  }
}

const everyone = new Principal(undefined, ['admin']);
/** May do nothing: who asks before anyone has looked. */
export const nobody = new Principal(undefined, []);
const BEARER = /^bearer +(\S+)$/i;
const BASIC = /^basic +(\S+)$/i;

/** @throws UNAUTHENTICATED when keys are required and this is none, or when a key is given and not valid; TOKEN_… */
export function authenticate(keys: KeyRing, key: string | undefined): Principal {
  if (!keys.required) return everyone;
  if (key === undefined) throw new SluiceError('UNAUTHENTICATED', 'an API key is needed');
  const client = keys.find(key);
  if (client === undefined) throw new SluiceError('UNAUTHENTICATED', 'the API key is not valid');
  return new Principal(client.name, client.scopes, client.expiresMs);
}

/**
 * The key of `Authorization: Bearer KEY`, else of `X-API-Key: KEY`.
 * @param takesBasic it may also be the password of `Authorization: Basic …`, whatever the user's name
 * @throws UNAUTHENTICATED on another scheme
 */
export function presentedKey(
  authorization: string | undefined,
  apiKey: string | undefined,
  takesBasic = false,
): string | undefined {
  if (authorization === undefined) return apiKey;
  const credentials = takesBasic ? BASIC.exec(authorization)?.[1] : undefined;
  if (credentials !== undefined) {
    const text = Buffer.from(credentials, 'base64').toString('utf8');
    return text.slice(text.indexOf(':') + 1);
  }
  const key = BEARER.exec(authorization)?.[1];
  if (key === undefined) throw new SluiceError('UNAUTHENTICATED', 'Authorization must be "Bearer" and a key');
  return key;
}
