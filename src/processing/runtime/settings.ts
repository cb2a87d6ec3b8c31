/** What a processor is set to, as the resource `processor` says it, and what running it needs from the outside. */
import type { Clock, Limits, Logger, Metrics } from '#kernel';
import type { Log } from '#log';
import type { DefinitionSource } from '../worker/protocol.ts';

export interface ProcessorSettings {
  readonly source: DefinitionSource;
  /** Where it begins when it has never run. */
  readonly from: 'earliest' | 'latest';
  /** One run may take this long. */
  readonly runMs: number;
  /** A record that failed this often is given up on. */
  readonly attemptsMax: number;
  /** Before the second attempt; doubles with each further one, up to `backoffMaxMs`. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** After so long without anything to read an input no longer holds event time back; undefined: never. */
  readonly idleMs: number | undefined;
  /** Lanes it is spread over at most; undefined: all. */
  readonly workers: number | undefined;
}

export interface ProcessingParts {
  readonly log: Log;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The consumer group that holds a processor's place. */
export function groupOf(processor: string): string {
  return `processor:${processor}`;
}

/** The space that holds the state of one of its partitions. */
export function stateSpaceOf(processor: string, partition: number): string {
  return `processor/${processor}/${partition}`;
}
