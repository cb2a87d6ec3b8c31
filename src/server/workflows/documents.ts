/** Shapes of what is asked of workflows and answered, for checks and for the documentation. */
import { z } from 'zod';

export const startBody = z
  .strictObject({
    input: z.unknown().optional().describe('Any JSON; {} where there is none'),
    labels: z.record(z.string().max(64), z.string().max(256)).optional().describe('What the run can be found by'),
  })
  .meta({ id: 'WorkflowStart' });

export const executionAnswer = z
  .looseObject({
    id: z.string(),
    status: z.enum(['running', 'paused', 'completed', 'faulted', 'cancelled', 'ended']),
    duplicate: z.boolean().optional().describe('The Idempotency-Key was used for this run before'),
    output: z.unknown().optional(),
    error: z.unknown().optional().describe('Of a faulted run: an RFC 9457 document'),
  })
  .meta({ id: 'WorkflowExecution' });

export const listAnswer = z
  .object({
    executions: z.array(z.looseObject({ id: z.string(), workflow: z.string(), status: z.string() })),
    next: z.string().nullable().describe('`after` of the next page'),
  })
  .meta({ id: 'WorkflowExecutions' });

export const historyAnswer = z
  .object({
    records: z.array(z.looseObject({ offset: z.int(), kind: z.string() })).describe('Commands, events, rejections'),
    before: z.int().nullable().describe('`before` of the page with what is older'),
  })
  .meta({ id: 'WorkflowHistory' });

export const eventBody = z
  .looseObject({
    type: z.string(),
    source: z.string().optional(),
    id: z.string().optional(),
    data: z.unknown().optional(),
  })
  .meta({ id: 'WorkflowEvent' });

export const retryBody = z
  .strictObject({
    task: z
      .string()
      .max(2_000)
      .optional()
      .describe('JSON pointer of the task to run again; the one that failed unless said'),
    input: z.unknown().optional().describe('What it is given instead of what it was given'),
    version: z
      .union([z.int().min(1), z.literal('latest')])
      .optional()
      .describe('Go on with another definition'),
  })
  .meta({ id: 'WorkflowRetry' });

export const bulkBody = z
  .strictObject({
    action: z.enum(['cancel', 'pause', 'resume', 'retry']),
    workflow: z.string(),
    status: z.enum(['running', 'paused', 'completed', 'faulted', 'cancelled']),
    since: z.int().min(0).default(0),
    until: z.int().min(0).default(Number.MAX_SAFE_INTEGER),
    limit: z.int().min(1).max(1_000).default(100),
    reason: z.string().max(1_000).optional(),
    retry: retryBody.optional(),
  })
  .meta({ id: 'WorkflowBulk' });

export const bulkAnswer = z
  .object({
    done: z.array(z.string()),
    failed: z.array(z.object({ id: z.string(), code: z.string(), detail: z.string() })),
    more: z.boolean().describe('Others may be left: ask again'),
  })
  .meta({ id: 'WorkflowBulkAnswer' });

export const cancelBody = z.strictObject({ reason: z.string().max(1_000).optional() }).meta({ id: 'WorkflowCancel' });
