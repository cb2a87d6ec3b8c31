/**
 * Group commit: one LMDB transaction at a time, and everything that is accepted while it is on its way to
 * the disk goes into the next one. An append is answered after the transaction that holds it has been synced.
 *
 *   accept ─▶ group being filled ─▶ transaction on its way ─▶ durable: offsets advance, journal applied, answers
 *                   ▲                        │
 *                   └── the next one ◀───────┴─▶ failed: everything accepted and not durable is taken back
 *
 * One in flight and no more: a second one could succeed after the first has failed, which would leave a hole.
 */
import { statfs } from 'node:fs/promises';
import {
  type Counter,
  crashPoint,
  type Histogram,
  LATENCY_BOUNDS_S,
  type Limits,
  type Logger,
  type Metrics,
  SluiceError,
} from '#kernel';
import type { Appended } from '#log';
import type { Catalog } from './catalog.ts';
import type { ChunkBuffers } from './chunk-buffers.ts';
import { encodeEntries, type JournalEntry } from './journal.ts';
import { JOURNAL_ID, KEY_BYTES, newKey, writeKey } from './keys.ts';
import type { Accepted, LmdbPartition, PendingChunk } from './partition.ts';
import type { Segment } from './segment.ts';
import type { Segments } from './segments.ts';

interface Waiter {
  readonly accepted: readonly Accepted[];
  resolve(results: Appended[]): void;
  reject(error: SluiceError): void;
}

interface Group {
  waiters: Waiter[];
  entries: JournalEntry[];
  bytes: number;
}

/** What a commit took from its partitions. */
interface Batch {
  readonly partition: LmdbPartition;
  readonly chunks: readonly PendingChunk[];
}

const NO_SPACE = 28;
/** Less than this beside what was to be written counts as full: pages and file system structures need room too. */
const FREE_BYTES_MIN = 1024 * 1024;
const key = Buffer.alloc(KEY_BYTES);

export class GroupCommit {
  readonly #segments: Segments;
  readonly #catalog: Catalog;
  readonly #buffers: ChunkBuffers;
  readonly #limits: Limits;
  readonly #logger: Logger;
  readonly #onRoll: (sealed: Segment) => void;
  readonly #listeners = new Set<() => void>();
  readonly #commits: Counter;
  readonly #failures: Counter;
  readonly #seconds: Histogram;
  #group: Group = newGroup();
  #dirty = new Set<LmdbPartition>();
  #inFlight: Group | undefined;
  #scheduled = false;
  #idle: (() => void)[] = [];
  #closed = false;
  pendingBytes = 0;

