/** How a route declares that its requests and answers are captured, to be replayed and compared. */
import { z } from 'zod';

const DAY_MS = 86_400_000;
const KIB = 1024;
const MIB = 1024 * KIB;

const headerName = z.string().regex(/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'must be a header name in lower case');

export const captureSchema = z.strictObject({
  until: z.iso.datetime({ offset: true }).optional().describe('It ends by itself then; none: when it is taken out'),
  percent: z.number().min(0).max(100).default(100).describe('This share of the requests'),
  body_bytes_max: z
    .int()
    .min(1)
    .max(256 * KIB)
    .default(64 * KIB)
    .describe('A longer body, of request or answer, is left out'),
  redact: z.array(headerName).max(100).default([]).describe('Headers left out besides those that carry credentials'),
  redact_fields: z
    .array(z.string().min(1).max(100))
    .max(100)
    .default([])
    .describe('Members of JSON bodies that are left out, at any depth'),
  credentials: z.boolean().default(false).describe('Keeps headers and query parameters that carry credentials'),
  retention_ms: z
    .int()
    .min(1)
    .max(365 * DAY_MS)
    .default(7 * DAY_MS),
  retention_bytes: z
    .int()
    .min(MIB)
    .max(1024 * 1024 * MIB)
    .default(1024 * MIB),
});

export type CaptureSpec = z.infer<typeof captureSchema>;
