/** Data sync: jobs that move records from a source to a target through a topic, and the mappings they use. */
export type { Run } from './job/runs.ts';
export type { JobStatus } from './job/status.ts';
export { type JobSpec, jobKind } from './kinds/job-kind.ts';
export { type MappingSpec, mappingKind } from './kinds/mapping-kind.ts';
export { syncReports } from './reports.ts';
export { type RewindTarget, Sync } from './sync.ts';
