/**
 * The contract of a log: topics of partitions of dense offsets, written in record batches, read back as
 * the same bytes. Engines implement it (`MemoryLog` here, `LmdbLog` in `#engine-lmdb`); everything above
 * is written against it and passes on any of them. `test/contract` holds every engine to each sentence.
 *
 *            start             durable          tail
 *              │ readable records │ being written  │ next append gets this offset
 *   ───────────┼──────────────────┼────────────────┼──────▶ offsets
 *    trimmed,  │   immutable      │ a power cut    │
 *    answered  │                  │ could take it  │
 *    with 410  │                  │                │
 *
 * Who calls: the server, processors, resources. All of it on one thread. Offsets and counts are numbers
 * (exact to 2^53), times are epoch milliseconds.
 */
import type { ErrorCode } from '#kernel';
import type { Extent, ReaderSource, StateExtent } from './reader.ts';

/**
 * When an append is answered: `fsync`, after the disk has it; `memory`, once it is accepted and has its
 * offset: a crash may take what the last group commit had not reached. Both are written by the same commits.
 */
export type Durability = 'fsync' | 'memory';

export interface TopicConfig {
  /** 1 or more; can grow, never shrink. Growing moves keys to other partitions from then on. */
  readonly partitions: number;
  /** `delete` drops what is older than the retention, `compact` keeps the last record of each key. */
  readonly cleanup: 'delete' | 'compact';
  /** Records older than this may be dropped; null keeps them for ever. */
  readonly retentionMs: number | null;
  /** The oldest records are dropped while a partition holds more than this; null keeps all. */
  readonly retentionBytes: number | null;
  /** How long a compacted topic keeps a tombstone, so that readers can see the deletion. */
  readonly tombstoneMs: number;
}

export interface Topic {
  readonly name: string;
  /** Never given to another topic, also after deletion. */
  readonly id: number;
  readonly config: TopicConfig;
  readonly createdAt: number;
  readonly partitions: readonly Partition[];
}

export interface AppendOptions {
  /** Default `fsync`. */
  readonly durability?: Durability;
  /** The offset the first record must get; else OFFSET_CONFLICT, whose details carry `tail`. */
  readonly expectedOffset?: number;
}

export interface Appended {
  readonly baseOffset: number;
  /** True when this idempotent batch was stored before; `baseOffset` is that of the first time. */
  readonly duplicate: boolean;
}

/**
 * A run of whole, consecutive batches as they are stored. `bytes` is a view that is valid only until
 * the next call into the log: copy it or hand it to a socket before returning to the event loop.
 */
export interface Chunk {
  readonly bytes: Uint8Array;
  /** Base offset of the first batch; below the cursor's position when that points into a batch. */
  readonly firstOffset: number;
  /** Where the next chunk begins. */
  readonly nextOffset: number;
}

/**
 * A place in a partition that reads forward. It holds nothing open between calls, so a cursor that is
 * left alone costs nothing and pins nothing.
 */
export interface Cursor {
  readonly position: number;
  /**
   * The run of batches at the position, at most `maxBytes` but at least one batch; null when there is
   * nothing below the partition's durable end yet (see `Partition.onDurable`). Each batch's checksum was verified.
   * The position moves behind what is returned.
   * @throws OFFSET_TRIMMED (details: `start`) when the position is older than what is kept
   * @throws BATCH_QUARANTINED (details: `offset`, `next`) at a damaged batch; `seek(next)` goes past it
   */
  next(maxBytes: number): Chunk | null;
  /** @throws OFFSET_TRIMMED, or OFFSET_OUT_OF_RANGE beyond the partition's durable end */
  seek(offset: number): void;
}

export interface Partition {
  readonly topic: Topic;
  readonly index: number;
  readonly start: number;
  readonly durable: number;
  readonly tail: number;
  /** Bytes of batches kept, about. */
  readonly bytes: number;

  /**
   * Appends one record batch (see `#record`). The bytes are checked (structure, CRC, limits), copied
   * before the call returns, stamped with their offset and queued for the next group commit. Calls are
   * ordered: the batch of an earlier call gets the lower offset. A batch with a producer id is idempotent.
   * The promise rejects, and nothing is stored, with
   * @throws BATCH_MALFORMED | BATCH_CRC_MISMATCH | BATCH_UNSUPPORTED | BATCH_TOO_LARGE | TOO_MANY_RECORDS
   * @throws OFFSET_CONFLICT, PRODUCER_FENCED, SEQUENCE_GAP (details: `expected`)
   * @throws LOG_BUSY over `pendingBytesMax`; DISK_FULL, STORE_FAILED; TOPIC_UNKNOWN after deletion
   */
  append(batch: Uint8Array, options?: AppendOptions): Promise<Appended>;

