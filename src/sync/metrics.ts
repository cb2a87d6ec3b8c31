/** What `/metrics` says of sync jobs. Totals are of the job's whole life, as the log has them. */
import type { Metrics } from '#kernel';
import type { Job } from './job/job.ts';
import type { TargetPlace } from './job/place.ts';

const STATES = ['running', 'idle', 'waiting', 'paused', 'stopped'] as const;

export function registerMetrics(metrics: Metrics, jobs: () => Iterable<Job>): void {
  const each = (read: (job: Job) => number) => () =>
    Array.from(jobs(), (job) => [{ job: job.name }, read(job)] as const);
  const total = (name: string, help: string, part: keyof TargetPlace) => {
    metrics.gauge(
      `sluice_sync_${name}`,
      help,
      each(({ target }) => target.place[part]),
    );
  };
  metrics.gauge(
    'sluice_sync_lag_records',
    'Records in the topic of a sync job that its target has not written',
    each(({ target }) => target.lag()),
  );
  metrics.gauge(
    'sluice_sync_failures',
    'Failures in a row of the target of a sync job',
    each(({ target }) => target.patience.failures),
  );
  metrics.gauge('sluice_sync_state', 'The state a sync job is in has 1', () =>
    Array.from(jobs()).flatMap((job) =>
      STATES.map((state) => [{ job: job.name, state }, job.state === state ? 1 : 0] as const),
    ),
  );
  total('written_total', 'Records that were written or changed at the target', 'written');
  total('deleted_total', 'Records that were deleted at the target', 'deleted');
  total('rejected_total', 'Records that became dead letters', 'rejected');
}
