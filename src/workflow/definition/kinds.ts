/** Which kind a task is: the key that names it. Asked by the validation and by the engine. */
import type { Task } from './tasks.ts';

/** In the order in which keys are looked for: `for` and `listen` have a `do` or `foreach` beside them. */
export const TASK_KINDS = [
  'call',
  'emit',
  'for',
  'fork',
  'listen',
  'raise',
  'run',
  'set',
  'switch',
  'try',
  'wait',
  'human',
  'connector',
  'sync',
  'compensate',
  'do',
] as const;

export type TaskKind = (typeof TASK_KINDS)[number];

export function taskKind(task: Task | Readonly<Record<string, unknown>>): TaskKind | undefined {
  return TASK_KINDS.find((kind) => Object.hasOwn(task, kind));
}
