/** What running jobs needs from the outside, and the names of what a job keeps in the log. */
import type { Endpoints } from '#connector';
import type { Clock, Limits, Logger, Metrics } from '#kernel';
import type { Log } from '#log';
import type { MappingSpec } from '../kinds/mapping-kind.ts';

export interface SyncParts {
  readonly log: Log;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly endpoints: Pick<Endpoints, 'get'>;
  /** @throws RESOURCE_UNKNOWN */
  mapping(name: string): MappingSpec;
}

/** Space of state: where jobs have come to. */
export const SPACE = 'sync';
export const RUNS_TOPIC = 'sys.sync.runs';

/** The topic of a job whose source is an endpoint. */
export function topicOf(job: string): string {
  return `sync.${job}`;
}

/** The consumer group that is the target of a job. */
export function groupOf(job: string): string {
  return `sync:${job}`;
}

/** How a job is known to a system that keeps a place for it. */
export function consumerOf(job: string): string {
  return `sluice-${job}`;
}
