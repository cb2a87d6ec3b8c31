/** What the paths of processors take and answer, as schemas. */
import { z } from 'zod';

const error = z.object({ code: z.string(), message: z.string() }).nullable();

export const statusAnswer = z
  .object({
    name: z.string(),
    state: z.enum(['running', 'paused', 'failed']),
    error,
    inputs: z.array(z.string()),
    outputs: z.array(z.string()),
    tables: z.array(z.string()),
    lag: z.int(),
    activity: z
      .object({
        records: z.int(),
        records_per_s: z.number(),
        produced: z.int(),
        dead: z.int(),
        errors: z.int(),
        last_error: z
          .object({ code: z.string(), message: z.string(), topic: z.string(), offset: z.int(), at: z.int() })
          .nullable(),
      })
      .nullable(),
    partitions: z.array(
      z.object({
        partition: z.int(),
        state: z.enum(['running', 'failed']),
        error,
        lane: z.int(),
        watermark: z.number().nullable(),
        state_entries: z.int(),
        state_bytes: z.int(),
        inputs: z.array(z.object({ topic: z.string(), committed: z.int().nullable(), durable: z.int(), lag: z.int() })),
      }),
    ),
  })
  .meta({ id: 'ProcessorStatus' });

export const resetShape = z.strictObject({
  to: z
    .union([z.string(), z.array(z.int().min(0))])
    .default('earliest')
    .describe('earliest, latest, @<epoch ms>, or the offset of each partition'),
  state: z.enum(['clear', 'keep']).default('clear').describe('What becomes of the state'),
});

export const stateAnswer = z
  .object({
    entries: z.array(z.object({ partition: z.int(), key: z.string(), value: z.unknown() })),
    next: z.string().nullable().describe('Give it as `from` to go on'),
  })
  .meta({ id: 'ProcessorState' });
