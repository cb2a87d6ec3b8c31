/**
 * The state of one run of a workflow: the instance, and a frame for every task that is under way. Plain data that goes
 * through JSON unchanged, because it is stored that way. Changed by `apply.ts` alone, as events say; read by everything.
 *
 *   instance ─┬─ frame 1, the document's `do` ─── frame 4, a `try` ─── frame 7, a `call` that waits for its answer
 *             └─ context, counters, timers, kept events
 *
 * A frame is `ready` when a task in it has ended and nobody has decided what comes next: such decisions can be cut short
 * anywhere (a pause, a step limit, a crash) and taken up again from the state alone.
 */

/** The error of a task, an RFC 7807 document as the standard has it. */
export interface Problem {
  readonly type: string;
  readonly status: number;
  readonly title?: string;
  readonly detail?: string;
  readonly instance?: string;
  readonly [member: string]: unknown;
}

export type InstanceStatus = 'running' | 'paused' | 'completed' | 'faulted' | 'cancelled';

/** What stands between a frame and its end. */
export type Waits = 'effect' | 'timer' | 'event' | 'child' | 'work' | null;

export interface Frame {
  /** Never given twice in one instance. */
  readonly id: number;
  /** 0: the instance. */
  readonly parent: number;
  /** JSON pointer to the task in the document; empty for the document itself. */
  readonly task: string;
  /** The place it fills among several children of its parent. */
  readonly slot: number | null;
  readonly startedAt: number;
  readonly input: unknown;
  /** Variables for what is inside it. */
  vars: Readonly<Record<string, unknown>> | null;
  /** Of its effect: what carries another number is late. */
  attempt: number;
  waits: Waits;
  /** The task's own. */
  data: unknown;
  /** What the next task in it is given. */
  value: unknown;
  /** The task in it that ended last, and the directive it ended with. */
  last: string;
  next: string | null;
  ready: boolean;
  /** Outputs of several children, by slot. */
  outputs: Record<number, unknown> | null;
  /** Epoch milliseconds; null: never. */
  dueAt: number | null;
  timeoutAt: number | null;
}

export interface ParentLink {
  readonly instance: string;
  readonly frame: number;
  readonly attempt: number;
  /** How many workflows run each other down to this one. */
  readonly depth: number;
}

/** An event that came before anybody listened for it. */
export interface KeptEvent {
  readonly id: number;
  readonly at: number;
  readonly event: unknown;
}

export interface Instance {
  readonly id: string;
  readonly workflow: string;
  version: number;
  status: InstanceStatus;
  readonly startedAt: number;
  readonly input: unknown;
  readonly parent: ParentLink | null;
  /** Names that people search by, set by the starter. */
  readonly labels: Readonly<Record<string, string>> | null;
  context: unknown;
  frames: Map<number, Frame>;
  nextFrame: number;
  /** Tasks begun, over the whole life. */
  steps: number;
  /** Events recorded, over the whole life. */
  events: number;
  /** Offset of the newest group of records about it; -1: none yet. */
  head: number;
  timeoutAt: number | null;
  /** Events of the bus before this offset have been taken, or came before the run. */
  seen: number;
  kept: KeptEvent[];
  /** Notes of what there is to undo, oldest first. */
  undo: UndoNote[];
  endedAt: number | null;
  output: unknown;
  error: Problem | null;
}

export interface UndoNote {
  readonly task: string;
  readonly frame: number;
  readonly input: unknown;
  readonly output: unknown;
}

/** The root frame of every instance. */
export const ROOT_FRAME = 1;

export function isOpen(status: InstanceStatus): boolean {
  return status === 'running' || status === 'paused';
}

/** When something in it is due, epoch milliseconds; Infinity: nothing is, or it is paused. */
export function dueAt(instance: Instance): number {
  if (instance.status !== 'running') return Number.POSITIVE_INFINITY;
  let due = instance.timeoutAt ?? Number.POSITIVE_INFINITY;
  for (const frame of instance.frames.values()) {
    if (frame.dueAt !== null && frame.dueAt < due) due = frame.dueAt;
    if (frame.timeoutAt !== null && frame.timeoutAt < due) due = frame.timeoutAt;
  }
  return due;
}

/** Whether `frame` is `ancestor`, or inside it. */
export function isWithin(instance: Instance, frame: Frame, ancestor: number): boolean {
  let at: Frame | undefined = frame;
  while (at !== undefined) {
    if (at.id === ancestor) return true;
    at = instance.frames.get(at.parent);
  }
  return false;
}
