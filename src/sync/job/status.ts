/** How a job is, in one piece of plain data, for the server and for metrics. */

import type { ReadKind } from '../worker/protocol.ts';
import type { Job, JobState } from './job.ts';
import type { Reason } from './patience.ts';
import type { TargetPlace } from './place.ts';
import type { Run } from './runs.ts';

export interface JobStatus {
  readonly name: string;
  readonly state: JobState;
  readonly reason: Reason | null;
  readonly strategy: string;
  /** `changes`: as the system tells; `pages`: it is asked; null: it has never run. */
  readonly reads: ReadKind | null;
  readonly topic: string;
  /** Records in the topic that are not written. */
  readonly lag: number;
  /** How old the newest change was when it was written, and how old the oldest that is not written can be: see `lagMs`. */
  readonly lagMs: number;
  readonly position: string | null;
  /** Epoch ms, also of the next two. */
  readonly newestAt: number | null;
  readonly nextRunAt: number | null;
  readonly nextAttemptAt: number | null;
  readonly failures: number;
  readonly totals: TargetPlace;
  readonly run: Run | null;
  readonly lastRun: Run | null;
  readonly partitions: readonly {
    readonly partition: number;
    readonly start: number;
    readonly committed: number;
    readonly durable: number;
  }[];
}

export function statusOf(job: Job, lastRun: Run | null, now: number): JobStatus {
  const { target, source, partitions } = job;
  const lag = target.lag();
  return {
    name: job.name,
    state: job.state,
    reason: job.reason,
    strategy: job.spec.strategy,
    reads: source?.place.kind ?? null,
    topic: (partitions[0] as (typeof partitions)[number]).topic.name,
    lag,
    lagMs: lag > 0 && target.newestAt > 0 ? Math.max(0, now - target.newestAt) : 0,
    position: source?.position ?? null,
    newestAt: target.newestAt > 0 ? target.newestAt : null,
    nextRunAt: job.nextRunAt,
    nextAttemptAt: job.nextAttemptAt,
    failures: target.patience.failures,
    totals: target.place,
    run: job.run,
    lastRun,
    partitions: partitions.map((one) => {
      const { index, start, durable } = one;
      return { partition: index, start, committed: target.committed(one), durable };
    }),
  };
}
