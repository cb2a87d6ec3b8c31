/**
 * The policies of a route, in the order in which they are asked. A policy that a route names is one line here, one field
 * in the kind `route`, and a file of its own.
 *
 *   head    networks · cors · sizes · limits that are `first` · key, certificate, jwt, introspection, login · limits
 *           · authorize · quotas · screening · validate
 *   body    signature, webhook · limits, authorize, quotas, where one of those two says who calls · inflating · structure · screening
 *           · validate · idempotency · versions of an API · queue
 *
 *   answer  validate · response_fields · cors takes off what the upstream said of origins
 *
 * The main thread makes them too when a route is declared, to see what a declaration says against itself.
 */
import { type Clock, type Limits, SluiceError } from '#kernel';
import type { CompiledApi } from '../api/compiled-api.ts';
import { versionPolicies } from '../api/version-policy.ts';
import { CapturePolicy } from '../capture/policy.ts';
import { DocsPolicy, isDocsRoute } from '../docs/docs-policy.ts';
import { IdempotencyPolicy } from '../idempotency/policy.ts';
import type { ThreadLink } from '../link.ts';
import { compileLogin } from '../login/policy.ts';
import { compileValidation, type Validation } from '../openapi/validation.ts';
import { compileVersionValidation, type VersionValidation } from '../openapi/version-validation.ts';
import { compileAuthorize } from '../policies/authorize.ts';
import { type CertificateHolders, CertificatePolicy } from '../policies/certificates.ts';
import { compileCors } from '../policies/cors.ts';
import { compileIntrospection } from '../policies/introspection.ts';
import type { FetchKeys } from '../policies/key-set.ts';
import { compileNetworks } from '../policies/networks.ts';
import type { OwnIssuer } from '../policies/own-issuer.ts';
import { PlainBody } from '../policies/plain-body.ts';
import { compileRateLimits, partRateLimits, type RateLimitsSpec } from '../policies/rate-limits.ts';
import { compileResponseFields } from '../policies/response-fields.ts';
import { compileScreening } from '../policies/screening.ts';
import type { SharedTable } from '../policies/shared-table.ts';
import { compileSignedRequests } from '../policies/signed-requests.ts';
import { compileSizes } from '../policies/sizes.ts';
import { compileTokens, type TokensSpec, tokensSchema } from '../policies/tokens.ts';
import { compileWebhook } from '../policies/webhooks.ts';
import type { Policy } from '../policy.ts';
import { QueuedPolicy } from '../queued/policy.ts';
import { QuotaPolicy, type Quotas } from '../quotas/quota-policy.ts';
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
  readonly quotas: Quotas;
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
  const { spec } = route;
  const made = new Making(route, parts);
  const policies: (Policy | undefined)[] = [];
  policies.push(made.policy('networks', spec.networks, compileNetworks));
  policies.push(made.policy('cors', spec.cors, compileCors));
  const sizes = made.policy('sizes', spec.sizes, (declared) => compileSizes(declared, parts.limits));
  policies.push(sizes, ...callerPolicies(route, parts, made));
  const { response_fields } = spec;
  policies.push(made.policy('response_fields', response_fields, (one) => compileResponseFields(one, parts.limits)));
  const api = spec.api === undefined ? undefined : apis.get(spec.api);
  policies.push(...contentPolicies(route, parts, made, sizes?.structure, api));
  if (spec.idempotency !== undefined) policies.push(new IdempotencyPolicy(route, spec.idempotency, parts.link));
  // After all that see requests and answers as callers do, and before what stands for the upstream.
  if (api !== undefined) policies.push(...versionPolicies(api, route, parts.clock, parts.limits));
  if (spec.queue !== undefined) policies.push(new QueuedPolicy(route, spec.queue, parts.link, () => parts.clock.now()));
  return policies.filter((policy) => policy !== undefined);
}

/** Makes the policies of one route. */
class Making {
  readonly bodyBytesMax: number;
  /** Who calls is known with the body only. */
  readonly late: boolean;
  readonly #name: string;
  readonly #kept: KeptPolicies;

  constructor({ name, spec }: NamedRoute, { limits, kept }: PolicyParts) {
    const bytesMax = spec.sizes?.body_bytes_max ?? spec.body_bytes_max ?? BODY_BYTES;
    this.bodyBytesMax = Math.min(bytesMax, limits.gatewayBodyBytesMax);
    this.late = spec.signature !== undefined || spec.webhook !== undefined;
    this.#name = name;
    this.#kept = kept;
  }

