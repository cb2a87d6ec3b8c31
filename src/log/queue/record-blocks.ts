/**
 * The records of a partition that were read ahead, by batch, each until it is handed out. What there is no room for is
 * let go, oldest first, and read again when its turn comes: by itself, with the last such batches kept at hand, since
 * lanes of the same age go on in the same places.
 */
import { SluiceError } from '#kernel';
import { BatchReader, batchByteLength, batchNextOffset, iterateBatches, iterateRecords, type LogRecord } from '#record';
import type { Partition } from '../contract.ts';

/** What a decoded record costs beyond its bytes, about. */
const RECORD_OVERHEAD_BYTES = 400;
/** Of the batches at hand, together; one is kept however large it is. */
const AT_HAND_BYTES_MAX = 512 * 1024;
/** They are looked through one by one. */
const AT_HAND_BATCHES_MAX = 64;
/** Emptied blocks are taken out of the list when there are so many, and half of it. */
const EMPTIED_MAX = 64;

export interface Block {
  readonly first: number;
  readonly next: number;
  /** By offset from `first`; undefined where nothing waits. */
  readonly records: (LogRecord | undefined)[];
  /** Records that wait in lanes. */
  live: number;
  bytes: number;
}

/** The records of the batch at `at`, over a copy of its bytes. @throws BATCH_MALFORMED */
export function readBlock(bytes: Uint8Array, at: number): Block {
  const copy = copyBatch(bytes, at);
  const records: (LogRecord | undefined)[] = [];
  let first = -1;
  let count = 0;
  for (const record of iterateRecords(copy)) {
    // The base of a compacted batch may be gone; places count from the first record that is there.
    if (first === -1) first = record.offset;
    records[record.offset - first] = record;
    count++;
  }
  const held = copy.length + count * RECORD_OVERHEAD_BYTES;
  return { first, next: batchNextOffset(copy, 0), records, live: 0, bytes: held };
}

function copyBatch(bytes: Uint8Array, at: number): Uint8Array {
  // Not `slice`: of a Buffer that is a view.
  return new Uint8Array(bytes.subarray(at, at + batchByteLength(bytes, at)));
}

/**
 * The records of some batches from `offset` on, over copies of their bytes, and where to go on. What is damaged is
 * passed over: it was told when it was found. @throws SHUTTING_DOWN
 */
export function readBatches(
  partition: Partition,
  offset: number,
  maxBytes: number,
): { records: LogRecord[]; next: number } {
  const records: LogRecord[] = [];
  try {
    const cursor = partition.cursor(offset);
    const chunk = cursor.next(maxBytes);
    if (chunk === null) return { records, next: cursor.position };
    const bytes = new Uint8Array(chunk.bytes);
    for (const { at } of iterateBatches(bytes)) records.push(...iterateRecords(bytes, at));
    return { records, next: chunk.nextOffset };
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code === 'SHUTTING_DOWN') throw error;
    const next = Number(error.details['next'] ?? error.details['start'] ?? partition.durable);
    return { records, next: Math.max(next, offset + 1) };
  }
}

export class RecordBlocks {
  readonly #partition: Partition;
  readonly #report: (error: SluiceError) => void;
  /** Ascending. */
  #blocks: Block[] = [];
  #emptied = 0;
  /** Records kept one by one. */
  readonly #single = new Map<number, LogRecord>();
  /** Batches of which records were read by themselves, the one used last at the end. */
  #atHand: BatchReader[] = [];
  bytes = 0;

  /** @param report is told of what is gone or damaged where a record should be */
  constructor(partition: Partition, report: (error: SluiceError) => void) {
    this.#partition = partition;
    this.#report = report;
  }

  /** Keeps a block behind all others until what is live in it has been taken. */
  keep(block: Block): void {
    if (block.live === 0) return;
    this.#blocks.push(block);
    this.bytes += block.bytes;
  }

  /** Keeps one record until it is taken; a copy, which does not hold on to its batch. */
  keepOne(record: LogRecord): void {
    this.#single.set(record.offset, copyOf(record));
    this.bytes += sizeOf(record);
  }

