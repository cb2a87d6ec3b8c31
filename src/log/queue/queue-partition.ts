/**
 * One partition of a queue: reads ahead, puts each record into the lane of its key, and knows which are done.
 *
 *   cursor ──▶ done already? passed over
 *          ──▶ `deliver-at` ahead? its offset and time wait in `delayed`, nothing else, and the lane goes on without it
 *          ──▶ came back before a restart, and not yet due? first of its lane, away until then
 *          ──▶ waits in its lane
 *
 * Called by `QueueGroup`, which decides when to read and who gets what.
 */
import { createHash } from 'node:crypto';
import { asSluiceError, SluiceError } from '#kernel';
import { batchBaseOffset, batchByteLength, batchNextOffset, type LogRecord } from '#record';
import type { Chunk, Cursor, Partition } from '../contract.ts';
import { deliverAt } from './deliver-at.ts';
import type { DonePages } from './done-pages.ts';
import { DueHeap } from './due-heap.ts';
import { Held, Lane } from './lane.ts';
import { type Block, RecordBlocks, readBlock } from './record-blocks.ts';

const READ_BYTES = 64 * 1024;
/** A longer key stands in the table of lanes by its hash. */
const KEY_BYTES_MAX = 64;
/** Delayed records that are let in together. */
const RIPE_MAX = 16_384;
/** Of those, kept until they are handed out; others are read once more. */
const RIPE_BYTES_MAX = 4 * 1024 * 1024;

/** Of all partitions of a queue together. */
export interface QueueTotals {
  /** Handed out and not done. */
  held: number;
}

export interface QueuePartitionParts {
  readonly partition: Partition;
  readonly pages: DonePages;
  readonly totals: QueueTotals;
  /** A lane can hand something out. */
  ready(lane: Lane): void;
  /** Of what was damaged or trimmed away. */
  report(error: SluiceError): void;
}

/** Delayed records that are due, on their way into their lanes. */
interface Ripe {
  readonly byTime: readonly number[];
  readonly byOffset: readonly number[];
  /** Names of their lanes; a lane itself may come and go meanwhile. */
  readonly keys: Map<number, string | undefined>;
  /** How many of `byOffset` were looked up. */
  found: number;
}

export class QueuePartition {
  readonly partition: Partition;
  readonly pages: DonePages;
  readonly blocks: RecordBlocks;
  /** What was handed out and is not done, by offset. */
  readonly held = new Map<number, Held>();
  /** Offsets of records that must not go out yet, by their `deliver-at`. */
  readonly delayed = new DueHeap();
  /** Offsets of held records that are away, by when they are due. */
  readonly away = new DueHeap();
  /** The committed offset as it was written last. */
  written: number | undefined;
  /** Records in lanes that were not handed out yet. */
  waiting = 0;
  atEnd = false;
  readonly #parts: QueuePartitionParts;
  readonly #lanes = new Map<string, Lane>();
  readonly #cursor: Cursor;
  #ripe: Ripe | undefined;

  /** @param written the committed offset; undefined when there is none yet */
  constructor(parts: QueuePartitionParts, written: number | undefined) {
    this.#parts = parts;
    this.partition = parts.partition;
    this.pages = parts.pages;
    this.written = written;
    this.blocks = new RecordBlocks(parts.partition, (error) => parts.report(error));
    this.followStart();
    this.#cursor = this.partition.cursor(Math.min(this.pages.base, this.partition.durable));
  }

  /** What retention or a trim has taken is done. True: something was taken. */
  followStart(): boolean {
    const { base } = this.pages;
    this.pages.raiseBase(Math.min(this.partition.start, this.partition.durable));
    return this.pages.base !== base;
  }

  /** Reads a little further. False: there is nothing more for now. @throws SHUTTING_DOWN */
  readAhead(now: number): boolean {
    const { durable } = this.partition;
    const position = this.pages.nextOpen(this.#cursor.position, durable);
    if (position >= durable) {
      this.atEnd = true;
      return false;
    }
    try {
      if (position !== this.#cursor.position) this.#cursor.seek(position);
      const chunk = this.#cursor.next(READ_BYTES);
      if (chunk === null) this.#pass(position, this.#cursor.position);
      else this.#take(chunk, position, now);
    } catch (error) {
      this.#failed(error, position);
    }
    return true;
  }

  #failed(error: unknown, position: number): void {
    if (!(error instanceof SluiceError)) throw error;
    if (error.code === 'OFFSET_TRIMMED') {
      this.followStart();
      this.#cursor.seek(Math.max(position, this.partition.start));
    } else if (error.code === 'BATCH_QUARANTINED') {
      const next = Number(error.details['next']);
      this.#parts.report(error);
      this.#pass(position, next);
      this.#cursor.seek(Math.min(next, this.partition.durable));
    } else if (error.code === 'SHUTTING_DOWN') throw error;
    else {
      this.#parts.report(error);
      this.atEnd = true;
    }
  }

  /** Nothing is there from one offset to another. */
  #pass(from: number, to: number): void {
    for (let offset = from; offset < to; offset++) this.pages.markDone(offset);
  }

