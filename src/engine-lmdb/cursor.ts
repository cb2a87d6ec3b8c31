/**
 * A cursor of the LMDB engine. Chunks follow each other without a gap, so the next chunk's key is known and
 * one lookup finds it; only a start in mid-chunk, or a gap left by compaction, needs a search.
 */
import { SluiceError } from '#kernel';
import type { Chunk, Cursor } from '#log';
import {
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchByteLength,
  batchCrcMatches,
  batchMaxTimestamp,
  batchNextOffset,
  iterateRecords,
} from '#record';
import type { PlacedRange } from './partition.ts';
import type { Segment, StoredChunk } from './segment.ts';

/** What is read: a partition, or on another thread an extent of one. */
export interface CursorSource {
  readonly id: number;
  readonly start: number;
  readonly durable: number;
  readonly ranges: readonly PlacedRange[];
  /** @throws SHUTTING_DOWN */
  requireOpen(): void;
  /** Called before each read of a segment. */
  touch(segment: Segment): void;
  reportDamage(offset: number, nextOffset: number): void;
}

export class LmdbCursor implements Cursor {
  readonly #partition: CursorSource;
  position = 0;
  /** Index hint into the partition's ranges. */
  #place = 0;
  /** Key of the chunk that holds the position, where known. */
  #chunkKey: number | undefined;

  constructor(partition: CursorSource) {
    this.#partition = partition;
  }

  seek(offset: number): void {
    this.#partition.requireOpen();
    const { start, durable } = this.#partition;
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > durable) {
      throw new SluiceError('OFFSET_OUT_OF_RANGE', `offset ${offset} is beyond the end ${durable}`, { durable });
    }
    if (offset < start) throw trimmed(offset, start);
    this.position = offset;
    this.#chunkKey = undefined;
  }

  next(maxBytes: number): Chunk | null {
    const partition = this.#partition;
    partition.requireOpen();
    if (this.position < partition.start) throw trimmed(this.position, partition.start);
    while (this.position < partition.durable) {
      const place = this.#findPlace();
      if (place === undefined) {
        this.position = partition.durable;
        return null;
      }
      partition.touch(place.segment);
      const stored = this.#findChunk(place);
      if (place.segment.compactedAt === 0 && (stored === undefined || stored.key > this.position)) {
        throw this.#damaged(this.position, stored?.key ?? place.range.next);
      }
      const chunk = stored === undefined ? null : this.#cut(stored, place, maxBytes);
      if (chunk !== null) return chunk;
      // Nothing at or after the position in this segment: compaction took it.
      this.position = place.range.next;
      this.#chunkKey = undefined;
    }
    return null;
  }

  /** The range that holds the position, or the first behind it. */
  #findPlace(): PlacedRange | undefined {
    const { ranges } = this.#partition;
    const hinted = ranges[this.#place];
    if (hinted !== undefined && hinted.range.first <= this.position && this.position < hinted.range.next) return hinted;
    this.#place = ranges.findIndex(({ range }) => this.position < range.next);
    const found = ranges[this.#place];
    if (found !== undefined && this.position < found.range.first) {
      this.position = found.range.first;
      this.#chunkKey = undefined;
    }
    return found;
  }

  #findChunk({ segment }: PlacedRange): StoredChunk | undefined {
    const { id } = this.#partition;
    const exact = segment.chunkAt(id, this.#chunkKey ?? this.position);
    if (exact !== undefined) return exact;
    const before = segment.chunkBefore(id, this.position);
    if (before !== undefined && endOf(before) > this.position) return before;
    return segment.chunkAfter(id, this.position);
  }

  /** The whole batches of a chunk from the position on, as many as fit, each checked. */
  #cut(stored: StoredChunk, place: PlacedRange, maxBytes: number): Chunk | null {
    const { bytes } = stored;
    let from = 0;
    let at = 0;
    let expected = stored.key;
    let firstOffset = -1;
    while (at < bytes.length) {
      this.#check(bytes, at, expected, place);
      const end = at + batchByteLength(bytes, at);
      const next = batchNextOffset(bytes, at);
      if (next > this.position) {
        if (firstOffset === -1) {
          from = at;
          firstOffset = batchBaseOffset(bytes, at);
        } else if (end - from > maxBytes) break;
      }
      expected = next;
      at = end;
    }
    if (firstOffset === -1) return null;
    this.#chunkKey = at < bytes.length ? stored.key : undefined;
    this.position = expected;
    return { bytes: bytes.subarray(from, at), firstOffset, nextOffset: expected };
  }

  /** @throws BATCH_QUARANTINED when the bytes at `at` are not the batch that was stored there */
  #check(bytes: Buffer, at: number, expected: number, place: PlacedRange): void {
    const room = bytes.length - at;
    const framed =
      room >= BATCH_HEADER_BYTES &&
      batchByteLength(bytes, at) <= room &&
      batchByteLength(bytes, at) >= BATCH_HEADER_BYTES;
    // Batches of one append run follow each other densely; after compaction a batch may begin later, never earlier.
    const base = framed ? batchBaseOffset(bytes, at) : -1;
    const placed = base === expected || (place.segment.compactedAt > 0 && base > expected && base < place.range.next);
    if (framed && placed && bytes[at + 12] === 0xff && batchCrcMatches(bytes, at)) return;
    const offset = Math.max(expected, this.position);
    const next =
      framed && base === expected
        ? Math.min(batchNextOffset(bytes, at), place.range.next)
        : this.#skip(place, expected);
    throw this.#damaged(offset, Math.max(next, offset + 1));
  }

  #damaged(offset: number, next: number): SluiceError {
    this.#partition.reportDamage(offset, next);
    return new SluiceError('BATCH_QUARANTINED', `the batch at offset ${offset} is damaged and is not served`, {
      offset,
      next,
    });
  }

  /** Where reading can go on behind a batch whose own framing cannot be trusted. */
  #skip({ segment, range }: PlacedRange, expected: number): number {
    return segment.chunkAfter(this.#partition.id, expected + 1)?.key ?? range.next;
  }

  /** The first record at or after `from`, within its segment, that is not older than `timestamp`. */
  findTime(timestamp: number, from: number): number | undefined {
    this.seek(from);
    const place = this.#findPlace();
    if (place === undefined) return undefined;
    while (this.position < place.range.next) {
      const chunk = this.next(1);
      if (chunk === null) return undefined;
      if (batchMaxTimestamp(chunk.bytes, 0) < timestamp) continue;
      for (const record of iterateRecords(chunk.bytes)) {
        if (record.timestamp >= timestamp && record.offset >= from) return record.offset;
      }
    }
    return undefined;
  }
}

function endOf(stored: StoredChunk): number {
  let next = stored.key;
  for (let at = 0; at + BATCH_HEADER_BYTES <= stored.bytes.length; at += batchByteLength(stored.bytes, at)) {
    next = batchNextOffset(stored.bytes, at);
  }
  return next;
}

function trimmed(offset: number, start: number): SluiceError {
  return new SluiceError('OFFSET_TRIMMED', `offset ${offset} is no longer kept; the first one is ${start}`, { start });
}
