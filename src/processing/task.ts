/**
 * What the runtime and an instance hand each other: a task goes in, a result or a fault comes out. Everything here is
 * plain data and bytes, so that a result can be transferred between threads.
 */
import type { ErrorCode, Limits } from '#kernel';
import type { DeadLetter } from '#log';
import type { Definition } from './define.ts';

export interface TaskInput {
  readonly topic: string;
  readonly partition: number;
  /** The first offset to process. */
  readonly from: number;
  /** Whole batches, which may begin before `from`. A view is used until the next step of the iterable, not longer. */
  readonly chunks: Iterable<Uint8Array>;
  /** Stop before this offset. */
  readonly until?: number;
  /** The input is idle: it is taken to have come to this event time, before anything is read. */
  readonly idleAt?: number;
}

/** A record that was given up on: it is skipped, and comes back among `RunResult.dead`. */
export interface DeadNotice {
  readonly topic: string;
  readonly offset: number;
  readonly code: string;
  readonly message: string;
  readonly stack?: string;
  readonly attempts: number;
}

export interface Task {
  readonly inputs: readonly TaskInput[];
  /** Batches are opened until they have this many bytes; each input's first one always is. */
  readonly maxBytes: number;
  /** Epoch milliseconds, the same for the whole run. */
  readonly now: number;
  readonly dead: readonly DeadNotice[];
  /** Called before each record; with -1, -1 before code that no one record causes: timers, windows that close. */
  at(input: number, offset: number): void;
  /** Whether wall-clock timers that are due at `now` fire, before anything is read. */
  readonly fireTimers: boolean;
}

export interface OutputBatch {
  readonly topic: string;
  readonly partition: number;
  /** Alone in its ArrayBuffer. */
  readonly batch: Uint8Array;
  readonly count: number;
}

export interface RunResult {
  /** The next offset of each input of the task. */
  readonly next: readonly number[];
  readonly records: number;
  readonly bytesIn: number;
  readonly outputs: readonly OutputBatch[];
  /** One block of changes (see `#log`), alone in its ArrayBuffer; null when nothing changed. */
  readonly state: Uint8Array | null;
  /** Their bytes are their own. */
  readonly dead: readonly DeadLetter[];
  /** Event time up to which everything is taken to be in; null until every input had a record. */
  readonly watermark: number | null;
  /** The newest event time of each input of the task; null where there was none. */
  readonly times: readonly (number | null)[];
  /** When the next wall-clock timer is due. */
  readonly nextTimerAt: number | null;
  readonly stateEntries: number;
  /** About. */
  readonly stateBytes: number;
  /**
   * The run ended because it had given as much as one run may, not because the input did: run again at once, also
   * when `next` has not moved.
   */
  readonly more: boolean;
}

/** The code of a processor failed, or a record could not be read. Everything of the run has been rolled back. */
export class ProcessingFault extends Error {
  readonly code: ErrorCode;
  /** Index of the input in the task; -1 where no one record is to blame (a timer, a window that closed, full state). */
  readonly input: number;
  readonly offset: number;

  constructor(input: number, offset: number, code: ErrorCode, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'ProcessingFault';
    this.input = input;
    this.offset = offset;
    this.code = code;
    if (cause instanceof Error && cause.stack !== undefined) this.stack = cause.stack;
  }
}

/** A table's rows as an instance sees them: decoded, undefined where there is none. */
export interface TableView {
  get(key: string): unknown;
}

export interface InstanceOptions {
  readonly definition: Definition;
  /** The processor's name. */
  readonly name: string;
  /** The partition this instance works on, of every input. */
  readonly partition: number;
  /** Partitions of each output topic. */
  readonly outputs: ReadonlyMap<string, number>;
  readonly limits: Limits;
  /** The rows of a table the definition names; asked for once each. */
  table(topic: string): TableView;
}
