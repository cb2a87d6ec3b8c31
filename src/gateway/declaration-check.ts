/**
 * Makes the policies of a route on the main thread, only to see whether its declaration holds together: what cannot be
 * made here would fail on every listener thread. Nothing is asked of them and nothing is fetched. Called by the gateway
 * before a route is applied.
 */
import { type Limits, SluiceError, systemClock } from '#kernel';
import { ThreadLink } from './link.ts';
import { CertificateHolders } from './policies/certificates.ts';
import { OwnIssuer } from './policies/own-issuer.ts';
import { SharedTable } from './policies/shared-table.ts';
import { KeyRing } from './proxy/api-key.ts';
import { KeptPolicies } from './proxy/kept-policies.ts';
import { type PolicyParts, routePolicies } from './proxy/route-policies.ts';
import { Stats } from './proxy/stats.ts';
import { Quotas } from './quotas/quota-policy.ts';
import type { NamedRoute } from './table.ts';

export class DeclarationCheck {
  readonly #parts: Omit<PolicyParts, 'kept'>;

  constructor(limits: Limits) {
    const table = SharedTable.create(1);
    this.#parts = {
      clock: systemClock,
      limits,
      link: new ThreadLink(() => undefined),
      keys: new KeyRing(systemClock),
      own: new OwnIssuer(systemClock),
      holders: new CertificateHolders(systemClock),
      quotas: new Quotas(),
      stats: new Stats(),
      eager: true,
      counters: table,
      replays: table,
      fetchWithin: () => () => Promise.reject(new SluiceError('INTERNAL', 'nothing is fetched on the main thread')),
    };
  }

  /** @throws RESOURCE_INVALID */
  route(route: NamedRoute): void {
    routePolicies(route, { ...this.#parts, kept: new KeptPolicies() });
  }
}
