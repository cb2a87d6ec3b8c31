/**
 * What a reader on another thread is told about a part of a partition: the segments' files that hold it. Cut on the
 * thread of the log by `LmdbPartition`, read by `reader.ts`.
 */
import type { Extent } from '#log';
import type { LmdbPartition } from './partition.ts';

export interface ExtentRange {
  readonly path: string;
  readonly segmentId: number;
  readonly generation: number;
  readonly compactedAt: number;
  readonly first: number;
  readonly next: number;
}

export interface LmdbExtentSource {
  readonly partitionId: number;
  readonly start: number;
  readonly ranges: readonly ExtentRange[];
}

/** From an offset below the durable end on, segment by segment until they hold `bytesMax` or more. */
export function cutExtent(partition: LmdbPartition, offset: number, bytesMax: number): Extent {
  const ranges: ExtentRange[] = [];
  let bytes = 0;
  for (const { segment, range } of partition.ranges) {
    if (range.next <= offset) continue;
    if (ranges.length > 0 && bytes >= bytesMax) break;
    const { path, id, generation, compactedAt } = segment;
    const { first, next } = range;
    ranges.push({ path, segmentId: id, generation, compactedAt, first, next });
    // Only the first may be entered in its middle.
    bytes += ranges.length === 1 ? (range.bytes * (next - offset)) / (next - first) : range.bytes;
  }
  const whole = ranges.at(-1)?.next === partition.ranges.at(-1)?.range.next;
  const source: LmdbExtentSource = { partitionId: partition.id, start: partition.start, ranges };
  const to = whole ? partition.durable : Math.min(partition.durable, ranges.at(-1)?.next ?? partition.durable);
  return { topic: partition.topic.name, partition: partition.index, from: offset, to, source };
}