  constructor(parts: {
    segments: Segments;
    catalog: Catalog;
    buffers: ChunkBuffers;
    limits: Limits;
    logger: Logger;
    metrics: Metrics;
    onRoll: (sealed: Segment) => void;
  }) {
    this.#segments = parts.segments;
    this.#catalog = parts.catalog;
    this.#buffers = parts.buffers;
    this.#limits = parts.limits;
    this.#logger = parts.logger;
    this.#onRoll = parts.onRoll;
    const { metrics } = parts;
    this.#commits = metrics.counter('sluice_log_commits_total', 'Group commits that reached the disk');
    this.#failures = metrics.counter(
      'sluice_log_commit_failures_total',
      'Group commits that failed and were taken back',
    );
    this.#seconds = metrics.histogram(
      'sluice_log_commit_seconds',
      'Time of a group commit, fsync included',
      LATENCY_BOUNDS_S,
    );
    metrics.gauge('sluice_log_pending_bytes', 'Bytes accepted and not yet on the disk', () => this.pendingBytes);
  }

  /** @throws SHUTTING_DOWN */
  requireOpen(): void {
    if (this.#closed) throw new SluiceError('SHUTTING_DOWN', 'the log is closed');
  }

  /** @throws LOG_BUSY, SHUTTING_DOWN */
  admit(bytes: number): void {
    this.requireOpen();
    if (this.pendingBytes + bytes <= this.#limits.pendingBytesMax) return;
    throw new SluiceError('LOG_BUSY', `${this.pendingBytes} bytes wait to be written`, { pending: this.pendingBytes });
  }

  /** One append; the promise settles with its commit. */
  enqueue(accepted: Accepted): Promise<Appended> {
    return new Promise((resolve, reject) => {
      this.#add({ accepted: [accepted], resolve: (results) => resolve(results[0] as Appended), reject }, []);
    });
  }

  /** Several appends and journal entries, in one transaction. */
  enqueueAll(accepted: readonly Accepted[], entries: readonly JournalEntry[]): Promise<Appended[]> {
    if (this.#closed) return Promise.reject(new SluiceError('SHUTTING_DOWN', 'the log is closed'));
    return new Promise((resolve, reject) => this.#add({ accepted, resolve, reject }, entries));
  }

  #add(waiter: Waiter, entries: readonly JournalEntry[]): void {
    const group = this.#group;
    group.waiters.push(waiter);
    for (const entry of entries) group.entries.push(entry);
    for (const accepted of waiter.accepted) {
      group.bytes += accepted.bytes;
      this.pendingBytes += accepted.bytes;
      if (!accepted.duplicate) this.#dirty.add(accepted.partition);
    }
    this.#schedule();
  }

  /** Everything that arrives in this turn of the event loop shares the commit. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight !== undefined) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#inFlight === undefined && this.#group.waiters.length > 0) void this.#commit();
    });
  }

  async #commit(): Promise<void> {
    const group = this.#group;
    const batches: Batch[] = [];
    for (const partition of this.#dirty) {
      batches.push({ partition, chunks: partition.pending });
      partition.pending = [];
    }
    this.#group = newGroup();
    this.#dirty = new Set();
    this.#inFlight = group;
    const sequence = this.#catalog.sequence + 1;
    const startedAt = performance.now();
    let failure: SluiceError | undefined;
    let segment: Segment | undefined;
    try {
      segment = this.#activeFor(group.bytes);
      if (batches.length > 0 || group.entries.length > 0) await this.#write(segment, batches, group.entries, sequence);
    } catch (error) {
      failure = await storeError(error, this.#segments.directory, group.bytes);
    }
    this.#seconds.observe((performance.now() - startedAt) / 1000);
    this.#inFlight = undefined;
    if (failure === undefined) this.#succeed(segment as Segment, group, batches, sequence);
    else this.#fail(failure, group, batches);
    if (this.#group.waiters.length > 0) this.#schedule();
    else for (const resolve of this.#idle.splice(0)) resolve();
    for (const listener of this.#listeners) listener();
  }

  /** The active segment, or a new one when the bytes no longer fit. */
  #activeFor(bytes: number): Segment {
    const active = this.#segments.active;
    if (active.bytes > this.#limits.segmentBytes / 2) this.#segments.prepare();
    if (active.bytes === 0 || active.bytes + bytes <= this.#limits.segmentBytes) return active;
    const next = this.#segments.roll();
    this.#onRoll(active);
    return next;
  }

  #write(
    segment: Segment,
    batches: readonly Batch[],
    entries: readonly JournalEntry[],
    sequence: number,
  ): Promise<boolean> {
    const { database } = segment;
    return database.batch(() => {
      for (const { partition, chunks } of batches) {
        for (const chunk of chunks) {
          void database.put(writeKey(key, partition.id, chunk.baseOffset), chunk.buffer.subarray(0, chunk.used));
        }
      }
      if (entries.length > 0) void database.put(newKey(JOURNAL_ID, sequence), encodeEntries(entries));
    });
  }

  #succeed(segment: Segment, group: Group, batches: readonly Batch[], sequence: number): void {
    this.#commits.add();
    crashPoint('before-answer');
    for (const { partition, chunks } of batches) {
      for (const chunk of chunks) {
        const { baseOffset, nextOffset, used, maxTimestamp } = chunk;
        const range = segment.extend(partition.id, baseOffset, nextOffset, used, maxTimestamp);
        partition.advance(segment, range, nextOffset);
        this.#buffers.release(chunk);
      }
    }
    if (group.entries.length > 0) {
      segment.lastJournalSequence = sequence;
      for (const entry of group.entries) this.#catalog.apply(sequence, entry);
    }
    this.pendingBytes -= group.bytes;
    for (const { accepted, resolve } of group.waiters) {
      for (const one of accepted) one.partition.stored(one);
      resolve(accepted.map(({ baseOffset, duplicate }) => ({ baseOffset, duplicate })));
    }
    for (const { partition } of batches) partition.notify();
  }

  /** What came after the failed commit stands on its offsets, so all of it goes, newest first. */
  #fail(error: SluiceError, failed: Group, batches: readonly Batch[]): void {
    this.#failures.add();
    this.#logger.error({ err: error, bytes: failed.bytes }, 'a group commit failed');
    const later = this.#group;
    this.#group = newGroup();
    for (const partition of this.#dirty) {
      for (const chunk of partition.pending) this.#buffers.release(chunk);
      partition.pending = [];
    }
    this.#dirty = new Set();
    for (const { chunks } of batches) for (const chunk of chunks) this.#buffers.release(chunk);
    const waiters = [...failed.waiters, ...later.waiters];
    for (const { accepted } of waiters.toReversed()) {
      for (const one of accepted.toReversed()) one.partition.takeBack(one);
    }
    this.pendingBytes -= failed.bytes + later.bytes;
    for (const { reject } of waiters) reject(error);
  }

  /** Makes what comes next go into a new segment; resolves when the old one takes no more. */
  async roll(): Promise<void> {
    await this.drain();
    const active = this.#segments.active;
    if (active.bytes === 0 && active.lastJournalSequence === 0) return;
    this.#segments.roll();
    this.#onRoll(active);
  }

  onCommit(listener: () => void): () => void {
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  /** Resolves when nothing waits and nothing is on its way. */
  async drain(): Promise<void> {
    if (this.#inFlight === undefined && this.#group.waiters.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.drain();
  }
}

function newGroup(): Group {
  return { waiters: [], entries: [], bytes: 0 };
}

/**
 * lmdb rejects a put with a general error that carries the transaction's own as a promise. A disk that fills up in the
 * middle of a write shows as EIO, so the free space decides.
 */
async function storeError(error: unknown, folder: string, bytes: number): Promise<SluiceError> {
  const cause: unknown = await Promise.resolve((error as { commitError?: unknown }).commitError ?? error).catch(
    (inner: unknown) => inner,
  );
  const { code, message } = cause as { code?: unknown; message?: unknown };
  const { bavail, bsize } = await statfs(folder);
  if (code === NO_SPACE || code === 'ENOSPC' || bavail * bsize < bytes + FREE_BYTES_MIN) {
    return new SluiceError('DISK_FULL', 'the disk is full; nothing was stored', {}, cause);
  }
  return new SluiceError('STORE_FAILED', `the store could not write: ${String(message)}`, {}, cause);
}
