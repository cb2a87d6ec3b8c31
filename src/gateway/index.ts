/** The API gateway: routes and upstreams, served on listener threads of its own. */
export { type CapturedBody, type CapturedRequest, captureTopic, REDACTED } from './capture/captured-request.ts';
export { type CompareRules, Comparison, type Difference } from './capture/compare.ts';
export { Gateway, type GatewayOptions } from './gateway.ts';
export { apiKind } from './kinds/api-kind.ts';
export { planKind } from './kinds/plan-kind.ts';
export { routeKind } from './kinds/route-kind.ts';
export { upstreamKind } from './kinds/upstream-kind.ts';
export { compileRateLimits, rateLimitsSchema } from './policies/rate-limits.ts';
export { compileScreening, type Screened, type Screening, screeningSchema } from './policies/screening.ts';
export { SharedTable } from './policies/shared-table.ts';
export type { GatewayRequest } from './policy.ts';
