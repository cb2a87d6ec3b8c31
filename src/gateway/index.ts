/** The API gateway: routes and upstreams, served on listener threads of its own. */
export { Gateway, type GatewayOptions } from './gateway.ts';
export { compileRateLimits, type RateLimitsSpec, rateLimitsSchema } from './policies/rate-limits.ts';
export type { Allowance, Decision, Refusal, RequestView } from './policies/request.ts';
export { SharedTable } from './policies/shared-table.ts';
export { compileTokens, type TokenDecision, type Tokens, type TokensSpec, tokensSchema } from './policies/tokens.ts';
