/**
 * One subscription of a connection: walks its partitions' cursors in turn and sends what they give, while it has
 * permits and the socket takes it. A subscription without permits, or with a full socket, does nothing and holds
 * nothing but its positions.
 *
 *   lane (a partition): ready ──next()──▶ sent, ready again     at the end ──▶ waiting ──onDurable──▶ ready
 */
import { asSluiceError, type Limits, SluiceError } from '#kernel';
import type { Chunk, Cursor, Partition } from '#log';
import { batchBaseOffset, batchByteLength, batchCount, batchNextOffset, iterateRecords } from '#record';
import type { Delivery } from './codec.ts';
import type { Session } from './session.ts';

const CHUNK_BYTES = 256 * 1024;
/** Frames one pump sends before others get their turn. */
const FRAMES_PER_TURN = 8;

export interface Lane {
  readonly partition: Partition;
  readonly cursor: Cursor;
  /** Next offset to send; the cursor may already be behind the batch it is in. */
  next: number;
  state: 'ready' | 'waiting' | 'stopped';
  readonly unwatch: () => void;
}

export interface SubscriptionOptions {
  readonly id: number;
  readonly format: 'records' | 'batch';
  readonly permits: number;
  /** Goes on from the start when retention overtakes it, as a reader from `earliest` expects. */
  readonly followsStart: boolean;
}

export class Subscription {
  readonly id: number;
  readonly lanes = new Map<number, Lane>();
  readonly #session: Session;
  readonly #limits: Limits;
  readonly #format: 'records' | 'batch';
  readonly #followsStart: boolean;
  #permits: number;
  #ready: Lane[] = [];
  #scheduled = false;
  #closed = false;

  constructor(session: Session, limits: Limits, options: SubscriptionOptions) {
    this.#session = session;
    this.#limits = limits;
    this.id = options.id;
    this.#format = options.format;
    this.#permits = options.permits;
    this.#followsStart = options.followsStart;
  }

  /** Adds a partition from `offset` on. @throws OFFSET_TRIMMED, OFFSET_OUT_OF_RANGE */
  addLane(partition: Partition, offset: number): void {
    this.removeLane(partition.index);
    const cursor = partition.cursor(offset);
    const lane: Lane = {
      partition,
      cursor,
      next: offset,
      state: 'ready',
      unwatch: partition.onDurable(() => this.#wake(lane)),
    };
    this.lanes.set(partition.index, lane);
    this.#ready.push(lane);
    this.#schedule();
  }

  /** The lane that was there, with the offset up to which it was sent. */
  removeLane(partition: number): Lane | undefined {
    const lane = this.lanes.get(partition);
    if (lane === undefined) return undefined;
    lane.unwatch();
    lane.state = 'stopped';
    this.lanes.delete(partition);
    this.#ready = this.#ready.filter((other) => other !== lane);
    return lane;
  }

  permit(records: number): void {
    this.#permits = Math.min(this.#permits + records, this.#limits.permitsMax);
    this.#schedule();
  }

  /** The socket has room again. */
  drained(): void {
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    for (const index of [...this.lanes.keys()]) this.removeLane(index);
  }

  #wake(lane: Lane): void {
    if (lane.state !== 'waiting') return;
    lane.state = 'ready';
    this.#ready.push(lane);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed || this.#ready.length === 0 || this.#permits <= 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#pump();
    });
  }

  #pump(): void {
    for (let frames = 0; frames < FRAMES_PER_TURN && this.#permits > 0; frames++) {
      if (!this.#session.writable) return;
      const lane = this.#ready.shift();
      if (lane === undefined) return;
      this.#step(lane);
    }
    this.#schedule();
  }

  #step(lane: Lane): void {
    let chunk: Chunk | null;
    try {
      chunk = lane.cursor.next(CHUNK_BYTES);
    } catch (error) {
      this.#failed(lane, asSluiceError(error));
      return;
    }
    if (chunk === null) {
      lane.state = 'waiting';
      return;
    }
    this.#ready.push(lane);
    this.#deliver(lane, chunk);
  }

  #deliver(lane: Lane, chunk: Chunk): void {
    const offset = Math.max(lane.next, chunk.firstOffset);
    let { bytes: batches, nextOffset: next } = chunk;
    let count = countFrom(batches, offset);
    if (this.#format === 'records' && count > this.#permits) {
      ({ batches, next } = cutAt(batches, offset, this.#permits));
      count = this.#permits;
      lane.cursor.seek(next);
    }
    lane.next = next;
    this.#permits -= count;
    const delivery: Delivery = { subscription: this.id, partition: lane.partition.index, offset, next, count, batches };
    this.#session.deliver(delivery, this.#format);
  }

  /** A lane never goes on behind a gap that its reader was not told of. */
  #failed(lane: Lane, error: SluiceError): void {
    const { index } = lane.partition;
    const details = { ...error.details, partition: index };
    this.#session.fail(new SluiceError(error.code, error.message, details, error), undefined, this.id);
    if (error.code === 'OFFSET_TRIMMED' && this.#followsStart) {
      lane.next = lane.partition.start;
      lane.cursor.seek(lane.next);
      this.#ready.push(lane);
      return;
    }
    this.removeLane(index);
  }
}

/** Records at or after `offset` in a run of batches. */
function countFrom(bytes: Uint8Array, offset: number): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at += batchByteLength(bytes, at)) {
    const records = batchCount(bytes, at);
    const dense = batchNextOffset(bytes, at) - batchBaseOffset(bytes, at) === records;
    if (batchBaseOffset(bytes, at) >= offset) count += records;
    else if (dense) count += Math.max(0, batchNextOffset(bytes, at) - offset);
    else for (const record of iterateRecords(bytes, at)) if (record.offset >= offset) count++;
  }
  return count;
}

/** The batches that hold the first `records` records from `offset` on, and the offset behind them. */
function cutAt(bytes: Uint8Array, offset: number, records: number): { batches: Uint8Array; next: number } {
  let left = records;
  let at = 0;
  for (; at < bytes.length; at += batchByteLength(bytes, at)) {
    for (const record of iterateRecords(bytes, at)) {
      if (record.offset >= offset && --left === 0) {
        return { batches: bytes.subarray(0, at + batchByteLength(bytes, at)), next: record.offset + 1 };
      }
    }
  }
  throw new SluiceError('INTERNAL', 'a chunk has fewer records than were counted');
}
