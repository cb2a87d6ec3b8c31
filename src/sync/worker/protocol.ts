/**
 * What the main thread and a thread of sync tell each other. A call has a number, its answer carries the same. All of it is
 * plain data; record batches are transferred, what is in the log is read by the thread in place. A thread does one half of
 * one job, or work on the side, such as forgetting a replication slot:
 *
 *   open      connect                                  source: begin ─▶ page ─▶ page ─▶ … ─▶ null
 *   discover  what is there                            target: target ─▶ apply, apply, … (several at once) ─▶ sweep
 *                                                      both:   openSource ─▶ target ─▶ compare
 */
import type { Json, Opening, Row, Stream } from '#connector';
import type { ErrorCode, ErrorDetails, Limits } from '#kernel';
import type { Extent, ReaderSource } from '#log';
import type { MappingSpec } from '../kinds/mapping-kind.ts';

/** How a source is read. `page`: its own pages, once. `changes`: what changes, for ever. */
export type ReadKind = 'pages' | 'changes';

export interface SourceStream {
  readonly name: string;
  readonly mode: 'full' | 'incremental';
  readonly cursor: string | undefined;
  /** What identifies a record where the stream has no primary key. */
  readonly keys: readonly string[];
}

/** Of one stream in one run: where its read has come to. */
export interface StreamState {
  readonly state?: Json;
  readonly done?: boolean;
}

export interface BeginInput {
  readonly kind: ReadKind;
  readonly run: number;
  readonly streams: readonly SourceStream[];
  /** Of `pages`, by stream. */
  readonly states: Readonly<Record<string, StreamState>>;
  /** Of `changes`. */
  readonly state: Json | undefined;
  readonly snapshot: boolean;
  readonly consumer: string;
  readonly pageRecords: number;
  readonly lookBackMs: number;
  readonly partitions: number;
  readonly limits: Limits;
}

export interface EncodedBatch {
  readonly partition: number;
  readonly batch: Uint8Array;
}

/** A record that the log cannot hold. */
export interface LostRecord {
  readonly key: string | null;
  readonly message: string;
}

export interface SourcePage {
  readonly batches: readonly EncodedBatch[];
  readonly records: number;
  readonly bytes: number;
  readonly lost: readonly LostRecord[];
  /** Of `pages`: the stream it belongs to and where it has come to. */
  readonly stream: string | null;
  readonly streamState: StreamState | null;
  /** Of `changes`. */
  readonly state: Json | null;
  /** Commit time of the newest change, epoch ms; 0: of none. */
  readonly newestAt: number;
  /** The newest position, for people. */
  readonly position: string | null;
}

export interface TargetStream {
  readonly from: string;
  readonly to: string;
  readonly keys: readonly string[];
  readonly mapping: MappingSpec | null;
}

export interface TargetInput {
  /** The topic that is read, for what is said of rejected records. */
  readonly topic: string;
  readonly format: 'changes' | 'json';
  readonly streams: readonly TargetStream[];
  readonly write: 'upsert' | 'append';
  readonly deletes: boolean;
  readonly onNewField: 'stop' | 'ignore' | 'reject';
  /** Who writes, as `WriteRequest.origin`. */
  readonly origin: string;
  /** Set where the target is a topic: how many partitions it has. */
  readonly topicPartitions: number | null;
  readonly reader: ReaderSource;
  readonly limits: Limits;
}

export interface ApplyInput {
  readonly partition: number;
  readonly from: number;
  readonly extent: Extent;
}

/** A record that cannot be written, as it was read. */
export interface RejectedRecord {
  readonly offset: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly timestamp: number;
  readonly code: string;
  readonly message: string;
}

export interface Applied {
  /** The next offset; that of the truncation where there is one. */
  readonly next: number;
  /** A stream that is truncated here: it goes on when every partition has come to this. */
  readonly truncate: string | null;
  readonly records: number;
  readonly written: number;
  readonly deleted: number;
  /** Fields that were left out because the target has no place for them. */
  readonly ignoredFields: number;
  readonly rejected: readonly RejectedRecord[];
  /** Of a target that is a topic. */
  readonly batches: readonly EncodedBatch[];
  /** Commit time of the newest change, epoch ms; 0: of none. */
  readonly newestAt: number;
}

/** Deletes from the target of a stream what the run has not read: all of it where there are no extents. */
export interface SweepInput {
  readonly run: number;
  /** What the run has read, in the topic of the job. */
  readonly extents: readonly Extent[];
  /** Of the source. */
  readonly stream: string;
}

export interface LookupInput {
  readonly stream: string;
  readonly fields: readonly string[];
  readonly keys: readonly Row[];
}

export interface CompareInput {
  /** Of the source. */
  readonly stream: string;
  readonly pageRecords: number;
  /** So long a record may be on its way; 0: nothing is under way. */
  readonly settleMs: number;
  readonly repair: boolean;
}

export interface Difference {
  /** Not at the target; only there; or in these fields not as it should be. */
  readonly kind: 'missing' | 'extra' | 'different';
  /** As JSON. */
  readonly key: Readonly<Record<string, unknown>>;
  readonly fields: readonly string[];
}

export interface StreamComparison {
  readonly from: string;
  readonly to: string;
  /** Records, of the source those that are to be at the target. */
  readonly source: number;
  readonly target: number;
  /** Left out, since the mapping or the target's types reject them. */
  readonly rejected: number;
  readonly missing: number;
  readonly extra: number;
  readonly different: number;
  readonly repaired: number;
  /** False: there are more differences than were looked at. */
  readonly complete: boolean;
  readonly sample: readonly Difference[];
}

export interface Calls {
  open: { input: Opening; output: null };
  openSource: { input: Opening; output: null };
  discover: { input: null; output: readonly Stream[] };
  begin: { input: BeginInput; output: null };
  page: { input: null; output: SourcePage | null };
  target: { input: TargetInput; output: null };
  apply: { input: ApplyInput; output: Applied };
  sweep: { input: SweepInput; output: { readonly deleted: number } };
  compare: { input: CompareInput; output: StreamComparison };
  lookup: { input: LookupInput; output: readonly (Row | null)[] };
  forget: { input: { readonly consumer: string }; output: null };
  close: { input: null; output: null };
}

export type CallName = keyof Calls;

export interface Call {
  readonly id: number;
  readonly name: CallName;
  readonly input: unknown;
}

/** What a connector wants kept since its system has replaced it: asked by the thread, answered with a failure or null. */
export interface Keep {
  readonly keep: number;
  /** Of the connection that a comparison reads the source on. */
  readonly source: boolean;
  readonly replaced: Readonly<Record<string, string>>;
}

export interface Kept {
  readonly kept: number;
  readonly failure: string | null;
}

export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | {
      readonly id: number;
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: ErrorDetails;
    };
