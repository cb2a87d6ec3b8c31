/**
 * Makes the policies of a route on the main thread, only to see whether its declaration holds together: what cannot be
 * made here would fail on every listener thread. Nothing is asked of them and nothing is fetched. Called by the gateway
 * before a route is applied.
 */
import { type Limits, SluiceError, systemClock } from '#kernel';
import { type CompiledApi, compileApi } from './api/compiled-api.ts';
import type { ApiSpec } from './kinds/api-kind.ts';
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

/** Its `validate` goes by the documents of the api that it serves. */
export function isHeldToApi({ validate }: NamedRoute['spec']): boolean {
  return validate !== undefined && validate.openapi === undefined;
}

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

  /** @param api that it serves, where its documents are what requests are held to @throws RESOURCE_INVALID */
  route(route: NamedRoute, api: { readonly name: string; readonly spec: ApiSpec } | undefined): void {
    const { clock, limits } = this.#parts;
    const apis = new Map<string, CompiledApi>();
    if (api !== undefined && isHeldToApi(route.spec)) {
      apis.set(api.name, compileApi(api.name, api.spec, clock, limits));
    }
    routePolicies(route, { ...this.#parts, kept: new KeptPolicies() }, apis);
  }
}
