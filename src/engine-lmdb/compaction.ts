/**
 * Rewriting a sealed segment without what is dead: chunks of deleted topics or below a partition's start, and
 * in compacted topics every record that a later one of the same key has replaced. Offsets stay as they were.
 * Works in slices and lets the event loop run between them.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { iterateBatches, iterateRecords, type LogRecord, rewriteBatch } from '#record';
import { newKey } from './keys.ts';
import type { LmdbPartition } from './partition.ts';
import type { PartitionChunk, Segment } from './segment.ts';

export interface SegmentPlan {
  isDead(partitionId: number, nextOffset: number): boolean;
  /** Key → offset of its last record, for partitions to compact. */
  latest(partitionId: number): ReadonlyMap<string, number> | undefined;
  /** Tombstones older than this (epoch milliseconds) go. */
  tombstonesBefore(partitionId: number): number;
  readonly compactedAt: number;
}

const SLICE_BYTES = 4 * 1024 * 1024;

/** Each key of the partition with the offset of its last record. Keys as latin-1 text, a character a byte. */
export async function latestOffsets(partition: LmdbPartition): Promise<Map<string, number>> {
  const latest = new Map<string, number>();
  const cursor = partition.cursor(partition.start);
  for (let chunk = cursor.next(SLICE_BYTES); chunk !== null; chunk = cursor.next(SLICE_BYTES)) {
    for (const { at } of iterateBatches(chunk.bytes)) {
      for (const { key, offset } of iterateRecords(chunk.bytes, at)) {
        if (key !== null) latest.set(keyText(key), offset);
      }
    }
    await nextTurn();
  }
  return latest;
}

/** Writes what the plan leaves of `source` into `target`, sealed. */
export async function rewriteSegment(source: Segment, target: Segment, plan: SegmentPlan): Promise<Segment> {
  target.create();
  target.lastJournalSequence = source.lastJournalSequence;
  target.compactedAt = plan.compactedAt;
  for (const [id, range] of source.ranges) {
    // An emptied range still tells where its offsets end.
    if (!plan.isDead(id, range.next)) target.extend(id, range.first, range.next, 0, 0);
  }
  let last: PartitionChunk | undefined;
  for (let slice = source.slice(last, SLICE_BYTES); slice.length > 0; slice = source.slice(last, SLICE_BYTES)) {
    await target.database.batch(() => {
      for (const chunk of slice) {
        const range = source.ranges.get(chunk.partitionId);
        if (range === undefined || plan.isDead(chunk.partitionId, range.next)) continue;
        const { bytes, maxTimestamp } = rewriteChunk(chunk, plan);
        if (bytes.length === 0) continue;
        void target.database.put(newKey(chunk.partitionId, chunk.offset), bytes);
        target.extend(chunk.partitionId, range.first, range.next, bytes.length, maxTimestamp);
      }
    });
    last = slice.at(-1);
  }
  const summary = source.readSummary();
  await target.putSummary(summary?.producers ?? []);
  target.sealed = true;
  return target;
}

function rewriteChunk(chunk: PartitionChunk, plan: SegmentPlan): { bytes: Buffer; maxTimestamp: number } {
  const latest = plan.latest(chunk.partitionId);
  const tombstonesBefore = plan.tombstonesBefore(chunk.partitionId);
  const kept: Uint8Array[] = [];
  let maxTimestamp = 0;
  for (const { header, at } of iterateBatches(chunk.bytes)) {
    const whole = chunk.bytes.subarray(at, at + header.byteLength);
    const batch =
      latest === undefined
        ? whole
        : rewriteBatch(chunk.bytes, at, (record) => isLive(record, latest, tombstonesBefore));
    if (batch === null) continue;
    kept.push(batch);
    maxTimestamp = Math.max(maxTimestamp, header.maxTimestamp);
  }
  return { bytes: Buffer.concat(kept), maxTimestamp };
}

function isLive(record: LogRecord, latest: ReadonlyMap<string, number>, tombstonesBefore: number): boolean {
  if (record.key === null) return true;
  if (latest.get(keyText(record.key)) !== record.offset) return false;
  return record.value !== null || record.timestamp >= tombstonesBefore;
}

function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}