  #take({ bytes, nextOffset }: Chunk, from: number, now: number): void {
    let expected = from;
    for (let at = 0; at < bytes.length; at += batchByteLength(bytes, at)) {
      const next = batchNextOffset(bytes, at);
      if (next <= expected) continue;
      if (batchBaseOffset(bytes, at) > expected) this.#pass(expected, batchBaseOffset(bytes, at));
      if (this.pages.nextOpen(Math.max(expected, batchBaseOffset(bytes, at)), next) < next) {
        this.#takeWhole(bytes, at, expected, now);
      }
      expected = next;
    }
    this.#pass(expected, nextOffset);
  }

  /** A batch whose records cannot be read holds up nobody: it is told and passed over. */
  #takeWhole(bytes: Uint8Array, at: number, from: number, now: number): void {
    let block: Block;
    try {
      block = readBlock(bytes, at);
    } catch (error) {
      this.#parts.report(asSluiceError(error));
      this.#pass(from, batchNextOffset(bytes, at));
      return;
    }
    this.#takeBlock(block, Math.max(from, batchBaseOffset(bytes, at)), now);
  }

  #takeBlock(block: Block, from: number, now: number): void {
    let expected = from;
    for (let index = 0; index < block.records.length; index++) {
      const record = block.records[index];
      if (record === undefined || record.offset < expected) {
        block.records[index] = undefined;
        continue;
      }
      // A gap is what compaction took.
      if (record.offset > expected) this.#pass(expected, record.offset);
      expected = record.offset + 1;
      if (this.#place(record, now)) block.live++;
      else block.records[index] = undefined;
    }
    this.#pass(expected, block.next);
    this.blocks.keep(block);
  }

  /** True when the record waits in a lane. */
  #place(record: LogRecord, now: number): boolean {
    const { offset } = record;
    if (this.pages.isDone(offset)) return false;
    const failure = this.pages.failure(offset);
    if (failure === undefined) {
      const due = deliverAt(record.headers);
      if (due > now) {
        this.delayed.push(due, offset);
        return false;
      }
    }
    const lane = this.#laneOf(keyName(record));
    if (failure !== undefined && failure.due > now && lane.held === undefined && lane.waiting === 0) {
      const held = new Held(lane, offset, failure.failures);
      held.state = 'away';
      held.due = failure.due;
      this.#hold(held);
      this.away.push(failure.due, offset);
      return false;
    }
    this.#append(lane, offset);
    return true;
  }

  #append(lane: Lane, offset: number): void {
    lane.push(offset);
    this.waiting++;
    if (lane.held === undefined) this.#parts.ready(lane);
  }

  #laneOf(name: string | undefined): Lane {
    if (name === undefined) return new Lane(this, undefined);
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = new Lane(this, name);
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  /**
   * Lets delayed records whose time has come into their lanes: they count as written now, behind what waits there, in
   * the order of their times. Their keys are looked up in the order of offsets, so that a batch is read once for all of
   * them.
   * @returns what is left of `reads`; 0 says that there is more to do
   */
  admit(now: number, reads: number): number {
    let left = reads;
    for (;;) {
      this.#ripe ??= this.#takeRipe(now);
      const ripe = this.#ripe;
      if (ripe === undefined) return left;
      while (ripe.found < ripe.byOffset.length) {
        const offset = ripe.byOffset[ripe.found] as number;
        if (!this.blocks.isAtHand(offset) && left-- <= 0) return 0;
        ripe.found++;
        this.#lookUp(offset, ripe);
      }
      for (const offset of ripe.byTime) {
        if (ripe.keys.has(offset)) this.#append(this.#laneOf(ripe.keys.get(offset)), offset);
        else this.pages.markDone(offset);
      }
      this.#ripe = undefined;
    }
  }

  #takeRipe(now: number): Ripe | undefined {
    const byTime: number[] = [];
    while (byTime.length < RIPE_MAX) {
      const offset = this.delayed.take(now);
      if (offset === undefined) break;
      if (!this.pages.isDone(offset)) byTime.push(offset);
    }
    if (byTime.length === 0) return undefined;
    return { byTime, byOffset: byTime.toSorted((a, b) => a - b), keys: new Map(), found: 0 };
  }

  #lookUp(offset: number, { keys }: Ripe): void {
    const record = this.blocks.read(offset);
    if (record === undefined) return;
    keys.set(offset, keyName(record));
    if (this.blocks.bytes < RIPE_BYTES_MAX) this.blocks.keepOne(record);
  }

  /** The lane's next record, as held by nobody yet; undefined when the log has lost it, and then it is done. */
  takeNext(lane: Lane): { readonly held: Held; readonly record: LogRecord } | undefined {
    let { held } = lane;
    let record: LogRecord | undefined;
    if (held === undefined) {
      const offset = lane.shift();
      this.waiting--;
      record = this.blocks.take(offset);
      held = new Held(lane, offset, this.pages.failure(offset)?.failures ?? 0);
      this.#hold(held);
    } else record = this.blocks.read(held.offset);
    if (record !== undefined) return { held, record };
    this.finish(held);
    return undefined;
  }

  #hold(held: Held): void {
    held.lane.held = held;
    this.held.set(held.offset, held);
    this.#parts.totals.held++;
  }

  /** The record is done; the next of its lane may go out. */
  finish(held: Held): void {
    this.pages.markDone(held.offset);
    this.forget(held);
  }

  /** Its lane goes on without it. */
  forget(held: Held): void {
    const { lane } = held;
    this.held.delete(held.offset);
    this.#parts.totals.held--;
    lane.held = undefined;
    if (lane.waiting > 0) this.#parts.ready(lane);
    else if (lane.key !== undefined) this.#lanes.delete(lane.key);
  }

  /** Everything read is forgotten: the topic is gone. */
  clear(): void {
    this.#parts.totals.held -= this.held.size;
    this.held.clear();
    this.#lanes.clear();
    this.delayed.clear();
    this.away.clear();
    this.blocks.clear();
    this.#ripe = undefined;
    this.waiting = 0;
  }
}

/** Of the lane of a record; undefined for one without a key. */
function keyName({ key }: LogRecord): string | undefined {
  if (key === null) return undefined;
  if (key.length > KEY_BYTES_MAX) return createHash('sha256').update(key).digest().toString('latin1');
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
