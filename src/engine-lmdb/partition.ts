/**
 * One partition of the LMDB engine: where it begins and ends, which segments hold it, its idempotent
 * producers, and the chunks waiting for the next group commit. Appends are accepted here, in call order;
 * `GroupCommit` carries them to the disk.
 */
import { type Limits, SluiceError } from '#kernel';
import {
  type Appended,
  type AppendOptions,
  type Cursor,
  checkBatch,
  type Extent,
  type Partition,
  ProducerSequences,
  type ProducerUndo,
  type Topic,
} from '#log';
import { type BatchHeader, batchMaxTimestamp, stampBaseOffset } from '#record';
import type { Chunk, ChunkBuffers } from './chunk-buffers.ts';
import { LmdbCursor } from './cursor.ts';
import { cutExtent } from './extent.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Segment, SegmentRange } from './segment.ts';

export interface PlacedRange {
  readonly segment: Segment;
  readonly range: SegmentRange;
}

/** What the partition needs of the log it is part of. */
export interface PartitionContext {
  readonly limits: Limits;
  readonly buffers: ChunkBuffers;
  readonly commits: GroupCommit;
  now(): number;
  touch(segment: Segment): void;
  reportDamage(partition: LmdbPartition, offset: number, nextOffset: number): void;
  trim(partition: LmdbPartition, offset: number): Promise<void>;
}

/** Waiting in the partition for the next commit. */
export interface PendingChunk extends Chunk {
  nextOffset: number;
  maxTimestamp: number;
}

/** An append that has its offset, and what is needed to take it back. */
export interface Accepted {
  readonly partition: LmdbPartition;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly bytes: number;
  readonly duplicate: boolean;
  /** Of a batch of an idempotent producer. */
  readonly stamp: { readonly header: BatchHeader; readonly undo: ProducerUndo } | undefined;
}

export class LmdbPartition implements Partition {
  readonly topic: Topic;
  readonly index: number;
  readonly id: number;
  readonly context: PartitionContext;
  /** As of what is accepted; what an append is checked against. */
  readonly producers: ProducerSequences;
  /** As of what is durable; what a segment's summary keeps. */
  readonly storedProducers: ProducerSequences;
  /** Ascending; the last may be in the active segment. */
  readonly ranges: PlacedRange[] = [];
  start: number;
  durable: number;
  tail: number;
  deleted = false;
  pending: PendingChunk[] = [];
  readonly #listeners = new Set<() => void>();

  constructor(topic: Topic, index: number, id: number, context: PartitionContext, start: number) {
    this.topic = topic;
    this.index = index;
    this.id = id;
    this.context = context;
    this.producers = new ProducerSequences(context.limits);
    this.storedProducers = new ProducerSequences(context.limits);
    this.start = start;
    this.durable = start;
    this.tail = start;
  }

  get bytes(): number {
    let sum = 0;
    for (const { range } of this.ranges) sum += range.bytes;
    return sum;
  }

  append(batch: Uint8Array, options: AppendOptions = {}): Promise<Appended> {
    let accepted: Accepted;
    try {
      accepted = this.accept(batch, options.expectedOffset);
    } catch (error) {
      return Promise.reject(error);
    }
    const done = this.context.commits.enqueue(accepted);
    if (options.durability !== 'memory') return done;
    // A memory append is answered at once; a commit that fails later is counted by the metrics, not told.
    done.catch(() => undefined);
    return Promise.resolve({ baseOffset: accepted.baseOffset, duplicate: accepted.duplicate });
  }

  /** Checks a batch, gives it its offset and copies it. Throws what `append` rejects with. */
  accept(batch: Uint8Array, expectedOffset: number | undefined): Accepted {
    const { limits, commits } = this.context;
    if (this.deleted) throw new SluiceError('TOPIC_UNKNOWN', `topic ${this.topic.name} was deleted`);
    commits.admit(batch.length);
    const header = checkBatch(batch, limits);
    if (header.producerId >= 0) {
      const { producerId, producerEpoch, baseSequence, count } = header;
      const first = this.producers.check(producerId, producerEpoch, baseSequence, count);
      if (first !== undefined) {
        return {
          partition: this,
          baseOffset: first,
          nextOffset: first + count,
          bytes: 0,
          duplicate: true,
          stamp: undefined,
        };
      }
    }
    if (expectedOffset !== undefined && expectedOffset !== this.tail) {
      throw new SluiceError('OFFSET_CONFLICT', `the partition ends at ${this.tail}, not ${expectedOffset}`, {
        tail: this.tail,
      });
    }
    return this.#store(batch, header);
  }

