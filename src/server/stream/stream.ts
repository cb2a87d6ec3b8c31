/**
 * One stream as it stands: its document, where its records are, where it ends, and who waits for more of it.
 *
 *   position   0 ──────────────── from ───────────────── tail
 *              │ inherited: parts │ its own, in a partition │
 *              │ of other streams'│ of its own, which no    │
 *              │ partitions       │ other stream writes     │
 *
 * A stream that is no fork inherits nothing. Everything here is durable: what is on its way to the disk is in an
 * `AppendDraft` until it is there. Changed by `Streams` only.
 */
import type { Clock } from '#kernel';
import type { Partition } from '#log';
import type { StreamDocument } from './document.ts';
import { isJsonStream } from './messages.ts';
import type { StreamProducers } from './stream-producers.ts';

/** A run of records in one partition, and the positions they have in a stream. */
export interface Extent {
  readonly partition: Partition;
  /** Offset of the first record, whose position is `from`. */
  readonly offset: number;
  readonly from: number;
  /** Behind the last. */
  readonly to: number;
}

/** A part of the time to live: how far the use that is stored may lag behind. */
const USE_LAG = 1 / 8;
const USE_LAG_MS_MIN = 1_000;

export class Stream {
  readonly path: string;
  readonly partition: Partition;
  readonly inherited: readonly Extent[];
  /** The stream it was forked from. */
  readonly source: Stream | undefined;
  /** Forks between this one and a stream that is none. */
  readonly depth: number;
  document: StreamDocument;
  tail: number;
  usedAt: number;
  /** Streams forked from this one. */
  forks = 0;
  /** It is about to be erased. */
  leaving = false;
  /** It is no more, or only for its forks. */
  gone = false;
  /** Known once asked for. */
  producers: StreamProducers | undefined;
  readonly #listeners = new Set<() => void>();
  #readers = 0;

  constructor(path: string, document: StreamDocument, partition: Partition, source: Stream | undefined) {
    this.path = path;
    this.document = document;
    this.partition = partition;
    this.source = source;
    this.depth = source === undefined ? 0 : source.depth + 1;
    this.inherited = source === undefined ? [] : source.extents(document.from);
    this.tail = document.from + partition.durable - document.base;
    this.usedAt = document.usedAt;
    this.gone = document.deleted;
  }

  get closed(): boolean {
    return this.document.closed;
  }

  get isJson(): boolean {
    return isJsonStream(this.document.contentType);
  }

  /** Where its records below `to` are, in ascending order. */
  extents(to = this.tail): Extent[] {
    const { from, base } = this.document;
    const all = [...this.inherited, { partition: this.partition, offset: base, from, to: this.tail }];
    const cut = all.map((extent) => ({ ...extent, to: Math.min(extent.to, to) }));
    return cut.filter((extent) => extent.from < extent.to);
  }

  /** Where the record at a position below the tail is. */
  extentAt(position: number): Extent {
    for (const extent of this.inherited) if (position < extent.to) return extent;
    const { from, base } = this.document;
    return { partition: this.partition, offset: base, from, to: this.tail };
  }

  expired(now: number): boolean {
    const { ttlSeconds, expiresAt } = this.document;
    if (expiresAt !== null) return now >= expiresAt;
    return ttlSeconds !== null && this.#readers === 0 && now >= this.usedAt + ttlSeconds * 1000;
  }

  get canExpire(): boolean {
    return this.document.ttlSeconds !== null || this.document.expiresAt !== null;
  }

  /** After a restart it may live a little longer than it would have, never shorter. */
  restoreUse(now: number): void {
    this.usedAt = Math.min(now, this.document.usedAt + this.#useLagMs);
  }

  /** Whether its use is to be stored again. */
  get useIsDue(): boolean {
    return this.document.ttlSeconds !== null && this.usedAt - this.document.usedAt >= this.#useLagMs;
  }

  get #useLagMs(): number {
    return Math.max(USE_LAG_MS_MIN, (this.document.ttlSeconds ?? 0) * 1000 * USE_LAG);
  }

  /** While a live reader holds it, its time to live does not run out; the result ends that. */
  hold(clock: Clock): () => void {
    this.#readers++;
    return () => {
      this.#readers--;
      this.usedAt = clock.now();
    };
  }

  /** Calls back after each change of what readers see: more records, closed, gone. The result ends it. */
  onChange(listener: () => void): () => void {
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
