/**
 * What the thread of the log and a worker thread tell each other. All of it is plain data; record batches and blocks of
 * state are transferred, extents are read by the worker in place.
 *
 *   inspect   load a module, say what it reads and writes
 *   prepare   make an instance for one partition and fill its state
 *   feed      bring a table up to date
 *   run       process what an extent holds
 *   drop      forget an instance
 */
import type { ErrorCode, ErrorDetails, Limits } from '#kernel';
import type { Extent, StateExtent } from '#log';
import type { DeadNotice, RunResult } from '../task.ts';

/** Where a definition comes from: a module's URL, with a query that tells its versions apart. */
export interface DefinitionSource {
  /** Names one load of one version; instances of the same one share the module and its tables. */
  readonly id: string;
  readonly module: string;
  /** Given to the module's export when that is a function that makes a definition. */
  readonly options: unknown;
}

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string; readonly details: ErrorDetails };

/** What something takes of a worker's memory, about. */
export interface Held {
  readonly entries: number;
  readonly bytes: number;
}

export interface Inspected {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly tables: readonly string[];
}

export interface PrepareJob {
  /** Names the instance; never used again after `drop`. */
  readonly instance: string;
  readonly source: DefinitionSource;
  readonly name: string;
  readonly partition: number;
  readonly outputs: readonly (readonly [topic: string, partitions: number])[];
  readonly limits: Limits;
  readonly state: StateExtent;
}

export interface FeedJob {
  readonly source: string;
  readonly table: string;
  readonly extents: readonly Extent[];
}

export interface RunInput {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  /** Null: there is nothing to read now. */
  readonly extent: Extent | null;
  readonly until: number | undefined;
  /** As `TaskInput.idleAt`. */
  readonly idleAt: number | undefined;
}

export interface RunJob {
  readonly instance: string;
  readonly inputs: readonly RunInput[];
  readonly maxBytes: number;
  readonly now: number;
  readonly dead: readonly DeadNotice[];
  readonly fireTimers: boolean;
}

export interface Fault {
  /** -1: no one record is to blame. */
  readonly input: number;
  readonly offset: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack: string | undefined;
}

export type RunReply =
  | { readonly kind: 'done'; readonly result: RunResult; readonly runMs: number }
  | { readonly kind: 'fault'; readonly fault: Fault }
  /** The thread has been replaced since the instance was prepared. */
  | { readonly kind: 'unknown' }
  /** What was to be read is gone or damaged. */
  | { readonly kind: 'unreadable'; readonly code: ErrorCode; readonly message: string };

/** Given to every worker thread at its start. */
export interface WorkerSetup {
  readonly reader: { readonly module: string; readonly options: unknown };
  /** Two doubles: the input and the offset being processed, so that who has to end the thread knows whom to blame. */
  readonly progress: SharedArrayBuffer;
}

export const NOTHING_RUNS = -2;
export const CHUNK_BYTES: number = 256 * 1024;
