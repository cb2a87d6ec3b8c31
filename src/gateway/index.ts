/** The API gateway: routes and upstreams, served on listener threads of its own. */
export { Gateway, type GatewayOptions } from './gateway.ts';
export { routeKind } from './kinds/route-kind.ts';
export { upstreamKind } from './kinds/upstream-kind.ts';
export { type Cors, type CorsSpec, compileCors, corsSchema, type PreflightAnswer } from './policies/cors.ts';
export {
  compileIntrospection,
  type Introspection,
  type IntrospectionSpec,
  introspectionSchema,
} from './policies/introspection.ts';
export { compileNetworks, type NetworkLists, type NetworksSpec, networksSchema } from './policies/networks.ts';
export {
  compileRateLimits,
  type RateLimits,
  type RateLimitsSpec,
  rateLimitsSchema,
} from './policies/rate-limits.ts';
export type { Allowance, Decision, Refusal, RequestView } from './policies/request.ts';
export {
  compileScreening,
  type Screening,
  type ScreeningDecision,
  type ScreeningSpec,
  screeningSchema,
} from './policies/screening.ts';
export { SharedTable } from './policies/shared-table.ts';
export {
  compileSignedRequests,
  type SignedRequests,
  type SignedRequestsSpec,
  signedRequestsSchema,
} from './policies/signed-requests.ts';
export { type BodyScanner, compileSizes, type Sizes, type SizesSpec, sizesSchema } from './policies/sizes.ts';
export { compileTokens, type TokenDecision, type Tokens, type TokensSpec, tokensSchema } from './policies/tokens.ts';
export { compileWebhook, type Webhook, type WebhookSpec, webhookSchema } from './policies/webhooks.ts';