  /** The record, which is not kept any longer; undefined when the log does not have it any more. */
  take(offset: number): LogRecord | undefined {
    const single = this.#single.get(offset);
    if (single !== undefined) {
      this.#single.delete(offset);
      this.bytes -= sizeOf(single);
      return single;
    }
    const block = this.#find(offset);
    const record = block?.records[offset - block.first];
    if (block === undefined || record === undefined) return this.read(offset);
    block.records[offset - block.first] = undefined;
    if (--block.live === 0) this.#empty(block);
    return record;
  }

  #find(offset: number): Block | undefined {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#blocks[middle] as Block).next <= offset) low = middle + 1;
      else high = middle;
    }
    const found = this.#blocks[low];
    return found !== undefined && found.first <= offset ? found : undefined;
  }

  #empty(block: Block): void {
    this.bytes -= block.bytes;
    block.bytes = 0;
    this.#emptied++;
    if (this.#emptied < EMPTIED_MAX || this.#emptied * 2 < this.#blocks.length) return;
    this.#blocks = this.#blocks.filter(({ live }) => live > 0);
    this.#emptied = 0;
  }

  /** Lets something go, the oldest; how many bytes that were. */
  evict(): number {
    if (this.#atHand.length > 0) return this.#drop();
    const oldest = this.#blocks.find(({ live }) => live > 0);
    if (oldest === undefined) return 0;
    const { bytes } = oldest;
    oldest.live = 0;
    oldest.records.length = 0;
    this.#empty(oldest);
    return bytes;
  }

  /** True when the record can be read without going to the log. */
  isAtHand(offset: number): boolean {
    return this.#atHand.some((batch) => holds(batch, offset));
  }

  /** A record that is not kept; undefined when the log does not have it any more. @throws SHUTTING_DOWN */
  read(offset: number): LogRecord | undefined {
    try {
      return this.#batchWith(offset)?.read(offset);
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code === 'SHUTTING_DOWN') throw error;
      this.#report(error);
      return undefined;
    }
  }

  #batchWith(offset: number): BatchReader | undefined {
    const at = this.#atHand.findLastIndex((batch) => holds(batch, offset));
    if (at !== -1) {
      const [found] = this.#atHand.splice(at, 1);
      if (found !== undefined) this.#atHand.push(found);
      return found;
    }
    const batch = this.#load(offset);
    if (batch === undefined) return undefined;
    let { bytes } = batch;
    for (const other of this.#atHand) bytes += other.bytes;
    while (this.#atHand.length > 0 && (bytes > AT_HAND_BYTES_MAX || this.#atHand.length >= AT_HAND_BATCHES_MAX)) {
      bytes -= this.#drop();
    }
    this.#atHand.push(batch);
    this.bytes += batch.bytes;
    return batch;
  }

  #drop(): number {
    const bytes = this.#atHand.shift()?.bytes ?? 0;
    this.bytes -= bytes;
    return bytes;
  }

  #load(offset: number): BatchReader | undefined {
    const chunk = this.#partition.cursor(offset).next(1);
    if (chunk === null) return undefined;
    for (const { header, at } of iterateBatches(chunk.bytes)) {
      if (header.baseOffset + header.lastOffsetDelta >= offset) return new BatchReader(copyBatch(chunk.bytes, at));
    }
    return undefined;
  }

  clear(): void {
    this.#blocks = [];
    this.#emptied = 0;
    this.#single.clear();
    this.#atHand = [];
    this.bytes = 0;
  }
}

function holds({ header: { baseOffset, lastOffsetDelta } }: BatchReader, offset: number): boolean {
  return offset >= baseOffset && offset <= baseOffset + lastOffsetDelta;
}

function copyOf({ offset, timestamp, key, value, headers }: LogRecord): LogRecord {
  const copy = (bytes: Uint8Array | null) => bytes && new Uint8Array(bytes);
  const named = headers.map((header) => ({ key: header.key, value: copy(header.value) }));
  return { offset, timestamp, key: copy(key), value: copy(value), headers: named };
}

function sizeOf({ key, value }: LogRecord): number {
  return RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
}
