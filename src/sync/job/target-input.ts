/** What the thread of a target is told of its job: from the declaration, and the mappings as they are now. */
import type { Partition } from '#log';
import type { JobSpec, StreamSpec } from '../kinds/job-kind.ts';
import type { TargetInput } from '../worker/protocol.ts';
import type { SyncParts } from './parts.ts';
import { topicOf } from './parts.ts';

/** @throws RESOURCE_UNKNOWN, TOPIC_UNKNOWN */
export function targetInput(
  job: string,
  spec: JobSpec,
  { log, limits, mapping }: SyncParts,
  partitions: readonly Partition[],
): TargetInput {
  const [first] = partitions as [Partition];
  const { source, target, mode, on_new_field } = spec;
  const own = source.topic === undefined || source.topic.startsWith(topicOf(''));
  return {
    topic: first.topic.name,
    format: own ? 'changes' : 'json',
    streams: spec.streams.map((one) => {
      const named = one.mapping ?? spec.mapping;
      return {
        from: one.from,
        to: one.to ?? withoutSchema(one, target.endpoint !== undefined),
        keys: one.keys ?? [],
        mapping: named === undefined ? null : mapping(named),
      };
    }),
    write: mode === 'append' ? 'append' : 'upsert',
    deletes: deletes(spec),
    onNewField: on_new_field,
    origin: `sync:${job}`,
    topicPartitions: target.topic === undefined ? null : log.topic(target.topic).partitions.length,
    reader: log.readerSource,
    limits,
  };
}

/** In real time deletes are followed unless somebody wants otherwise; a topic takes them as records without a value. */
function deletes({ strategy, mode, target }: JobSpec): boolean {
  if (mode === 'append') return false;
  if (target.topic !== undefined) return true;
  return mode === 'mirror' || (mode === undefined && strategy === 'real_time');
}

function withoutSchema({ from }: StreamSpec, toEndpoint: boolean): string {
  return toEndpoint ? from.slice(from.lastIndexOf('.') + 1) : from;
}