  #store(batch: Uint8Array, header: BatchHeader): Accepted {
    const baseOffset = this.tail;
    let chunk = this.pending.at(-1);
    if (chunk === undefined || chunk.buffer.length - chunk.used < batch.length) {
      const fresh = this.context.buffers.take(batch.length, baseOffset, chunk);
      chunk = { ...fresh, nextOffset: baseOffset, maxTimestamp: 0 };
      this.pending.push(chunk);
    }
    chunk.buffer.set(batch, chunk.used);
    stampBaseOffset(chunk.buffer, chunk.used, baseOffset);
    chunk.maxTimestamp = Math.max(chunk.maxTimestamp, batchMaxTimestamp(chunk.buffer, chunk.used));
    chunk.used += batch.length;
    chunk.nextOffset = baseOffset + header.count;
    this.tail = chunk.nextOffset;
    const stamp =
      header.producerId < 0 ? undefined : { header, undo: this.#remember(this.producers, header, baseOffset) };
    return { partition: this, baseOffset, nextOffset: this.tail, bytes: batch.length, duplicate: false, stamp };
  }

  #remember(producers: ProducerSequences, header: BatchHeader, baseOffset: number): ProducerUndo {
    const { producerId, producerEpoch, baseSequence, count } = header;
    return producers.accept(producerId, producerEpoch, baseSequence, count, baseOffset, this.context.now());
  }

  /** An accepted append is on the disk. */
  stored({ stamp, baseOffset }: Accepted): void {
    if (stamp !== undefined) this.#remember(this.storedProducers, stamp.header, baseOffset);
  }

  /** Takes an accepted append back after its commit failed; called in the reverse order of acceptance. */
  takeBack(accepted: Accepted): void {
    if (accepted.stamp !== undefined) this.producers.undo(accepted.stamp.undo);
    if (!accepted.duplicate) this.tail = Math.min(this.tail, accepted.baseOffset);
  }

  /** Removes an append that was accepted last and is not in any commit yet. */
  withdraw(accepted: Accepted): void {
    this.takeBack(accepted);
    const chunk = this.pending.at(-1);
    if (accepted.duplicate || chunk === undefined) return;
    chunk.used -= accepted.bytes;
    chunk.nextOffset = accepted.baseOffset;
    if (chunk.used > 0) return;
    this.pending.pop();
    this.context.buffers.release(chunk);
  }

  /** Forgets ranges that are wholly below the start. */
  dropTrimmedRanges(): void {
    const kept = this.ranges.findIndex(({ range }) => range.next > this.start);
    this.ranges.splice(0, kept === -1 ? this.ranges.length : kept);
  }

  /** The chunks to `nextOffset` are on the disk, in this segment. */
  advance(segment: Segment, range: SegmentRange, nextOffset: number): void {
    if (this.ranges.at(-1)?.segment !== segment) this.ranges.push({ segment, range });
    this.durable = nextOffset;
  }

  /** Takes in what a segment was found to hold, oldest segment first. */
  recovered(segment: Segment, range: SegmentRange): void {
    if (range.next <= this.start) return;
    if (this.ranges.length === 0) this.start = Math.max(this.start, range.first);
    this.ranges.push({ segment, range });
    this.durable = range.next;
    this.tail = range.next;
  }

  notify(): void {
    for (const listener of this.#listeners) listener();
  }

  requireOpen(): void {
    this.context.commits.requireOpen();
  }

  touch(segment: Segment): void {
    this.context.touch(segment);
  }

  reportDamage(offset: number, nextOffset: number): void {
    this.context.reportDamage(this, offset, nextOffset);
  }

  extent(offset: number, bytesMax: number): Extent | null {
    this.cursor(offset);
    return offset === this.durable ? null : cutExtent(this, offset, bytesMax);
  }

  cursor(offset: number): Cursor {
    const cursor = new LmdbCursor(this);
    cursor.seek(offset);
    return cursor;
  }

  offsetForTime(timestamp: number): number {
    for (const { range } of this.ranges) {
      if (range.maxTimestamp < timestamp || range.next <= this.start) continue;
      const found = new LmdbCursor(this).findTime(timestamp, Math.max(range.first, this.start));
      if (found !== undefined) return found;
    }
    return this.durable;
  }

  onDurable(listener: () => void): () => void {
    // A function of its own: the same listener may be given twice, and each is ended by itself.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  async trim(offset: number): Promise<void> {
    if (offset > this.durable || !Number.isSafeInteger(offset) || offset < 0) {
      throw new SluiceError('OFFSET_OUT_OF_RANGE', `the partition ends at ${this.durable}`, { durable: this.durable });
    }
    if (offset > this.start) await this.context.trim(this, offset);
  }
}
