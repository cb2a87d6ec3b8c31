/** How many rejected records a job bears: of a run, or since it was resumed where it has no runs. */
import { SluiceError } from '#kernel';
import type { JobSpec } from '../kinds/job-kind.ts';
import type { TargetPlace } from './place.ts';

/** Of fewer records a share says nothing. */
const PERCENT_FROM_RECORDS = 100;

/** Undefined: it bears them. @param before what was done when the run began */
export function intolerable(
  { tolerance: { records: most = Number.POSITIVE_INFINITY, percent = 100 } }: JobSpec,
  before: TargetPlace,
  now: TargetPlace,
): SluiceError | undefined {
  const rejected = now.rejected - before.rejected;
  const records = now.records - before.records;
  const share = records < PERCENT_FROM_RECORDS ? 0 : (100 * rejected) / records;
  if (rejected <= most && share <= percent) return undefined;
  return new SluiceError('SYNC_REJECTS_EXCEEDED', `${rejected} of ${records} records were rejected`);
}