  /** @throws OFFSET_TRIMMED (details: `start`), OFFSET_OUT_OF_RANGE (details: `durable`) */
  cursor(offset: number): Cursor;

  /**
   * For a reader on another thread: the batches from `offset` to the durable end, or a first part of them of about
   * `bytesMax`; null when there is nothing. @throws as `cursor`
   */
  extent(offset: number, bytesMax: number): Extent | null;

  /** The first readable offset whose record's timestamp is at least `timestamp`; `durable` if there is none. */
  offsetForTime(timestamp: number): number;

  /** Calls back after every commit that moved `durable`; the result ends it. Must not throw. */
  onDurable(listener: () => void): () => void;

  /** Forgets everything below `offset` (at most `durable`). */
  trim(offset: number): Promise<void>;
}

export interface OffsetCommit {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  /** The next offset the group will read. */
  readonly offset: number;
}

/** A value kept beside the log, in a named space: processor state, registries. Null deletes. */
export interface StateChange {
  readonly space: string;
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** Many changes of one space in one piece, as `encodeStateBlock` makes it, handed over: it may not be changed afterwards. */
export interface StateBlock {
  readonly space: string;
  readonly block: Uint8Array;
}

export interface CommitRequest {
  readonly appends?: readonly {
    readonly partition: Partition;
    readonly batch: Uint8Array;
    readonly expectedOffset?: number;
  }[];
  readonly offsets?: readonly OffsetCommit[];
  /** Spaces that lose all their entries, before the changes below. */
  readonly clear?: readonly string[];
  readonly state?: readonly StateChange[];
  readonly stateBlocks?: readonly StateBlock[];
}

export interface CommittedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface DamagedRange {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly nextOffset: number;
  readonly code: ErrorCode;
}

export interface Log {
  /**
   * @throws TOPIC_EXISTS, TOPIC_INVALID (name: 1 to 249 of `A-Z a-z 0-9 . _ -`, not `.` or `..`),
   * LIMIT_EXCEEDED
   */
  createTopic(name: string, config?: Partial<TopicConfig>): Promise<Topic>;
  /** Changes settings; partitions may only grow. The same `Topic` object carries the new ones. */
  updateTopic(name: string, changes: Partial<TopicConfig>): Promise<Topic>;
  deleteTopic(name: string): Promise<void>;
  /** @throws TOPIC_UNKNOWN */
  topic(name: string): Topic;
  findTopic(name: string): Topic | undefined;
  topics(): Topic[];
  /** @throws TOPIC_UNKNOWN, PARTITION_UNKNOWN */
  partition(topic: string, index: number): Partition;

  /**
   * All of it or none of it, durable when the promise resolves; the results are those of `appends`, in
   * order. If one append is refused nothing of the request is done. Idempotent appends that are duplicates count as done.
   * @throws as `Partition.append`; GROUP_UNKNOWN never: a group exists from its first commit
   */
  commit(request: CommitRequest): Promise<Appended[]>;

  /** Of what has been committed and is durable. */
  committedOffset(group: string, topic: string, partition: number): number | undefined;
  committedOffsets(group: string): CommittedOffset[];
  groups(): string[];
  deleteGroup(group: string): Promise<void>;

  getState(space: string, key: string): Uint8Array | undefined;
  /** Entries of a space in ascending key order, from `from` on (inclusive), at most `limit`. */
  scanState(space: string, from: string, limit: number): [key: string, value: Uint8Array][];

  /** Opens readers on other threads. */
  readonly readerSource: ReaderSource;
  /** For a reader on another thread: a space with everything committed so far. */
  stateExtent(space: string): Promise<StateExtent>;

  /** Bytes accepted and not yet on the disk. */
  readonly pendingBytes: number;
  /** Calls back each time a group commit has ended, well or badly; the result ends it. */
  onCommit(listener: () => void): () => void;
  /** What was found damaged since the log was opened. */
  damaged(): DamagedRange[];
  /** Applies retention, trims and compaction now; otherwise they run in the background. */
  maintain(): Promise<void>;
  /** Writes what is accepted, waits for the disk, releases everything. Later calls throw SHUTTING_DOWN. */
  close(): Promise<void>;
}

export const DEFAULT_TOPIC_CONFIG: TopicConfig = {
  partitions: 1,
  cleanup: 'delete',
  retentionMs: null,
  retentionBytes: null,
  tombstoneMs: 24 * 3_600_000,
};
