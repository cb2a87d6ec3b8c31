/** What is asked of an instance. Recorded ahead of the events it causes, or of its rejection. */
import type { Result } from './behaviour.ts';
import type { StoredInstance } from './events.ts';
import type { ParentLink } from './model.ts';

export interface StartCommand {
  readonly type: 'start';
  readonly id: string;
  readonly workflow: string;
  readonly version: number;
  readonly input: unknown;
  /** Another start with the same key is the same start. */
  readonly key: string | null;
  readonly parent: ParentLink | null;
  readonly labels: Readonly<Record<string, string>> | null;
  /** What asked for it: `http`, `schedule`, `workflow` … */
  readonly by: string;
}

export interface ResultCommand {
  readonly type: 'result';
  readonly id: string;
  readonly frame: number;
  readonly attempt: number;
  readonly result: Result;
}

/** Opens a run that is over, from a state it had. */
export interface RetryCommand {
  readonly type: 'retry';
  readonly id: string;
  /** The task that is run again. */
  readonly task: string;
  /** The definition it goes on with. */
  readonly version: number;
  readonly state: StoredInstance;
  /** Offset of the newest group of records about it. */
  readonly head: number;
  /** Events recorded so far. */
  readonly events: number;
  readonly by: string | null;
}

export type Command =
  | StartCommand
  | RetryCommand
  | ResultCommand
  | { readonly type: 'timer'; readonly id: string }
  /** Goes on where a processing was cut short. */
  | { readonly type: 'continue'; readonly id: string }
  | {
      readonly type: 'event';
      readonly id: string;
      readonly event: unknown;
      readonly by: string | null;
      /** Of an event of the bus, which is for those who listen alone. */
      readonly offset?: number;
    }
  | { readonly type: 'cancel'; readonly id: string; readonly reason: string | null; readonly by: string | null }
  | { readonly type: 'pause' | 'resume'; readonly id: string; readonly by: string | null };

/** A command without what its events say again. */
export function summaryOfCommand(command: Command): object {
  if (command.type === 'start') {
    const { id: _id, input: _input, labels: _labels, ...rest } = command;
    return rest;
  }
  if (command.type === 'result') {
    const { type, frame, attempt, result } = command;
    return { type, frame, attempt, ok: result.ok };
  }
  if (command.type === 'retry') {
    const { type, task, version, by } = command;
    return { type, task, version, by };
  }
  if (command.type === 'event') return { type: command.type, by: command.by, offset: command.offset };
  const { id: _, ...rest } = command;
  return rest;
}
