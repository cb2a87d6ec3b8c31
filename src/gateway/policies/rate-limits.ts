/**
 * Policy `rate_limits`: how many requests a caller may make, counted in the shared table, so over all listener threads
 * together. Of several limits all must have room; what one of them counted is given back when another refuses. A request
 * that is refused does not count.
 *
 * The answer carries `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), the older three of
 * the limit with the least room, and `Retry-After` on a refusal. Asked once the client is known, or before, where a limit
 * is `first`.
 */
import { z } from 'zod';
import { processMs, SluiceError } from '#kernel';
import type { GatewayRequest, Policy, Verdict } from '../policy.ts';
import { addressBucket } from './address.ts';
import { type Counter, SlidingWindow, TokenBucket } from './counters.ts';
import { fieldOf } from './fields.ts';
import type { SharedTable } from './shared-table.ts';

const part = z.union([
  z.enum(['client', 'key', 'route', 'address']),
  z.strictObject({ header: z.string().min(1).max(128).toLowerCase() }),
  z.strictObject({ claim: z.string().min(1).max(128) }),
]);

const limitSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  algorithm: z.enum(['token_bucket', 'sliding_window']).default('token_bucket'),
  limit: z.int().min(1).max(1_000_000_000).describe('Requests in a window'),
  window_s: z
    .int()
    .min(1)
    .max(31 * 86_400),
  burst: z.int().min(1).max(1_000_000_000).optional().describe('Token bucket only: requests at once, else the limit'),
  by: z
    .array(part)
    .min(1)
    .max(4)
    .default(['client'])
    .describe('Who is counted together. A caller without client or key is its address, an IPv6 address its /64'),
  first: z
    .boolean()
    .default(false)
    .describe('Counted before the caller is known, so that failed attempts count too: by address, route or header'),
});

export const rateLimitsSchema = z.strictObject({
  limits: z.array(limitSchema).min(1).max(8),
  older_headers: z.boolean().default(true).describe('Send X-RateLimit-Limit, -Remaining and -Reset too'),
});

export type RateLimitsSpec = z.infer<typeof rateLimitsSchema>;
type LimitSpec = RateLimitsSpec['limits'][number];

interface Limit {
  readonly spec: LimitSpec;
  readonly counter: Counter;
  readonly prefix: string;
}

export interface RateLimitsParts {
  readonly table: SharedTable;
  /** Sets these counters apart from those of other policies in the same table. */
  readonly scope: string;
  /** The time all threads share. */
  readonly nowMs?: () => number;
}

/**
 * The limits that are counted before the caller is known, and the others; undefined where there are none.
 * @throws CONFIG_INVALID where two have one name
 */
export function partRateLimits(spec: RateLimitsSpec | undefined): { first?: RateLimitsSpec; rest?: RateLimitsSpec } {
  if (spec === undefined) return {};
  if (new Set(spec.limits.map(({ name }) => name)).size < spec.limits.length) {
    throw new SluiceError('CONFIG_INVALID', 'two rate limits of one policy have the same name');
  }
  const first = spec.limits.filter((limit) => limit.first);
  const rest = spec.limits.filter((limit) => !limit.first);
  return {
    // The older fields have room for one limit only.
    ...(first.length > 0 ? { first: { limits: first, older_headers: spec.older_headers && rest.length === 0 } } : {}),
    ...(rest.length > 0 ? { rest: { ...spec, limits: rest } } : {}),
  };
}

/** @throws CONFIG_INVALID where limits contradict themselves */
export function compileRateLimits(spec: RateLimitsSpec, parts: RateLimitsParts): RateLimits {
  for (const { name, first, by } of spec.limits) {
    if (first && by.some((one) => one === 'client' || one === 'key' || (typeof one === 'object' && 'claim' in one))) {
      throw new SluiceError(
        'CONFIG_INVALID',
        `limit "${name}" is counted first, when client, key and claims are not known`,
      );
    }
  }
  return new RateLimits(spec, parts);
}

export class RateLimits implements Policy {
  readonly name = 'rate-limits';
  readonly #limits: readonly Limit[];
  readonly #table: SharedTable;
  readonly #nowMs: () => number;
  readonly #policyField: string;
  readonly #olderHeaders: boolean;

