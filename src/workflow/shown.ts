/** A run as it is shown: without what only the engine needs. Used by `workflows.ts`. */
import type { Frame, Instance } from './engine/model.ts';

export interface Shown {
  readonly id: string;
  readonly workflow: string;
  readonly version: number;
  readonly status: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly steps: number;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly input?: unknown;
  readonly context?: unknown;
  readonly output: unknown;
  readonly error: unknown;
  readonly parent: unknown;
  /** Those under way, the outermost first. */
  readonly tasks: readonly ShownTask[];
}

export interface ShownTask {
  readonly frame: number;
  readonly task: string;
  readonly waits: string | null;
  readonly attempt: number;
  readonly startedAt: number;
  readonly dueAt: number | null;
  readonly input: unknown;
}

/** @param instance as the lane gives it: its frames are a list */
export function shownOpen(instance: unknown): Shown {
  const given = instance as Omit<Instance, 'frames'> & { readonly frames: readonly Frame[] };
  const { id, workflow, version, status, startedAt, endedAt, steps, labels } = given;
  const { input, context, output, error, parent, frames } = given;
  const tasks = frames
    .filter(({ task }) => task !== '')
    .map(({ id: frame, task, waits, attempt, startedAt: begun, dueAt, input: taken }) => {
      return { frame, task, waits, attempt, startedAt: begun, dueAt, input: taken };
    });
  const row = { id, workflow, version, status, startedAt, endedAt, steps, labels };
  return { ...row, input, context, output, error, parent, tasks };
}
