/** What the paths of connectors and endpoints take and answer, as schemas. */
import { z } from 'zod';
import { READ_MODES, WRITE_MODES } from '#connector';

const error = z.object({ code: z.string(), message: z.string() }).nullable();

export const connectorAnswer = z
  .object({
    name: z.string(),
    origin: z.enum(['sluice', 'package', 'folder']).describe('Comes with Sluice, is an installed package, is yours'),
    title: z.string().optional(),
    description: z.string().optional(),
    types: z.array(z.string()).optional(),
    proof: z.string().optional().describe('What it is tested against: server, emulator, spec or stub'),
    can: z.array(z.string()).optional(),
    config: z.record(z.string(), z.unknown()).optional().describe('JSON Schema of the configuration of its endpoints'),
    error: error.describe('Why it cannot be used'),
  })
  .meta({ id: 'Connector' });

export const endpointAnswer = z
  .object({
    name: z.string(),
    connector: z.string(),
    state: z.enum(['active', 'inactive', 'error']),
    reason: error,
    since: z.int().describe('Epoch milliseconds'),
    checked_at: z.int().nullable().describe('Epoch milliseconds'),
    check_ms: z.number().nullable(),
    threads: z.int().describe('Threads it has had since the server started'),
  })
  .meta({ id: 'EndpointStatus' });

export const streamsAnswer = z.array(
  z
    .object({
      name: z.string(),
      fields: z.array(
        z.object({ name: z.string(), type: z.string(), nullable: z.boolean(), items: z.string().optional() }),
      ),
      open: z.boolean().optional().describe('Records may have further fields'),
      primary_key: z.array(z.string()),
      cursors: z.array(z.string()).describe('Fields by which it can be read incrementally'),
      can: z.array(z.string()),
    })
    .meta({ id: 'EndpointStream' }),
);

export const pageAnswer = z
  .object({
    records: z.array(z.record(z.string(), z.unknown())),
    state: z.unknown().describe('Give it as `state` to go on; null: there was nothing more'),
  })
  .meta({ id: 'EndpointPage' });

export const readMode = z.enum(READ_MODES);
export const writeMode = z.enum(WRITE_MODES);

export const writeShape = z.strictObject({
  records: z.array(z.record(z.string(), z.unknown())).min(1).max(10_000),
});

export const writeAnswer = z
  .object({
    results: z.array(
      z.object({
        ok: z.boolean(),
        code: z.string().optional(),
        reason: z.string().optional(),
        retryable: z.boolean().optional(),
      }),
    ),
  })
  .meta({ id: 'EndpointWrite' });
