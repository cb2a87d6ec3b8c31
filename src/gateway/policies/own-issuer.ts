/**
 * Sluice's own issuer as a listener thread knows it: its keys, its clients and what was revoked, as the main thread last
 * said. So tokens of `/oauth2/token` are checked without asking anybody, and end here as they end there: with their
 * revocation, and with their client.
 */
import type { JSONWebKeySet } from 'jose';
import { type Clock, covers, SluiceError } from '#kernel';
import type { IssuerState } from '#resource';
import type { Claims } from './claims.ts';
import { jose } from './jose.ts';
import type { FindKey } from './jws.ts';

export interface OwnClient {
  readonly name: string;
  /** Of the token's scopes, those that the client still has. */
  readonly scopes: readonly string[];
}

export class OwnIssuer {
  readonly #clock: Clock;
  #issuer = '';
  #find: FindKey = () => Promise.reject(new SluiceError('TOKEN_KEY_UNKNOWN'));
  #clients: ReadonlyMap<string, IssuerState['clients'][number]> = new Map();
  #revoked: ReadonlyMap<string, number> = new Map();
  #kids: ReadonlySet<unknown> = new Set();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  replace({ issuer, keys, clients }: IssuerState): void {
    this.#issuer = issuer;
    let find: FindKey | undefined;
    this.#find = async (header, token) => {
      find ??= jose().createLocalJWKSet({ keys } as unknown as JSONWebKeySet);
      return await find(header, token);
    };
    this.#clients = new Map(clients.map((client) => [client.name, client]));
    this.#kids = new Set(keys.map(({ kid }) => kid));
  }

  /** @param revoked ids of tokens, and when they end */
  replaceRevoked(revoked: readonly (readonly [jti: string, expiresMs: number])[]): void {
    this.#revoked = new Map(revoked);
  }

  /** Empty before anything was said. */
  get issuer(): string {
    return this.#issuer;
  }

  readonly find: FindKey = (header, token) => this.#find(header, token);

  /** Whether a key that held a token is still one. */
  knows(kid: unknown): boolean {
    return this.#kids.has(kid);
  }

  /** The client of a token whose signature holds; undefined when it was revoked, or has no client any more. */
  clientOf({ jti, client_id, iat, scope }: Claims): OwnClient | undefined {
    const client = this.#clients.get(String(client_id));
    const gone = client === undefined || Number(iat) < client.sinceS;
    const over = client?.expiresMs != null && client.expiresMs <= this.#clock.now();
    if (gone || over || this.#revoked.has(String(jti))) return undefined;
    const scopes = typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
    return { name: client.name, scopes: scopes.filter((one) => client.scopes.some((held) => covers(held, one))) };
  }
}
