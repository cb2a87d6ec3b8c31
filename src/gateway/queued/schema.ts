/** How a route declares that its unsafe requests are queued: taken at once, kept in the log, delivered later. */
import { z } from 'zod';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const DAY_S = 86_400;
const KIB = 1024;

export const queueSchema = z.strictObject({
  key: z
    .string()
    .regex(/^(client|(header|query|param):[A-Za-z0-9_.-]{1,100}|body:(\/[^/]{0,200}){1,16})$/, {
      message: 'must be client, header:NAME, query:NAME, param:NAME or body:/JSON/pointer',
    })
    .optional()
    .describe('Requests that agree in this are delivered one after the other, in order; none: in any order'),
  concurrency: z.int().min(1).max(1_000).default(16).describe('Deliveries under way at once'),
  rate_per_s: z.number().min(0.001).max(100_000).optional().describe('Deliveries begun in a second, attempts included'),
  attempts_max: z
    .int()
    .min(0)
    .max(10_000)
    .default(25)
    .describe('After so many attempts that failed a request becomes a dead letter; 0: never'),
  backoff_ms: z.int().min(1).max(HOUR_MS).default(1_000).describe('After the first failure; doubled with each'),
  backoff_ms_max: z.int().min(1).max(DAY_MS).default(HOUR_MS),
  timeout_ms: z.int().min(10).max(HOUR_MS).default(30_000).describe('Of one attempt'),
  refused: z
    .enum(['dead', 'retry'])
    .default('dead')
    .describe('What becomes of a request that is answered by 3xx, or by 4xx other than 408, 425 and 429'),
  backlog_max: z
    .int()
    .min(1)
    .max(100_000_000)
    .default(1_000_000)
    .describe('Requests not yet delivered; beyond it they are refused with 503'),
  body_bytes_max: z
    .int()
    .min(0)
    .max(768 * KIB)
    .default(256 * KIB),
  status_ttl_s: z
    .int()
    .min(1)
    .max(365 * DAY_S)
    .default(DAY_S)
    .describe('How long what became of a request can be asked for'),
  paused: z.boolean().default(false).describe('Requests are taken, and not delivered'),
});

export type QueueSpec = z.infer<typeof queueSchema>;
