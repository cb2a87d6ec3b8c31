/** What the paths of sync jobs take and answer, as schemas; and what is asked of those who run the jobs. */
import { z } from 'zod';

const reason = z.object({ code: z.string(), message: z.string() }).nullable();
const epochMs = z.int().describe('Epoch milliseconds');

export const runAnswer = z
  .object({
    job: z.string(),
    run: z.int(),
    cause: z.enum(['start', 'request', 'schedule', 'event', 'poll']),
    state: z.enum(['running', 'done', 'stopped', 'failed']),
    reason: reason.describe('Why it failed'),
    started_at: epochMs,
    ended_at: epochMs.nullable(),
    records: z.int().describe('Read from the source'),
    bytes: z.int(),
    written: z.int(),
    deleted: z.int(),
    swept: z.int().describe('Of those, deleted since they were no longer at the source'),
    rejected: z.int().describe('Dead letters of the topic of the job'),
    ignored_fields: z.int(),
  })
  .meta({ id: 'SyncRun' });

export const jobAnswer = z
  .object({
    name: z.string(),
    state: z.enum(['running', 'idle', 'waiting', 'paused', 'stopped']),
    reason: reason.describe('Why it waits, or has stopped'),
    strategy: z.string(),
    reads: z.enum(['changes', 'pages']).nullable().describe('As the system tells, or by asking it'),
    topic: z.string(),
    lag: z.int().describe('Records in the topic that are not written yet'),
    lag_ms: z.int(),
    position: z.string().nullable().describe('Of the newest change that was read, in the words of the source'),
    newest_at: epochMs.nullable().describe('When the newest change that is written was committed at the source'),
    next_run_at: epochMs.nullable(),
    next_attempt_at: epochMs.nullable(),
    failures: z.int().describe('In a row'),
    totals: z.object({
      records: z.int(),
      written: z.int(),
      deleted: z.int(),
      rejected: z.int(),
      ignored_fields: z.int(),
    }),
    run: runAnswer.nullable().describe('Under way'),
    last_run: runAnswer.nullable(),
    partitions: z.array(z.object({ partition: z.int(), start: z.int(), committed: z.int(), durable: z.int() })),
  })
  .meta({ id: 'SyncJobStatus' });

export const rewindShape = z.strictObject({
  to: z
    .union([z.string(), z.array(z.int().min(0))])
    .default('earliest')
    .describe('earliest, latest, @<epoch ms>, or the offset of each partition'),
});

export const compareShape = z.strictObject({
  repair: z
    .boolean()
    .default(false)
    .describe(
      'Write what is missing or different, and where the job deletes take away what is extra; of a job at rest only',
    ),
});

export const comparisonAnswer = z
  .object({
    state: z.enum(['running', 'done', 'failed']),
    repair: z.boolean(),
    started_at: epochMs,
    ended_at: epochMs.nullable(),
    reason: reason.describe('Why it failed'),
    equal: z.boolean().describe('It is done, and no record differs'),
    streams: z.array(
      z.object({
        from: z.string(),
        to: z.string(),
        source: z.int().describe('Records that are to be at the target'),
        target: z.int(),
        rejected: z.int().describe('Left out on both sides: the job rejects them'),
        missing: z.int(),
        extra: z.int(),
        different: z.int(),
        repaired: z.int(),
        complete: z.boolean().describe('False: there are more differences than were looked at'),
        sample: z.array(
          z.object({
            kind: z.enum(['missing', 'extra', 'different']),
            key: z.record(z.string(), z.unknown()),
            fields: z.array(z.string()).describe('That differ'),
          }),
        ),
      }),
    ),
  })
  .meta({ id: 'SyncComparison' });

export type ComparisonAnswer = z.infer<typeof comparisonAnswer>;
export type RunAnswer = z.infer<typeof runAnswer>;
export type JobAnswer = z.infer<typeof jobAnswer>;

/** Who runs sync jobs; `main.ts` puts it here, since the server does not know them. All @throws RESOURCE_UNKNOWN */
export interface SyncJobs {
  statuses(): readonly JobAnswer[];
  status(name: string): JobAnswer;
  runs(name: string, limit: number): readonly RunAnswer[];
  /** @throws SYNC_RUN_UNDER_WAY, SYNC_JOB_STOPPED, REQUEST_INVALID */
  requestRun(name: string): void;
  /** Begins one, in the background. @throws SYNC_RUN_UNDER_WAY, REQUEST_INVALID */
  compare(name: string, repair: boolean): void;
  comparison(name: string): ComparisonAnswer;
  pause(name: string): Promise<void>;
  /** @throws REQUEST_INVALID */
  resume(name: string): Promise<void>;
  reset(name: string): Promise<void>;
  /** @throws REQUEST_INVALID */
  rewind(
    name: string,
    to: 'earliest' | 'latest' | { readonly time: number } | { readonly offsets: readonly number[] },
  ): Promise<void>;
}
