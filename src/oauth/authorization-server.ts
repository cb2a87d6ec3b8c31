/**
 * The authorization server for programs: gives clients access tokens for their own credentials (grant
 * `client_credentials`), tells others about tokens, and takes them back. Called by the composition root, which mounts its
 * paths on the server and hands it the tokens that callers bring.
 */

import type { Mount } from '#http1';
import type { Clock, Limits, Metrics } from '#kernel';
import type { Log } from '#log';
import type { ApiKeys, ClientSpec, IssuerState, Resources } from '#resource';
import { AccessTokens } from './access-tokens.ts';
import { ClientAuthentication } from './client-authentication.ts';
import { ClientKeys } from './client-keys.ts';
import { type EndpointParts, endpoints } from './endpoints.ts';
import { ExpiringSet } from './expiring-set.ts';
import { FailureCounts } from './failures.ts';
import { SigningKeys } from './signing-keys.ts';

const REVOKED_TOPIC = 'sys.oauth.revoked';
const USED_TOPIC = 'sys.oauth.assertions';

export interface AuthorizationServerOptions {
  readonly log: Log;
  readonly resources: Resources;
  readonly secrets: ApiKeys;
  /** Where the signing keys are kept. */
  readonly keyFile: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly metrics: Metrics;
  /** The address that tokens name as their issuer; asked with each request. */
  readonly issuer: () => string;
}

export class AuthorizationServer {
  readonly tokens: AccessTokens;
  readonly mounts: readonly Mount[];
  readonly #options: AuthorizationServerOptions;
  readonly #keys: SigningKeys;
  readonly #revoked: ExpiringSet;

  private constructor(options: AuthorizationServerOptions, keys: SigningKeys, parts: EndpointParts) {
    this.#options = options;
    this.#keys = keys;
    this.#revoked = parts.revoked;
    this.tokens = parts.tokens;
    this.mounts = endpoints(parts);
  }

  /** @throws CONFIG_INVALID when the file of keys is not as it must be */
  static async open(options: AuthorizationServerOptions): Promise<AuthorizationServer> {
    const { log, resources, secrets, keyFile, clock, limits, metrics, issuer } = options;
    const keys = new SigningKeys(keyFile, clock);
    const { oauthRememberedMax: max } = limits;
    const revoked = await ExpiringSet.open(log, REVOKED_TOPIC, clock, max);
    const used = await ExpiringSet.open(log, USED_TOPIC, clock, max);
    const client = (name: string) => resources.find('client', name);
    const tokens = new AccessTokens({ keys, revoked, client, issuer, clock, limits });
    const authentication = new ClientAuthentication({
      secrets,
      client,
      keys: new ClientKeys(limits),
      used,
      failures: new FailureCounts(clock, limits),
      failed: metrics.counter('sluice_oauth_failures_total', 'Failed authentications at the OAuth endpoints'),
      clock,
      limits,
    });
    const issued = metrics.counter('sluice_oauth_tokens_total', 'Access tokens issued');
    return new AuthorizationServer(options, keys, { authentication, tokens, keys, revoked, issuer, issued });
  }

  state(): IssuerState {
    const clients = this.#options.resources.list('client').flatMap(({ name, spec, createdAt }) => {
      const { scopes, oauth, disabled, expires_at } = spec as ClientSpec;
      return oauth === undefined || disabled
        ? []
        : [{ name, scopes, sinceS: Math.floor(createdAt / 1000), expiresMs: expires_at ?? null }];
    });
    return { issuer: this.#options.issuer(), keys: this.#keys.published() as IssuerState['keys'], clients };
  }

  /** Ids of revoked tokens, and when they would have ended, in epoch milliseconds. */
  revoked(): [jti: string, expiresMs: number][] {
    return [...this.#revoked.entries()];
  }

  /** `changed` runs after keys changed. */
  watchKeys(changed: () => void): void {
    this.#keys.watch(changed);
  }

  /** `told` runs after a token was revoked. */
  watchRevocations(told: (jti: string, expiresMs: number) => void): void {
    this.#revoked.watch(told);
  }
}
