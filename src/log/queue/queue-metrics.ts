/** What a queue counts, by group and topic. */
import type { Counter, Metrics } from '#kernel';

export interface QueueMetrics {
  readonly handedOut: Counter;
  readonly redelivered: Counter;
  readonly acknowledged: Counter;
  readonly failures: Counter;
  readonly dead: Counter;
}

/** How much of a queue is where. */
export interface QueueDepth {
  readonly group: string;
  readonly topic: string;
  /** With members. */
  readonly inFlight: number;
  /** Came back, and wait until they are due. */
  readonly away: number;
  /** Wait for the time in their `deliver-at`, of those read so far. */
  readonly delayed: number;
  /** Read ahead and free to go, or behind another record of their key. */
  readonly waiting: number;
}

export function queueMetrics(metrics: Metrics, group: string, topic: string): QueueMetrics {
  const counter = (name: string, help: string) => metrics.counter(`sluice_queue_${name}_total`, help, { group, topic });
  return {
    handedOut: counter('handed_out', 'Records handed to members of queues'),
    redelivered: counter('redelivered', 'Of these, records that had been handed out before'),
    acknowledged: counter('acknowledged', 'Records that members of queues have acknowledged'),
    failures: counter('failures', 'Records that were refused, timed out, or lost with their member'),
    dead: counter('dead', 'Records that became dead letters'),
  };
}

/** Registers the gauges of all queues at once. */
export function queueGauges(metrics: Metrics, depths: () => readonly QueueDepth[]): void {
  const gauge = (name: string, help: string, read: (depth: QueueDepth) => number) => {
    metrics.gauge(`sluice_queue_${name}`, help, () =>
      depths().map((depth) => [{ group: depth.group, topic: depth.topic }, read(depth)] as const),
    );
  };
  gauge('in_flight', 'Records that are with members', (depth) => depth.inFlight);
  gauge('away', 'Records that came back and wait for their backoff', (depth) => depth.away);
  gauge('delayed', 'Records that wait for their deliver-at', (depth) => depth.delayed);
  gauge('waiting', 'Records read ahead and not handed out', (depth) => depth.waiting);
}
