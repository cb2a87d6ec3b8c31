/**
 * The records of a partition that were read ahead, by batch, each until it is handed out. What there is no room for is
 * let go, oldest first, and read again when its turn comes: then batch by batch, of which the last is kept at hand.
 */
import { SluiceError } from '#kernel';
import { batchByteLength, batchNextOffset, iterateBatches, iterateRecords, type LogRecord } from '#record';
import type { Partition } from '../contract.ts';

/** What a decoded record costs beyond its bytes, about. */
const RECORD_OVERHEAD_BYTES = 400;
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

/** The records of the batch at `at`, over a copy of its bytes. */
export function readBlock(bytes: Uint8Array, at: number): Block {
  // Not `slice`: of a Buffer that is a view.
  const copy = new Uint8Array(bytes.subarray(at, at + batchByteLength(bytes, at)));
  const records: (LogRecord | undefined)[] = [];
  let first = -1;
  let count = 0;
  let held = copy.length;
  for (const record of iterateRecords(copy)) {
    // The base of a compacted batch may be gone; places count from the first record that is there.
    if (first === -1) first = record.offset;
    records[record.offset - first] = record;
    count++;
  }
  held += count * RECORD_OVERHEAD_BYTES;
  return { first, next: batchNextOffset(copy, 0), records, live: 0, bytes: held };
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
  #again: Block | undefined;
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

  /** The record, which is not kept any longer; undefined when the log does not have it any more. */
  take(offset: number): LogRecord | undefined {
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

  /** Lets the oldest block go; how many bytes that were. */
  evict(): number {
    const oldest = this.#blocks.find(({ live }) => live > 0);
    if (oldest === undefined) return 0;
    const { bytes } = oldest;
    oldest.live = 0;
    oldest.records.length = 0;
    this.#empty(oldest);
    return bytes;
  }

  /** A record from the log itself, of which nothing is kept but its batch; undefined when it is not there any more. */
  read(offset: number): LogRecord | undefined {
    const again = this.#again;
    if (again === undefined || offset < again.first || offset >= again.next) this.#again = this.#load(offset);
    return this.#again?.records[offset - this.#again.first];
  }

  #load(offset: number): Block | undefined {
    try {
      const chunk = this.#partition.cursor(offset).next(1);
      if (chunk === null) return undefined;
      for (const { header, at } of iterateBatches(chunk.bytes)) {
        if (header.baseOffset + header.lastOffsetDelta >= offset) return readBlock(chunk.bytes, at);
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code === 'SHUTTING_DOWN') throw error;
      this.#report(error);
      return undefined;
    }
  }

  clear(): void {
    this.#blocks = [];
    this.#emptied = 0;
    this.#again = undefined;
    this.bytes = 0;
  }
}
