/**
 * One segment: an LMDB environment in a file of its own, appended to and never deleted from. While it is active
 * the appender writes chunks and journal entries; sealing adds a summary, after which the file is never
 * written again. It is read through LMDB's map; nothing stays open between reads.
 *
 *   00000007.1.mdb       segment 7, generation 1 (each rewrite of a sealed segment is a generation)
 */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { Packr } from 'msgpackr';
import { assert } from '#kernel';
import type { ProducerSnapshot } from '#log';
import { JOURNAL_ID, KEY_BYTES, keyId, keyOffset, newKey, PARTITION_ID_END, SUMMARY_ID, writeKey } from './keys.ts';

/** What one segment holds of one partition. Offsets between `first` and `next` may be missing after compaction. */
export interface SegmentRange {
  readonly first: number;
  next: number;
  bytes: number;
  maxTimestamp: number;
}

export interface SegmentSummary {
  readonly ranges: readonly (readonly [partitionId: number, range: SegmentRange])[];
  readonly producers: readonly (readonly [partitionId: number, producers: ProducerSnapshot])[];
  readonly lastJournalSequence: number;
  readonly compactedAt: number;
}

/** A stored chunk; `bytes` is valid until the next read of any segment. */
export interface StoredChunk {
  readonly key: number;
  readonly bytes: Buffer;
}

export interface PartitionChunk {
  readonly partitionId: number;
  readonly offset: number;
  readonly bytes: Buffer;
}

type Database = RootDatabase<Buffer, Buffer>;

const packr = new Packr({ useRecords: false, copyBuffers: true, int64AsType: 'number' });
const keyBuffer = Buffer.alloc(KEY_BYTES);
const MAP_SLACK_BYTES = 64 * 1024 * 1024;

export class Segment {
  readonly id: number;
  readonly generation: number;
  readonly path: string;
  readonly ranges = new Map<number, SegmentRange>();
  lastJournalSequence = 0;
  compactedAt = 0;
  sealed = false;
  /** Bytes of values written, about the file's size. */
  bytes = 0;
  #database: Database | undefined;
  readonly #mapBytes: number;

  constructor(path: string, id: number, generation: number, segmentBytes: number) {
    this.path = path;
    this.id = id;
    this.generation = generation;
    this.#mapBytes = segmentBytes * 2 + MAP_SLACK_BYTES;
  }

  get isOpen(): boolean {
    return this.#database !== undefined;
  }

  /** Creates the file, and makes its name in the folder durable. */
  create(): void {
    this.#open(false);
    const folder = openSync(dirname(this.path), 'r');
    fsyncSync(folder);
    closeSync(folder);
  }

  /** The environment, opened now if it is not. */
  get database(): Database {
    return this.#database ?? this.#open(this.sealed);
  }