  /** The policy of a field where the route has it: the same one as in the table before, where nothing about it changed. */
  policy<S, P extends Policy>(field: string, declared: S | undefined, compile: (declared: S) => P): P | undefined {
    if (declared === undefined) return undefined;
    const key = `${this.#name}\0${field}\0${this.bodyBytesMax}\0${this.late}\0${JSON.stringify(declared)}`;
    return this.#kept.take(key, () => refusing(field, () => compile(declared)));
  }

  /** A policy that is to know who calls. */
  informed<P extends Policy & Required<Pick<Policy, 'check'>>>(policy: P): Policy {
    return this.late ? withBody(policy, this.bodyBytesMax) : policy;
  }
}

/** Who calls, how often they may, and what they may ask for. */
function callerPolicies(route: NamedRoute, parts: PolicyParts, made: Making): (Policy | undefined)[] {
  const { name, spec } = route;
  const { clock, limits, counters, own } = parts;
  if (spec.jwt !== undefined && spec.introspection !== undefined) {
    const why = 'introspection: a token is verified or asked about, not both';
    throw new SluiceError('RESOURCE_INVALID', why, { field: 'introspection' });
  }
  const signed = { clock, table: parts.replays, scope: name, bodyBytesMax: made.bodyBytesMax };
  const limit = (declared: RateLimitsSpec) => compileRateLimits(declared, { table: counters, scope: name });
  const tokens = (declared: TokensSpec) =>
    compileTokens(declared, { clock, limits, fetch: parts.fetchWithin(declared.networks), own });
  const { first, rest } = refusing('rate_limits', () => partRateLimits(spec.rate_limits));
  const { path, login, authorize } = spec;
  return [
    made.policy('rate_limits', first, limit),
    spec.access_log?.enabled && spec.access_log.bodies ? new BodiesPolicy(spec.access_log.bodies) : undefined,
    spec.capture && new CapturePolicy(name, spec.capture, parts.link, clock, limits.captureBytesPendingMax),
    // Tokens of this server are as good as keys.
    spec.auth === 'key' ? new ApiKeyPolicy(parts.keys, tokens(OWN_TOKENS)) : undefined,
    spec.auth === 'certificate' ? new CertificatePolicy(parts.holders) : undefined,
    made.policy('jwt', spec.jwt, tokens),
    made.policy('introspection', spec.introspection, (declared) =>
      compileIntrospection(declared, { clock, limits, fetch: parts.fetchWithin(declared.networks) }),
    ),
    made.policy('login', login && { login, path }, (declared) => compileLogin(name, declared.login, path, parts)),
    made.policy('signature', spec.signature, (declared) => compileSignedRequests(declared, signed)),
    made.policy('webhook', spec.webhook, (declared) => compileWebhook(declared, signed)),
    made.policy('rate_limits', rest, (declared) => made.informed(limit(declared))),
    made.policy('authorize', authorize && { authorize, path }, (declared) =>
      made.informed(compileAuthorize(declared.authorize, path)),
    ),
    spec.auth === 'none' && spec.jwt === undefined ? undefined : new QuotaPolicy(parts),
  ];
}

/** What requests, and answers, hold. */
function contentPolicies(
  { name, spec }: NamedRoute,
  { stats, limits, eager }: PolicyParts,
  made: Making,
  structure: Policy | undefined,
  api: CompiledApi | undefined,
): Policy[] {
  const screened = (refused: boolean) => stats.found('screening', name, refused);
  const screening = made.policy('screening', spec.screening, (declared) => compileScreening(declared, screened));
  const found = (what: string, refused: boolean) => stats.found(`validate-${what}`, name, refused);
  const { validate } = spec;
  const of = validate !== undefined && validate.openapi === undefined ? api : undefined;
  const validation: Validation | VersionValidation | undefined =
    of === undefined
      ? made.policy('validate', validate, (declared) => compileValidation(declared, { limits, found, eager }))
      : made.policy('validate', validate && { validate, api: of.spec }, (declared) =>
          compileVersionValidation(of, declared.validate, { limits, found, eager }),
        );
  return [...inTheClear([structure, screening, validation]), ...(validation?.answers ?? [])];
}

/** Policies that look into bodies, behind one that inflates these as far as any of them looks. */
function inTheClear(looking: readonly (Policy | undefined)[]): Policy[] {
  const there = looking.filter((policy) => policy !== undefined);
  const steps = there.flatMap(({ body }) => (body === undefined ? [] : [body]));
  if (steps.length === 0) return there;
  const refuses = steps.some(({ whenLonger }) => whenLonger === 'refuse');
  const bytesMax = Math.max(...steps.map((step) => step.bytesMax));
  return [new PlainBody(bytesMax, refuses ? 'refuse' : 'pass'), ...there];
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
