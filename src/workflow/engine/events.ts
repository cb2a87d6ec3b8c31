/**
 * What happens to an instance, as it is recorded: the command that caused it, then the events in their order, or the
 * rejection. Events carry every value they put into the state, so that applying them takes no definition and no decision.
 * Written by `run.ts`, applied by `apply.ts`, shown as the history.
 */
import type { Instance, KeptEvent, ParentLink, Problem, UndoNote, Waits } from './model.ts';

export interface Started {
  readonly type: 'started';
  readonly workflow: string;
  readonly version: number;
  /** After the document's `input.from`. */
  readonly input: unknown;
  /** Before it, where there is one. */
  readonly raw?: unknown;
  readonly context: unknown;
  readonly parent: ParentLink | null;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly timeoutAt: number | null;
  /** How far the bus of events had come. */
  readonly seen: number;
}

export interface TaskStarted {
  readonly type: 'task.started';
  readonly frame: number;
  readonly parent: number;
  readonly task: string;
  readonly slot: number | null;
  readonly input: unknown;
  readonly waits: Waits;
  /** What the first task in it is given, where there are tasks in it. */
  readonly value?: unknown;
  readonly vars?: Readonly<Record<string, unknown>>;
  readonly data?: unknown;
  readonly dueAt?: number;
  readonly timeoutAt?: number;
}

/** Something within a task changed: only what is there is changed. */
export interface TaskUpdated {
  readonly type: 'task.updated';
  readonly frame: number;
  readonly task: string;
  /** In a word, for people: `round`, `caught`, `retrying`. */
  readonly what: string;
  readonly waits?: Waits;
  readonly vars?: Readonly<Record<string, unknown>> | null;
  readonly data?: unknown;
  readonly value?: unknown;
  readonly attempt?: number;
  readonly dueAt?: number | null;
  /** Whether it is to be looked at again; `last` is forgotten then. */
  readonly ready?: boolean;
}

export interface TaskCompleted {
  readonly type: 'task.completed';
  /** Absent: it had none, because it began and ended at once. */
  readonly frame?: number;
  readonly parent: number;
  readonly task: string;
  readonly slot: number | null;
  /** Of a task without a frame. */
  readonly input?: unknown;
  readonly output: unknown;
  /** Absent: it is what it was. */
  readonly context?: unknown;
  readonly next: string | null;
  readonly undo?: UndoNote;
}

/** Its condition did not hold. */
export interface TaskSkipped {
  readonly type: 'task.skipped';
  readonly parent: number;
  readonly task: string;
  readonly slot: number | null;
  readonly output: unknown;
}

/** The frame and all in it are gone. */
export interface TaskFaulted {
  readonly type: 'task.faulted';
  readonly frame?: number;
  readonly parent: number;
  readonly task: string;
  readonly slot: number | null;
  readonly error: Problem;
}

/** The frame and all in it are gone, without an outcome. */
export interface TaskCancelled {
  readonly type: 'task.cancelled';
  readonly frame: number;
  readonly task: string;
}

export type EngineEvent =
  | Started
  | TaskStarted
  | TaskUpdated
  | TaskCompleted
  | TaskSkipped
  | TaskFaulted
  | TaskCancelled
  | { readonly type: 'event.kept'; readonly kept: KeptEvent }
  | { readonly type: 'event.seen'; readonly offset: number }
  | { readonly type: 'event.taken'; readonly frame: number; readonly task: string; readonly id: number }
  | { readonly type: 'undo.noted' | 'undo.done'; readonly frame: number; readonly task: string }
  | { readonly type: 'paused' | 'resumed' }
  /** Goes on from another state: of before a step that is run again, or under another definition. */
  | { readonly type: 'restored'; readonly why: string; readonly state: StoredInstance }
  | { readonly type: 'completed'; readonly output: unknown }
  | { readonly type: 'faulted'; readonly task: string; readonly error: Problem }
  | { readonly type: 'cancelled'; readonly reason: string | null };

/** An instance as it goes through JSON. */
export type StoredInstance = Omit<Instance, 'frames'> & { readonly frames: readonly unknown[] };
