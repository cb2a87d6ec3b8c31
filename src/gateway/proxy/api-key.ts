/**
 * API keys on a listener thread: the same keys as those of the engine, known by the hash of their secret. The policy of
 * routes with `auth: key`; a key is spent here, and not shown to the upstream. An access token of this server is as good.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { type Clock, SluiceError } from '#kernel';
import type { HashedKey } from '#resource';
import type { GatewayRequest, Policy, Verdict } from '../policy.ts';

const KEY = /^slk_([a-z0-9]{12})_([A-Za-z0-9_-]{43})$/;
const BEARER = /^bearer +(\S+)$/i;
const NO_HASH = Buffer.alloc(32);

interface KnownKey extends Omit<HashedKey, 'hash'> {
  readonly digest: Buffer;
}

export class KeyRing {
  readonly #clock: Clock;
  #keys: ReadonlyMap<string, KnownKey> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  replace(keys: readonly HashedKey[]): void {
    this.#keys = new Map(keys.map(({ hash, ...key }) => [key.id, { ...key, digest: Buffer.from(hash, 'hex') }]));
  }

  /** The client of a live key. As much is done for unknown keys as for known ones, so that time tells nothing. */
  find(text: string): GatewayRequest['client'] {
    const [, id = '', secret = ''] = KEY.exec(text) ?? [];
    const known = this.#keys.get(id);
    const digest = hash('sha256', secret, 'buffer');
    const same = timingSafeEqual(digest, known?.digest ?? NO_HASH);
    if (known === undefined || !same) return undefined;
    if (known.expiresAt !== null && known.expiresAt <= this.#clock.now()) return undefined;
    return { name: known.client, scopes: known.scopes, key: known.id };
  }
}

export class ApiKeyPolicy implements Policy {
  readonly name = 'api-key';
  readonly #keys: KeyRing;
  readonly #tokens: Pick<Required<Policy>, 'check'>;

  constructor(keys: KeyRing, tokens: Pick<Required<Policy>, 'check'>) {
    this.#keys = keys;
    this.#tokens = tokens;
  }

  check(request: GatewayRequest): Verdict | Promise<Verdict> {
    const authorization = request.header('authorization');
    const bearer = authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
    const key = request.header('x-api-key') ?? bearer;
    // A key has no dots.
    if (key?.includes('.') === true && key === bearer) return this.#tokens.check(request);
    if (key === undefined) return new SluiceError('UNAUTHENTICATED', 'an API key is needed');
    const client = this.#keys.find(key);
    if (client === undefined) return new SluiceError('UNAUTHENTICATED', 'the API key is not valid');
    const scope = `call:${request.route.name}`;
    if (!client.scopes.some((one) => one === 'admin' || covers(one, scope))) {
      return new SluiceError('FORBIDDEN', `this needs the scope ${scope}`, { scope });
    }
    request.client = client;
    request.spent.add('x-api-key');
    if (bearer !== undefined && KEY.test(bearer)) request.spent.add('authorization');
    return undefined;
  }
}

/** Whether a scope, in which `*` stands for any characters, covers another one. */
function covers(scope: string, wanted: string): boolean {
  if (!scope.startsWith('call:')) return false;
  const parts = scope.split('*');
  if (parts.length === 1) return scope === wanted;
  let at = (parts[0] as string).length;
  const last = parts[parts.length - 1] as string;
  if (!wanted.startsWith(parts[0] as string) || wanted.length < at + last.length || !wanted.endsWith(last))
    return false;
  const end = wanted.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = wanted.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
