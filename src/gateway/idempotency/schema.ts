/** How a route declares that it heeds `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header). */
import { z } from 'zod';

const DAY_S = 86_400;
const KIB = 1024;

export const idempotencySchema = z.strictObject({
  required: z.boolean().default(false).describe('An unsafe request without a key is refused'),
  ttl_s: z
    .int()
    .min(1)
    .max(30 * DAY_S)
    .default(DAY_S)
    .describe('How long a key and its answer are kept'),
  body_bytes_max: z
    .int()
    .min(0)
    .max(16 * 1024 * KIB)
    .default(1024 * KIB)
    .describe('Of a request with a key: it is compared, so it is taken in whole'),
  answer_bytes_max: z
    .int()
    .min(1)
    .max(768 * KIB)
    .default(64 * KIB)
    .describe('A longer answer is passed on and not kept: the same key is refused afterwards'),
  interrupted: z
    .enum(['refuse', 'repeat'])
    .default('refuse')
    .describe('Of a key whose first request may have reached the upstream without an answer that is known'),
});

export type IdempotencySpec = z.infer<typeof idempotencySchema>;