  constructor(spec: RateLimitsSpec, { table, scope, nowMs = processMs }: RateLimitsParts) {
    this.#limits = spec.limits.map((limit) => ({
      spec: limit,
      counter: counterOf(limit),
      // What is counted in another way is another counter.
      prefix: `${scope}\0${limit.name}\0${limit.algorithm}\0${limit.window_s}\0`,
    }));
    this.#table = table;
    this.#nowMs = nowMs;
    this.#policyField = spec.limits.map(({ name, limit, window_s }) => `"${name}";q=${limit};w=${window_s}`).join(', ');
    this.#olderHeaders = spec.older_headers;
  }

  /** `cost` is how many requests this one counts for. */
  check(request: GatewayRequest, cost = 1): Verdict {
    const now = this.#nowMs();
    let found = '';
    let tightest = 0;
    let least = Number.POSITIVE_INFINITY;
    let leastResetS = 0;
    for (let i = 0; i < this.#limits.length; i++) {
      const { spec, counter, prefix } = this.#limits[i] as Limit;
      const count = counter.take(this.#table, keyOf(prefix, spec, request), now, cost);
      const { allowed, remaining, resetMs, retryMs } = count;
      const resetS = Math.ceil(resetMs / 1000);
      found += `${i === 0 ? '' : ', '}"${spec.name}";r=${remaining};t=${resetS}`;
      if (remaining < least || !allowed) {
        tightest = spec.limit;
        least = allowed ? remaining : 0;
        leastResetS = resetS;
      }
      if (allowed) continue;
      this.#giveBack(i, request, now, cost);
      const retryS = Math.max(1, Math.ceil(retryMs / 1000));
      this.#tell(request, found, tightest, least, leastResetS);
      request.answerHeaders.push('retry-after', String(retryS));
      return new SluiceError('RATE_LIMITED', undefined, { limit: spec.name, retry_after_s: retryS });
    }
    this.#tell(request, found, tightest, least, leastResetS);
    return undefined;
  }

  #giveBack(until: number, request: GatewayRequest, now: number, cost: number): void {
    for (let i = 0; i < until; i++) {
      const { spec, counter, prefix } = this.#limits[i] as Limit;
      counter.take(this.#table, keyOf(prefix, spec, request), now, -cost);
    }
  }

  #tell({ answerHeaders }: GatewayRequest, found: string, limit: number, remaining: number, resetS: number): void {
    answerHeaders.push('ratelimit-policy', this.#policyField, 'ratelimit', found);
    if (!this.#olderHeaders) return;
    answerHeaders.push('x-ratelimit-limit', String(limit), 'x-ratelimit-remaining', String(remaining));
    answerHeaders.push('x-ratelimit-reset', String(resetS));
  }
}

function counterOf({ name, algorithm, limit, window_s, burst = limit }: LimitSpec): Counter {
  const windowMs = window_s * 1000;
  if (algorithm === 'sliding_window') {
    if (burst !== limit) throw new SluiceError('CONFIG_INVALID', `limit "${name}": a sliding window has no burst`);
    return new SlidingWindow({ limit, windowMs, burst });
  }
  if (burst * windowMs > Number.MAX_SAFE_INTEGER) {
    throw new SluiceError('CONFIG_INVALID', `limit "${name}": burst times window is more than can be counted exactly`);
  }
  return new TokenBucket({ limit, windowMs, burst });
}

/** Parts are set apart by NUL, which neither header values nor names hold, and told apart by their kind. */
function keyOf(prefix: string, { by }: LimitSpec, request: GatewayRequest): string {
  let key = prefix;
  for (const one of by) {
    if (one === 'route') key += `r${request.route.name}\0`;
    else if (one === 'client' && request.client !== undefined) key += `c${request.client.name}\0`;
    else if (one === 'key' && request.client?.key !== undefined) key += `k${request.client.key}\0`;
    else if (typeof one === 'string') key += `a${addressBucket(request.clientAddress)}\0`;
    else if ('header' in one) key += `h${fieldOf(request, one.header) ?? ''}\0`;
    else key += `t${JSON.stringify(request.claims?.[one.claim] ?? null)}\0`;
  }
  return key;
}
