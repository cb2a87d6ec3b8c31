/**
 * API keys of clients. A key is `slk_<id>_<secret>`: the id finds it, the secret has 256 random bits and is kept only
 * as its SHA-256 hash (a slow hash guards guessable secrets; this one is not) and compared in constant time. A client
 * has at most two live keys, so that one can be replaced without a pause. Kept in the log's state space `api-keys`.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Clock, SluiceError } from '#kernel';
import type { Log } from '#log';
import type { ClientSpec } from './client-kind.ts';
import type { Document } from './document.ts';

const SPACE = 'api-keys';
const KEYS_MAX = 2;
const KEY = /^slk_([a-z0-9]{12})_([A-Za-z0-9_-]{43})$/;
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
  readonly #keys = new Map<string, StoredKey>();
  #client: (name: string) => Document | undefined = () => undefined;
  #clients: () => number = () => 0;
  #changed: () => void = () => undefined;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    for (const [id, value] of log.scanState(SPACE, '', LOADED_MAX)) {
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
    const [, id, secret] = KEY.exec(key) ?? [];
    const stored = id === undefined ? undefined : this.#keys.get(id);
    // The comparison is done for unknown ids as well, so that its time does not tell them apart.
    const matches = timingSafeEqual(
      hashOf(secret ?? ''),
      stored === undefined ? hashOf('') : Buffer.from(stored.hash, 'hex'),
    );
    if (stored === undefined || !matches || !this.#isLive(stored)) return undefined;
    const client = this.#client(stored.client);
    if (client === undefined) return undefined;
    const spec = client.spec as unknown as ClientSpec;
    const expired = spec.expires_at !== undefined && spec.expires_at <= this.#clock.now();
    return spec.disabled || expired ? undefined : { name: client.name, scopes: spec.scopes };
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
      throw new SluiceError('LIMIT_EXCEEDED', `client ${client} has ${KEYS_MAX} live keys; revoke one first`);
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
    await this.#log.commit({ state: [{ space: SPACE, key: id, value: Buffer.from(JSON.stringify(stored)) }] });
    this.#keys.set(id, stored);
    this.#changed();
    return { id, client, createdAt: stored.createdAt, expiresAt, key: `slk_${id}_${secret}` };
  }

  /** @throws RESOURCE_UNKNOWN */
  async revoke(client: string, id: string): Promise<void> {
    if (this.#keys.get(id)?.client !== client)
      throw new SluiceError('RESOURCE_UNKNOWN', `client ${client} has no key ${id}`);
    await this.#forget([id]);
  }

  async revokeAll(client: string): Promise<void> {
    await this.#forget(this.list(client).map(({ id }) => id));
  }

  async #forget(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#log.commit({ state: ids.map((key) => ({ space: SPACE, key, value: null })) });
    for (const id of ids) this.#keys.delete(id);
    this.#changed();
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
