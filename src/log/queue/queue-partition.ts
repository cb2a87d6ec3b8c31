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
    const lane = this.#laneOf(record);
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

  #laneOf({ key }: LogRecord): Lane {
    if (key === null) return new Lane(this, undefined);
    const name = keyName(key);
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = new Lane(this, name);
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  /** Lets a delayed record whose time has come into its lane: it counts as written now, behind what waits there. */
  admit(offset: number): void {
    if (this.pages.isDone(offset)) return;
    const record = this.blocks.read(offset);
    if (record === undefined) this.pages.markDone(offset);
    else this.#append(this.#laneOf(record), offset);
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
    this.waiting = 0;
  }
}

function keyName(key: Uint8Array): string {
  if (key.length > KEY_BYTES_MAX) return createHash('sha256').update(key).digest().toString('latin1');
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
