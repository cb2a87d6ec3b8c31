/** Sync jobs as the server shows them: names as in JSON, everything else as it is. Made by `main.ts`. */

import type { ComparisonState } from './job/comparisons.ts';
import type { TargetPlace } from './job/place.ts';
import type { Run } from './job/runs.ts';
import type { JobStatus } from './job/status.ts';
import type { RewindTarget, Sync } from './sync.ts';

export function syncReports(sync: Sync) {
  return {
    statuses: () => sync.statuses().map(shownJob),
    status: (name: string) => shownJob(sync.status(name)),
    runs: (name: string, limit: number) => sync.runs(name, limit).map(shownRun),
    requestRun: (name: string) => sync.requestRun(name),
    compare: (name: string, repair: boolean) => sync.compare(name, repair),
    comparison: (name: string) => shownComparison(sync.comparison(name)),
    pause: (name: string) => sync.pause(name),
    resume: (name: string) => sync.resume(name),
    reset: (name: string) => sync.reset(name),
    rewind: (name: string, to: RewindTarget) => sync.rewind(name, to),
  };
}

function shownJob(status: JobStatus) {
  const { lagMs, newestAt, nextRunAt, nextAttemptAt, totals, run, lastRun, ...rest } = status;
  return {
    ...rest,
    lag_ms: lagMs,
    newest_at: newestAt,
    next_run_at: nextRunAt,
    next_attempt_at: nextAttemptAt === null ? null : Math.round(nextAttemptAt),
    totals: shownTotals(totals),
    run: run === null ? null : shownRun(run),
    last_run: lastRun === null ? null : shownRun(lastRun),
    partitions: [...rest.partitions],
  };
}

function shownRun({ startedAt, endedAt, ignoredFields, ...run }: Run) {
  return { ...run, started_at: startedAt, ended_at: endedAt, ignored_fields: ignoredFields };
}

function shownComparison({ startedAt, endedAt, streams, ...rest }: ComparisonState) {
  return {
    ...rest,
    started_at: startedAt,
    ended_at: endedAt,
    streams: streams.map(({ sample, ...one }) => {
      return { ...one, sample: sample.map(({ fields, ...difference }) => ({ ...difference, fields: [...fields] })) };
    }),
  };
}

function shownTotals({ ignoredFields, ...totals }: TargetPlace) {
  return { ...totals, ignored_fields: ignoredFields };
}
