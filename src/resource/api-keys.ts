/**
 * API keys of clients, and the secrets they get access tokens with. A key is `slk_<id>_<secret>` (an OAuth secret `sls_…`):
 * the id finds it, the secret has 256 random bits and is kept only as its SHA-256 hash (a slow hash guards guessable
 * secrets; this one is not) and compared in constant time. A client has at most two live keys of a form, so that one can
 * be replaced without a pause. Each form is kept in a state space of the log.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Clock, SluiceError } from '#kernel';
import type { Log } from '#log';
import { type ClientSpec, isInForce } from './client-kind.ts';
import type { Document } from './document.ts';

export interface KeyForm {
  /** How it begins. */
  readonly prefix: string;
  /** State space it is kept in. */
  readonly space: string;
  readonly what: string;
}

const API_KEY: KeyForm = { prefix: 'slk', space: 'api-keys', what: 'key' };
/** The `client_secret` of OAuth. */
export const OAUTH_SECRET: KeyForm = { prefix: 'sls', space: 'oauth-secrets', what: 'secret' };

const KEYS_MAX = 2;
const KEY = /^(sl[ks])_([a-z0-9]{12})_([A-Za-z0-9_-]{43})$/;
const LOADED_MAX = 1_000_000;

interface StoredKey {
  readonly id: string;
  readonly client: string;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
}

/** What is needed to know a key again on another thread, and what its client may do. */
export interface HashedKey {
  readonly id: string;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
  readonly client: string;
  readonly scopes: readonly string[];
  /** Epoch milliseconds; null: never. */
  readonly expiresAt: number | null;
}

/** A key without anything secret. */
export type KeyInfo = Omit<StoredKey, 'hash'>;

export class ApiKeys {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #form: KeyForm;
  readonly #keys = new Map<string, StoredKey>();
  #client: (name: string) => Document | undefined = () => undefined;
  #clients: () => number = () => 0;
  #changed: () => void = () => undefined;

  constructor(log: Log, clock: Clock, form: KeyForm = API_KEY) {
    this.#log = log;
    this.#clock = clock;
    this.#form = form;
    for (const [id, value] of log.scanState(form.space, '', LOADED_MAX)) {
      this.#keys.set(id, JSON.parse(Buffer.from(value).toString()) as StoredKey);
    }
  }

  /** Where clients are looked up; given once, after the resources are open. */
  connect(client: (name: string) => Document | undefined, clients: () => number): void {
    this.#client = client;
    this.#clients = clients;
  }

  /** True once any client exists: from then on every call needs a key. */
  get required(): boolean {
    return this.#clients() > 0;
  }

  /** The client of a live key; undefined when it is unknown, revoked, expired, or its client is disabled. */
  find(key: string): { readonly name: string; readonly scopes: readonly string[] } | undefined {
    const [, prefix, id, secret] = KEY.exec(key) ?? [];
    const stored = id === undefined || prefix !== this.#form.prefix ? undefined : this.#keys.get(id);
    // The comparison is done for unknown ids as well, so that its time does not tell them apart.
    const matches = timingSafeEqual(
      hashOf(secret ?? ''),
      stored === undefined ? hashOf('') : Buffer.from(stored.hash, 'hex'),
    );
    if (stored === undefined || !matches || !this.#isLive(stored)) return undefined;
    const client = this.#client(stored.client);
    if (client === undefined) return undefined;
    const spec = client.spec as unknown as ClientSpec;
    return isInForce(spec, this.#clock.now()) ? { name: client.name, scopes: spec.scopes } : undefined;
  }

  /** All keys whose client is not disabled, for those who check keys elsewhere. */
  hashed(): HashedKey[] {
    const found: HashedKey[] = [];
    for (const { id, hash, client, expiresAt } of this.#keys.values()) {
      const spec = this.#client(client)?.spec as unknown as ClientSpec | undefined;
      if (spec === undefined || spec.disabled) continue;
      const ends = [expiresAt, spec.expires_at ?? null].filter((end) => end !== null);
      found.push({ id, hash, client, scopes: spec.scopes, expiresAt: ends.length === 0 ? null : Math.min(...ends) });
    }
    return found;
  }

  /** `changed` runs after a key was issued or revoked. */
  watch(changed: () => void): void {
    this.#changed = changed;
  }

  #isLive({ expiresAt }: StoredKey): boolean {
    return expiresAt === null || expiresAt > this.#clock.now();
  }

  list(client: string): KeyInfo[] {
    const keys = [...this.#keys.values()].filter((key) => key.client === client);
    return keys.map(({ id, createdAt, expiresAt }) => ({ id, client, createdAt, expiresAt }));
  }

  /**
   * Issues a key; the only time it is shown. @param expiresAt epoch milliseconds or null
   * @throws RESOURCE_UNKNOWN, LIMIT_EXCEEDED with two live keys
   */
  async issue(client: string, expiresAt: number | null): Promise<KeyInfo & { key: string }> {
    if (this.#client(client) === undefined) throw new SluiceError('RESOURCE_UNKNOWN', `there is no client ${client}`);
    const live = [...this.#keys.values()].filter((key) => key.client === client && this.#isLive(key));
    if (live.length >= KEYS_MAX) {
      throw new SluiceError(
        'LIMIT_EXCEEDED',
        `client ${client} has ${KEYS_MAX} live ${this.#form.what}s; revoke one first`,
      );
    }
    const id = randomBytes(6).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const stored: StoredKey = {
      id,
      client,
      hash: hashOf(secret).toString('hex'),
      createdAt: this.#clock.now(),
      expiresAt,
    };
    const { space, prefix } = this.#form;
    await this.#log.commit({ state: [{ space, key: id, value: Buffer.from(JSON.stringify(stored)) }] });
    this.#keys.set(id, stored);
    this.#changed();
    return { id, client, createdAt: stored.createdAt, expiresAt, key: `${prefix}_${id}_${secret}` };
  }

  /** @throws RESOURCE_UNKNOWN */
  async revoke(client: string, id: string): Promise<void> {
    if (this.#keys.get(id)?.client !== client)
      throw new SluiceError('RESOURCE_UNKNOWN', `client ${client} has no ${this.#form.what} ${id}`);
    await this.#forget([id]);
  }

  async revokeAll(client: string): Promise<void> {
    await this.#forget(this.list(client).map(({ id }) => id));
  }

  async #forget(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#log.commit({ state: ids.map((key) => ({ space: this.#form.space, key, value: null })) });
    for (const id of ids) this.#keys.delete(id);
    this.#changed();
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
