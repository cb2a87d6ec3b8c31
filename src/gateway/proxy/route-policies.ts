/**
 * The policies of a route, in the order in which they are asked. A policy that a route names is one line here, one field
 * in the kind `route`, and a file of its own.
 *
 *   head    networks · cors · sizes · limits that are `first` · key, certificate, jwt, introspection, login · limits
 *           · authorize · screening · validate
 *   body    signature, webhook · limits, authorize, where one of those two says who calls · inflating · structure · screening
 *           · validate · idempotency · versions of an API · queue
 *
 * The main thread makes them too when a route is declared, to see what a declaration says against itself.
 */
import { type Clock, type Limits, SluiceError } from '#kernel';
import type { CompiledApi } from '../api/compiled-api.ts';
import { versionPolicies } from '../api/version-policy.ts';
import { DocsPolicy, isDocsRoute } from '../docs/docs-policy.ts';
import { IdempotencyPolicy } from '../idempotency/policy.ts';
import type { ThreadLink } from '../link.ts';
import { compileLogin } from '../login/policy.ts';
import { compileValidation } from '../openapi/validation.ts';
import { compileAuthorize } from '../policies/authorize.ts';
import { type CertificateHolders, CertificatePolicy } from '../policies/certificates.ts';
import { compileCors } from '../policies/cors.ts';
import { compileIntrospection } from '../policies/introspection.ts';
import type { FetchKeys } from '../policies/key-set.ts';
import { compileNetworks } from '../policies/networks.ts';
import type { OwnIssuer } from '../policies/own-issuer.ts';
import { PlainBody } from '../policies/plain-body.ts';
import { compileRateLimits, partRateLimits, type RateLimitsSpec } from '../policies/rate-limits.ts';
import { compileScreening } from '../policies/screening.ts';
import type { SharedTable } from '../policies/shared-table.ts';
import { compileSignedRequests } from '../policies/signed-requests.ts';
import { compileSizes } from '../policies/sizes.ts';
import { compileTokens, type TokensSpec, tokensSchema } from '../policies/tokens.ts';
import { compileWebhook } from '../policies/webhooks.ts';
import type { Policy } from '../policy.ts';
import { QueuedPolicy } from '../queued/policy.ts';
import { BodiesPolicy } from '../records/bodies.ts';
import type { NamedRoute } from '../table.ts';
import { ApiKeyPolicy, type KeyRing } from './api-key.ts';
import type { KeptPolicies } from './kept-policies.ts';
import type { Stats } from './stats.ts';

/** What policies are made with: one set for each listener thread. */
export interface PolicyParts {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly link: ThreadLink;
  readonly keys: KeyRing;
  /** The issuer of this server. */
  readonly own: OwnIssuer;
  /** Clients with TLS certificates. */
  readonly holders: CertificateHolders;
  readonly kept: KeptPolicies;
  readonly stats: Pick<Stats, 'found'>;
  /** All of a declaration is looked through, not only what is needed at once. */
  readonly eager: boolean;
  /** Shared by all threads: what limits count, and the ids of signed requests. */
  readonly counters: SharedTable;
  readonly replays: SharedTable;
  /** Of servers that a declaration names. @param networks that may be reached although they are special */
  fetchWithin(networks: readonly string[]): FetchKeys;
}

/** A body is collected up to here where the route sets no bound of its own. */
const BODY_BYTES = 1024 * 1024;
const OWN_TOKENS = tokensSchema.parse({ self: {}, realm: 'sluice' });

/**
 * @param apis of the same table
 * @throws RESOURCE_INVALID where a declaration contradicts itself
 */