  #open(readOnly: boolean): Database {
    this.#database = open<Buffer, Buffer>({
      path: this.path,
      noSubdir: true,
      encoding: 'binary',
      keyEncoding: 'binary',
      mapSize: this.#mapBytes,
      readOnly,
      // Its own batching makes a promise that nobody holds, whose rejection on a full disk would end the process.
      eventTurnBatching: false,
      // The meta page is written when what it leads to is on the disk, so that the newest one is sound after a power cut.
      // lmdb's overlap of both gains nothing where one commit at a time is on its way.
      overlappingSync: false,
    });
    return this.#database;
  }

  /** Lets the next read see what was committed before this call, in this turn too. */
  refresh(): void {
    this.#database?.resetReadTxn();
  }

  async close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    await database?.close();
  }

  /** The chunk stored under exactly this offset. */
  chunkAt(partitionId: number, offset: number): StoredChunk | undefined {
    const database = this.database;
    const bytes = database.getBinaryFast(writeKey(keyBuffer, partitionId, offset));
    return bytes === undefined ? undefined : { key: offset, bytes: sized(bytes) };
  }

  /** The last chunk stored at or below the offset. */
  chunkBefore(partitionId: number, offset: number): StoredChunk | undefined {
    const range = { start: newKey(partitionId, offset), reverse: true, limit: 1, snapshot: false };
    for (const key of this.database.getKeys(range)) {
      return keyId(key) === partitionId ? this.chunkAt(partitionId, keyOffset(key)) : undefined;
    }
    return undefined;
  }

  /** The first chunk stored at or above the offset. */
  chunkAfter(partitionId: number, offset: number): StoredChunk | undefined {
    const range = { start: newKey(partitionId, offset), limit: 1, snapshot: false };
    for (const key of this.database.getKeys(range)) {
      return keyId(key) === partitionId ? this.chunkAt(partitionId, keyOffset(key)) : undefined;
    }
    return undefined;
  }

  /** Every chunk, by partition then offset, in one go. The bytes are valid until the next step. */
  *chunks(): Iterable<PartitionChunk> {
    for (const key of this.database.getKeys({ end: newKey(PARTITION_ID_END, 0), snapshot: false })) {
      yield this.#listed(key);
    }
  }

  /** Copies of the chunks behind `after` (undefined: from the first), about `bytesMax` of them. */
  slice(after: { partitionId: number; offset: number } | undefined, bytesMax: number): PartitionChunk[] {
    const start = after === undefined ? newKey(0, 0) : newKey(after.partitionId, after.offset + 1);
    const copies: PartitionChunk[] = [];
    let bytes = 0;
    for (const key of this.database.getKeys({ start, end: newKey(PARTITION_ID_END, 0), snapshot: false })) {
      const chunk = this.#listed(key);
      copies.push({ ...chunk, bytes: Buffer.from(chunk.bytes) });
      bytes += chunk.bytes.length;
      if (bytes >= bytesMax) break;
    }
    return copies;
  }

  #listed(key: Buffer): PartitionChunk {
    const partitionId = keyId(key);
    const offset = keyOffset(key);
    const stored = this.chunkAt(partitionId, offset);
    assert(stored !== undefined, 'a key that was listed has a value');
    return { partitionId, offset, bytes: stored.bytes };
  }

  /** Journal values with a sequence number above `after`, in order. */
  *journal(after: number): Iterable<{ sequence: number; bytes: Buffer }> {
    const range = { start: newKey(JOURNAL_ID, after + 1), end: newKey(SUMMARY_ID, 0), snapshot: false };
    for (const { key, value } of this.database.getRange(range)) {
      yield { sequence: keyOffset(key), bytes: Buffer.from(value) };
    }
  }

  putSummary(producers: SegmentSummary['producers']): Promise<boolean> {
    const summary: SegmentSummary = {
      ranges: [...this.ranges],
      producers,
      lastJournalSequence: this.lastJournalSequence,
      compactedAt: this.compactedAt,
    };
    return this.database.put(newKey(SUMMARY_ID, 0), Buffer.from(packr.pack(summary)));
  }

  readSummary(): SegmentSummary | undefined {
    const bytes = this.database.getBinary(newKey(SUMMARY_ID, 0));
    return bytes === undefined ? undefined : (packr.unpack(bytes) as SegmentSummary);
  }

  /** Counts a chunk that was written or found into the partition's range. */
  extend(partitionId: number, first: number, next: number, bytes: number, maxTimestamp: number): SegmentRange {
    let range = this.ranges.get(partitionId);
    if (range === undefined) {
      range = { first, next, bytes: 0, maxTimestamp };
      this.ranges.set(partitionId, range);
    }
    range.next = Math.max(range.next, next);
    range.bytes += bytes;
    range.maxTimestamp = Math.max(range.maxTimestamp, maxTimestamp);
    this.bytes += bytes;
    return range;
  }
}

/** lmdb's fast buffer is one large buffer that carries the value's length beside it. */
function sized(bytes: Buffer): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function segmentFileName(id: number, generation: number): string {
  return `${String(id).padStart(8, '0')}.${generation}.mdb`;
}

/** The id and generation in a segment's file name; undefined for other files. */
export function parseSegmentFileName(name: string): { id: number; generation: number } | undefined {
  const match = /^(\d{8,})\.(\d+)\.mdb$/.exec(name);
  return match === null ? undefined : { id: Number(match[1]), generation: Number(match[2]) };
}
