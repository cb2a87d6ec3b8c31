/** Shapes of declared things as they are answered, for the documentation. */
import { z } from 'zod';

const spec = z.record(z.string(), z.unknown());

export const documentAnswer = z
  .object({
    kind: z.string(),
    name: z.string(),
    version: z.int().describe('Of this resource; also its ETag'),
    spec,
    created_at: z.int().describe('Epoch milliseconds'),
    updated_at: z.int().describe('Epoch milliseconds'),
    by: z.string().nullable().describe('The client that made this version'),
    key: z.string().optional().describe('The first API key of a new client; shown this once'),
  })
  .meta({ id: 'Resource' });

const change = z.object({ path: z.string(), from: z.unknown(), to: z.unknown() });

export const changeAnswer = z.object({ changes: z.array(change) });

export const historyAnswer = z.array(
  z.object({
    version: z.int(),
    action: z.enum(['created', 'changed', 'deleted']),
    spec: spec.nullable(),
    changes: z.array(change),
    at: z.int().describe('Epoch milliseconds'),
    by: z.string().nullable(),
  }),
);

export const keyAnswer = z
  .object({
    id: z.string(),
    client: z.string(),
    created_at: z.int().describe('Epoch milliseconds'),
    expires_at: z.int().nullable().describe('Epoch milliseconds'),
  })
  .meta({ id: 'ApiKey' });
