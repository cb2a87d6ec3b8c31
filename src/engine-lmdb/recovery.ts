/**
 * Opening a store: what each segment holds is read from its summary, or, where there is none (the active
 * one, and those a crash caught before they were sealed), found by walking its chunks; the journal
 * behind the catalog's last fold is applied on the way.
 */
import { type Logger, SluiceError } from '#kernel';
import type { ProducerSnapshot } from '#log';
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  batchByteLength,
  batchCrcMatches,
  batchMaxTimestamp,
  batchNextOffset,
  readBatchHeader,
} from '#record';
import type { Catalog } from './catalog.ts';
import { decodeEntries } from './journal.ts';
import { checkPages } from './page-check.ts';
import type { LmdbPartition } from './partition.ts';
import type { Segment } from './segment.ts';
import type { Segments } from './segments.ts';

/** An idempotent batch found while walking an unsealed segment. */
export interface FoundBatch {
  readonly partitionId: number;
  readonly header: BatchHeader;
  readonly baseOffset: number;
}

export interface Recovered {
  /** The newest snapshot of each partition's producers. */
  readonly producers: ReadonlyMap<number, ProducerSnapshot>;
  /** Batches after those snapshots, in order. */
  readonly found: readonly FoundBatch[];
  /** Segments without a summary, other than the active one. */
  readonly unsealed: readonly Segment[];
}

/** @throws STORE_CORRUPT when a segment's own structure is damaged */
export function recover(segments: Segments, catalog: Catalog, logger: Logger): Recovered {
  const producers = new Map<number, ProducerSnapshot>(catalog.keptProducers());
  const found: FoundBatch[] = [];
  const unsealed: Segment[] = [];
  const files = segments.discover((segment) => inspect(segment, () => segment.readSummary() !== undefined));
  for (const segment of files) {
    const damage = checkPages(segment.path);
    if (damage !== undefined) {
      throw new SluiceError('STORE_CORRUPT', `segment ${segment.path} is damaged: ${damage}`, {
        segment: segment.path,
      });
    }
    const summary = segment.readSummary();
    if (summary === undefined) {
      walk(segment, found, logger);
      unsealed.push(segment);
    } else {
      segment.sealed = true;
      segment.lastJournalSequence = summary.lastJournalSequence;
      segment.compactedAt = summary.compactedAt;
      for (const [id, range] of summary.ranges) {
        segment.ranges.set(id, range);
        segment.bytes += range.bytes;
      }
      for (const [id, snapshot] of summary.producers)
        if (isNewer(snapshot, producers.get(id))) producers.set(id, snapshot);
    }
    replayJournal(segment, catalog);
    segments.list.push(segment);
    if (segment.sealed) segments.release(segment);
  }
  const last = segments.list.at(-1);
  if (last === undefined || last.sealed) segments.roll();
  else unsealed.pop();
  return { producers, found, unsealed };
}

/** Whether a snapshot counts a later batch than the other does. */
function isNewer(snapshot: ProducerSnapshot, other: ProducerSnapshot | undefined): boolean {
  return other === undefined || lastOffset(snapshot) >= lastOffset(other);
}

function lastOffset(snapshot: ProducerSnapshot): number {
  return Math.max(-1, ...snapshot.map(([, { batches }]) => batches.at(-1)?.baseOffset ?? -1));
}

/** A look into a file that may be half written; what cannot be read is not whole. */
function inspect(segment: Segment, look: () => boolean): boolean {
  return checkPages(segment.path) === undefined && look();
}

function replayJournal(segment: Segment, catalog: Catalog): void {
  if (segment.sealed && segment.lastJournalSequence <= catalog.sequence) return;
  for (const { sequence, bytes } of segment.journal(catalog.sequence)) {
    for (const entry of decodeEntries(bytes)) catalog.apply(sequence, entry);
    segment.lastJournalSequence = sequence;
  }
}

function walk(segment: Segment, found: FoundBatch[], logger: Logger): void {
  for (const { partitionId, offset, bytes } of segment.chunks()) {
    let next = offset;
    let maxTimestamp = 0;
    for (let at = 0; at < bytes.length; ) {
      const whole = bytes.length - at >= BATCH_HEADER_BYTES && batchByteLength(bytes, at) <= bytes.length - at;
      if (!whole || batchByteLength(bytes, at) < BATCH_HEADER_BYTES || !batchCrcMatches(bytes, at)) {
        logger.error({ segment: segment.path, partitionId, offset: next }, 'a stored batch is damaged');
        next += 1;
        break;
      }
      const header = readBatchHeader(bytes, at);
      if (header.producerId >= 0) found.push({ partitionId, header, baseOffset: header.baseOffset });
      maxTimestamp = Math.max(maxTimestamp, batchMaxTimestamp(bytes, at));
      next = batchNextOffset(bytes, at);
      at += header.byteLength;
    }
    segment.extend(partitionId, offset, next, bytes.length, maxTimestamp);
  }
}

/** Gives each partition the ranges and producers that were found for it. */
export function restorePartitions(
  partitions: ReadonlyMap<number, LmdbPartition>,
  segments: Segments,
  { producers, found }: Recovered,
  now: number,
): void {
  for (const [id, snapshot] of producers) {
    const partition = partitions.get(id);
    for (const [producerId, entry] of snapshot) {
      partition?.producers.restore(producerId, entry);
      partition?.storedProducers.restore(producerId, entry);
    }
  }
  for (const segment of segments.list) {
    for (const [id, range] of segment.ranges) partitions.get(id)?.recovered(segment, range);
  }
  for (const { partitionId, header, baseOffset } of found) {
    const { producerId, producerEpoch, baseSequence, count } = header;
    const partition = partitions.get(partitionId);
    partition?.producers.recover(producerId, producerEpoch, baseSequence, count, baseOffset, now);
    partition?.storedProducers.recover(producerId, producerEpoch, baseSequence, count, baseOffset, now);
  }
}
