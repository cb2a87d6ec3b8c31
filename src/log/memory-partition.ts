/**
 * One partition of the reference engine: its batches in one ascending list, of which those below `durable` can be
 * read. What is accepted goes to the end of the list at once and is taken off again when its commit fails.
 */
import { SluiceError } from '#kernel';
import { batchMaxTimestamp, iterateRecords, rewriteBatch, stampBaseOffset } from '#record';
import { checkBatch } from './append-rules.ts';
import type { Appended, AppendOptions, Cursor, Partition, Topic } from './contract.ts';
import type { MemoryCommits } from './memory-commits.ts';
import { findTime, MemoryCursor } from './memory-cursor.ts';
import type { MemoryExtentSource } from './memory-reader.ts';
import { ProducerSequences, type ProducerUndo } from './producer-sequences.ts';
import type { Extent } from './reader.ts';

export interface StoredBatch {
  readonly bytes: Uint8Array;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly maxTimestamp: number;
}

/** An append that has its offset, and what is needed to take it back. */
export interface MemoryAppend extends Appended {
  readonly partition: MemoryPartition;
  readonly nextOffset: number;
  readonly bytes: number;
  readonly undo: ProducerUndo | undefined;
}

export class MemoryPartition implements Partition {
  readonly topic: Topic;
  readonly index: number;
  readonly #commits: MemoryCommits;
  readonly #producers: ProducerSequences;
  readonly #listeners = new Set<() => void>();
  batches: StoredBatch[] = [];
  start = 0;
  durable = 0;
  tail = 0;
  deleted = false;

  constructor(topic: Topic, index: number, commits: MemoryCommits) {
    this.topic = topic;
    this.index = index;
    this.#commits = commits;
    this.#producers = new ProducerSequences(commits.limits);
  }

  get bytes(): number {
    return this.batches.reduce((sum, batch) => sum + batch.bytes.length, 0);
  }

  checkOpen(): void {
    this.#commits.checkOpen();
  }

  async append(batch: Uint8Array, options: AppendOptions = {}): Promise<Appended> {
    const accepted = this.accept(batch, options.expectedOffset);
    const done = this.#commits.enqueue([accepted]);
    const answer = { baseOffset: accepted.baseOffset, duplicate: accepted.duplicate };
    if (options.durability !== 'memory') return done.then(() => answer);
    // A memory append is answered at once; what a failed commit takes back is not told.
    done.catch(() => undefined);
    return answer;
  }

  /** Checks a batch, copies it and gives it its offset. Throws what `append` rejects with. */
  accept(batch: Uint8Array, expectedOffset: number | undefined): MemoryAppend {
    this.checkOpen();
    if (this.deleted) throw new SluiceError('TOPIC_UNKNOWN', `topic ${this.topic.name} was deleted`);
    const { producerId, producerEpoch, baseSequence, count } = checkBatch(batch, this.#commits.limits);
    this.#commits.admit(batch.length);
    const baseOffset = this.tail;
    let undo: ProducerUndo | undefined;
    if (producerId >= 0) {
      const before = this.#producers.check(producerId, producerEpoch, baseSequence, count);
      if (before !== undefined) return this.#accepted(before, before + count, 0, undefined);
    }
    if (expectedOffset !== undefined && expectedOffset !== baseOffset) {
      throw new SluiceError('OFFSET_CONFLICT', `the partition ends at ${baseOffset}, not ${expectedOffset}`, {
        tail: baseOffset,
      });
    }
    if (producerId >= 0) {
      const now = this.#commits.clock.now();
      undo = this.#producers.accept(producerId, producerEpoch, baseSequence, count, baseOffset, now);
    }
    const bytes = Uint8Array.from(batch);
    stampBaseOffset(bytes, 0, baseOffset);
    this.tail = baseOffset + count;
    this.batches.push({ bytes, baseOffset, nextOffset: this.tail, maxTimestamp: batchMaxTimestamp(bytes, 0) });
    this.#commits.pendingBytes += bytes.length;
    return this.#accepted(baseOffset, this.tail, bytes.length, undo);
  }

  #accepted(baseOffset: number, nextOffset: number, bytes: number, undo: ProducerUndo | undefined): MemoryAppend {
    return { partition: this, baseOffset, nextOffset, bytes, duplicate: bytes === 0, undo };
  }

  /** Takes back what was accepted last. */
  withdraw({ duplicate, baseOffset, bytes, undo }: MemoryAppend): void {
    if (duplicate) return;
    if (undo !== undefined) this.#producers.undo(undo);
    this.batches.pop();
    this.tail = baseOffset;
    this.#commits.pendingBytes -= bytes;
  }

  notify(): void {
    for (const listener of this.#listeners) listener();
  }

  cursor(offset: number): Cursor {
    this.checkOpen();
    return new MemoryCursor(this, offset);
  }

  extent(offset: number, bytesMax: number): Extent | null {
    const cursor = this.cursor(offset);
    const chunk = cursor.next(bytesMax);
    if (cursor.position === offset) return null;
    const source: MemoryExtentSource = chunk === null ? [] : [chunk];
    return { topic: this.topic.name, partition: this.index, from: offset, to: cursor.position, source };
  }

  offsetForTime(timestamp: number): number {
    this.checkOpen();
    return findTime(this, timestamp);
  }

  onDurable(listener: () => void): () => void {
    // A wrapper each, so that one function registered twice is called twice and ended once.
    const own = () => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  async trim(offset: number): Promise<void> {
    const { durable } = this;
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > durable) {
      throw new SluiceError('OFFSET_OUT_OF_RANGE', `the partition ends at ${durable}, not ${offset}`, { durable });
    }
    await this.#commits.enqueue([], () => this.forgetBelow(offset));
  }

  /** Moves the start; batches wholly below it go. */
  forgetBelow(offset: number): void {
    this.start = Math.max(this.start, offset);
    this.batches = this.batches.filter(({ nextOffset }) => nextOffset > this.start);
  }

  /** Where the retention lets the partition begin. */
  retainedFrom(): number {
    const { retentionMs, retentionBytes } = this.topic.config;
    const now = this.#commits.clock.now();
    let { bytes, start } = this;
    for (const batch of this.batches) {
      const tooOld = retentionMs !== null && batch.maxTimestamp < now - retentionMs;
      const tooMuch = retentionBytes !== null && bytes - batch.bytes.length >= retentionBytes;
      if (batch.nextOffset > this.durable || !(tooOld || tooMuch)) break;
      bytes -= batch.bytes.length;
      start = batch.nextOffset;
    }
    return start;
  }

  /** Drops every durable record that a later one of its key has replaced, and tombstones that have served their time. */
  compact(): void {
    const latest = new Map<string, number>();
    const tombstonesBefore = this.#commits.clock.now() - this.topic.config.tombstoneMs;
    const closed = this.batches.filter(({ nextOffset }) => nextOffset <= this.durable);
    for (const { bytes } of closed) {
      for (const { key, offset } of iterateRecords(bytes)) {
        if (key !== null) latest.set(keyText(key), offset);
      }
    }
    const kept = closed.flatMap((batch) => {
      const bytes = rewriteBatch(batch.bytes, 0, ({ key, value, offset, timestamp }) => {
        if (key === null) return true;
        return latest.get(keyText(key)) === offset && (value !== null || timestamp >= tombstonesBefore);
      });
      return bytes === null ? [] : [{ ...batch, bytes }];
    });
    this.batches = [...kept, ...this.batches.slice(closed.length)];
  }
}

function keyText(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}
