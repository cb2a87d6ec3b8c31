/**
 * Kind `upstream`: the servers behind the gateway that do the same work, and how requests are shared out among them.
 * What puts it into effect is handed in; addresses are checked there, since names have to be resolved for it.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import type { Kind, Spec } from '#resource';

const MINUTE_MS = 60_000;

const target = z.strictObject({
  url: z
    .string()
    .regex(/^https?:\/\/[^/?#@\s\\]+$/, 'must be http://host:port or https://host:port, without a path')
    .refine((text) => URL.canParse(text), 'is not a URL')
    .refine((text) => !URL.canParse(text) || new URL(text).port !== '0', 'has no port that can be reached'),
  weight: z.int().min(1).max(1_000).default(1).describe('Share of the requests, relative to the other targets'),
});

const network = z.string().refine((text) => {
  const [address = '', bits = ''] = text.split('/');
  const family = isIP(address);
  return family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}, 'must be a network such as 10.0.0.0/8');

const health = z.strictObject({
  path: z.string().regex(/^\/[\x21\x24-\x7e]*$/, 'must be a path'),
  interval_ms: z
    .int()
    .min(100)
    .max(10 * MINUTE_MS)
    .default(5_000),
  timeout_ms: z.int().min(50).max(MINUTE_MS).default(1_000),
  healthy: z.int().min(1).max(100).default(2).describe('So many good answers in a row bring a target back'),
  unhealthy: z.int().min(1).max(100).default(2).describe('So many failures in a row take it out'),
});

const breaker = z.strictObject({
  failures: z.int().min(1).max(1_000).default(5).describe('So many failures in a row take a target out'),
  open_ms: z
    .int()
    .min(50)
    .max(10 * MINUTE_MS)
    .default(1_000)
    .describe('For so long; doubled each time in a row'),
  open_ms_max: z
    .int()
    .min(50)
    .max(60 * MINUTE_MS)
    .default(MINUTE_MS),
});

const schema = z.strictObject({
  targets: z.array(target).min(1).max(256),
  balance: z
    .enum(['round_robin', 'least_connections', 'ewma', 'hash'])
    .default('round_robin')
    .describe('round_robin, least_connections and hash heed weights; ewma goes by measured latency'),
  hash_on: z
    .string()
    .regex(
      /^(client_ip|path|(header|query):[A-Za-z0-9_.-]{1,100})$/,
      'must be client_ip, path, header:NAME or query:NAME',
    )
    .default('client_ip')
    .describe('With balance hash: requests that agree in this go to the same target'),
  networks: z
    .array(network)
    .max(64)
    .default([])
    .describe('Networks that may be reached although they are private, loopback or link-local'),
  pass_host: z.boolean().default(false).describe('The upstream sees the Host of the client instead of its own'),
  connections_max: z.int().min(1).max(10_000).default(256).describe('To one target, from one listener thread'),
  requests_max: z
    .int()
    .min(1)
    .max(100_000)
    .default(2_048)
    .describe('Under way at one target, from one listener thread'),
  connect_ms: z.int().min(10).max(MINUTE_MS).default(2_000),
  attempts_max: z.int().min(1).max(10).default(3).describe('Of one request that is safe to repeat'),
  retry_statuses: z.array(z.int().min(500).max(599)).max(16).default([502, 503, 504]),
  retry_percent: z.int().min(0).max(100).default(20).describe('Repeats, at most so many for 100 requests'),
  breaker: breaker.prefault({}),
  slow_start_ms: z
    .int()
    .min(0)
    .max(10 * MINUTE_MS)
    .default(5_000)
    .describe('A target that comes back grows to its share'),
  health: health.optional().describe('Asks each target at intervals'),
  description: z.string().max(1_000).optional(),
});

export type UpstreamSpec = z.infer<typeof schema>;

/** Who reaches upstreams. */
export interface UpstreamTarget {
  /** Returns once every listener goes by it. @throws RESOURCE_INVALID */
  apply(name: string, spec: UpstreamSpec): Promise<void>;
  /** @throws RESOURCE_IN_USE */
  remove(name: string): Promise<void>;
}

export function upstreamKind(target: UpstreamTarget): Kind {
  return {
    kind: 'upstream',
    plural: 'upstreams',
    summary: 'Servers behind the gateway that do the same work, and how requests are shared out among them',
    schema: schema as unknown as z.ZodType<Spec>,
    apply: (name, spec) => target.apply(name, spec as unknown as UpstreamSpec),
    remove: (name) => target.remove(name),
  };
}