export function routePolicies(
  route: NamedRoute,
  parts: PolicyParts,
  apis: ReadonlyMap<string, CompiledApi> = new Map(),
): Policy[] {
  if (isDocsRoute(route)) return [new DocsPolicy([...apis.values()], parts.clock)];
  const { name, spec } = route;
  const { clock, limits, counters, replays, own } = parts;
  const policies: Policy[] = [];
  const bodyBytesMax = Math.min(
    spec.sizes?.body_bytes_max ?? spec.body_bytes_max ?? BODY_BYTES,
    limits.gatewayBodyBytesMax,
  );
  /** Who calls is known with the body only. */
  const late = spec.signature !== undefined || spec.webhook !== undefined;
  const signed = { clock, table: replays, scope: name, bodyBytesMax };
  /** Adds the policy of a field where the route has it: the same one as in the table before, where nothing about it changed. */
  const add = <S, P extends Policy>(
    field: string,
    declared: S | undefined,
    make: (declared: S) => P,
  ): P | undefined => {
    if (declared === undefined) return undefined;
    const key = `${name}\0${field}\0${bodyBytesMax}\0${late}\0${JSON.stringify(declared)}`;
    const policy = parts.kept.take(key, () => refusing(field, () => make(declared)));
    policies.push(policy);
    return policy;
  };
  const limit = (declared: RateLimitsSpec) => compileRateLimits(declared, { table: counters, scope: name });

  add('networks', spec.networks, compileNetworks);
  add('cors', spec.cors, compileCors);
  const sizes = add('sizes', spec.sizes, (declared) => compileSizes(declared, limits));
  const { first, rest } = refusing('rate_limits', () => partRateLimits(spec.rate_limits));
  add('rate_limits', first, limit);
  if (spec.access_log?.enabled && spec.access_log.bodies) policies.push(new BodiesPolicy(spec.access_log.bodies));
  const tokens = (declared: TokensSpec) =>
    compileTokens(declared, { clock, limits, fetch: parts.fetchWithin(declared.networks), own });
  // Tokens of this server are as good as keys.
  if (spec.auth === 'key') policies.push(new ApiKeyPolicy(parts.keys, tokens(OWN_TOKENS)));
  if (spec.auth === 'certificate') policies.push(new CertificatePolicy(parts.holders));
  if (spec.jwt !== undefined && spec.introspection !== undefined) {
    throw new SluiceError('RESOURCE_INVALID', 'introspection: a token is verified or asked about, not both', {
      field: 'introspection',
    });
  }
  add('jwt', spec.jwt, tokens);
  add('introspection', spec.introspection, (declared) =>
    compileIntrospection(declared, { clock, limits, fetch: parts.fetchWithin(declared.networks) }),
  );
  const { path, login, authorize } = spec;
  add('login', login && { login, path }, (declared) => compileLogin(name, declared.login, path, parts));
  add('signature', spec.signature, (declared) => compileSignedRequests(declared, signed));
  add('webhook', spec.webhook, (declared) => compileWebhook(declared, signed));
  add('rate_limits', rest, (declared) => (late ? withBody(limit(declared), bodyBytesMax) : limit(declared)));

  add('authorize', authorize && { authorize, path }, (declared) => {
    const policy = compileAuthorize(declared.authorize, path);
    return late ? withBody(policy, bodyBytesMax) : policy;
  });

  const looking: Policy[] = [];
  if (sizes?.structure !== undefined) looking.push(sizes.structure);
  const screened = (refused: boolean) => parts.stats.found('screening', name, refused);
  const screening = add('screening', spec.screening, (declared) => compileScreening(declared, screened));
  if (screening !== undefined) looking.push(policies.pop() as Policy);
  const validation = add('validate', spec.validate, (declared) => {
    const found = (what: string, refused: boolean) => parts.stats.found(`validate-${what}`, name, refused);
    return compileValidation(declared, { limits, found, eager: parts.eager });
  });
  if (validation !== undefined) looking.push(policies.pop() as Policy);
  if (looking.length > 0) {
    const steps = looking.flatMap(({ body }) => (body === undefined ? [] : [body]));
    const refuses = steps.some(({ whenLonger }) => whenLonger === 'refuse');
    policies.push(new PlainBody(Math.max(...steps.map(({ bytesMax }) => bytesMax)), refuses ? 'refuse' : 'pass'));
  }
  policies.push(...looking, ...(validation?.answers ?? []));
  if (spec.idempotency !== undefined) policies.push(new IdempotencyPolicy(route, spec.idempotency, parts.link));
  const api = spec.api === undefined ? undefined : apis.get(spec.api);
  // After all that see requests and answers as callers do, and before what stands for the upstream.
  if (api !== undefined) policies.push(...versionPolicies(api, route, parts.clock, parts.limits));
  if (spec.queue !== undefined) policies.push(new QueuedPolicy(route, spec.queue, parts.link, () => clock.now()));
  return policies;
}

/** A policy of heads that is asked once the body is there, when it is known who calls. */
function withBody(policy: Policy & Required<Pick<Policy, 'check'>>, bytesMax: number): Policy {
  const { name } = policy;
  return { name, body: { bytesMax, whenLonger: 'refuse', always: true, check: (request) => policy.check(request) } };
}

/** @throws RESOURCE_INVALID that names the field, whatever `make` throws */
function refusing<P>(field: string, make: () => P): P {
  try {
    return make();
  } catch (error) {
    throw new SluiceError('RESOURCE_INVALID', `${field}: ${(error as Error).message}`, { field }, error);
  }
}
