/**
 * The state of a run as it was before one of its tasks began, made from its events alone: where a retry goes on from. Called on
 * the thread of the log with the history of the run; the engine takes over what comes of it.
 */
import { SluiceError } from '#kernel';
import { apply, begin, store } from './apply.ts';
import type { EngineEvent, Started, StoredInstance } from './events.ts';
import type { Instance } from './model.ts';

/** A record of a history. */
export interface Written {
  readonly kind: string;
  readonly at: number;
  readonly [field: string]: unknown;
}

export interface RestoreOptions {
  /** JSON pointer; null: of the task that failed. */
  readonly task: string | null;
  /** What the task is given instead; undefined: what it was given. */
  readonly input?: unknown;
  readonly now: number;
}

export interface RestorePoint {
  readonly task: string;
  readonly state: StoredInstance;
}

/** @throws EXECUTION_CONFLICT where the run never came to such a task, REQUEST_INVALID */
export function restorePoint(id: string, records: readonly Written[], options: RestoreOptions): RestorePoint {
  const events = records.filter(({ kind }) => kind === 'event') as unknown as readonly (EngineEvent & Written)[];
  const wanted = options.task ?? failedTask(events);
  const index = lastBegin(events, outermost(events, wanted));
  if (index === -1) throw new SluiceError('EXECUTION_CONFLICT', `the run never came to task ${wanted}`);
  const at = (events[index - 1] as Written).at;
  const before = replay(id, events.slice(0, index));
  const whole = replay(id, events);
  const shift = (time: number | null) => (time === null ? null : time + options.now - at);
  const { task, parent } = events[index] as { readonly task: string; readonly parent: number };
  for (const frame of before.frames.values()) {
    frame.dueAt = shift(frame.dueAt);
    frame.timeoutAt = shift(frame.timeoutAt);
    if (frame.id !== parent) continue;
    // Whatever it was to decide then, it decides again.
    frame.ready = true;
    if (options.input !== undefined) frame.value = options.input;
  }
  before.timeoutAt = shift(before.timeoutAt);
  // Numbers are never given twice, so that what is late stays late.
  Object.assign(before, { nextFrame: whole.nextFrame, steps: whole.steps, seen: whole.seen });
  return { task, state: store(before) };
}

function replay(id: string, events: readonly (EngineEvent & Written)[]): Instance {
  const [first, ...rest] = events;
  if (first?.type !== 'started')
    throw new SluiceError('EXECUTION_CONFLICT', 'the history of the run is not kept any more');
  const instance = begin(id, first.at, first as Started);
  for (const event of rest) apply(instance, event.at, event);
  return instance;
}

function failedTask(events: readonly EngineEvent[]): string {
  const end = events.findLast(({ type }) => type === 'completed' || type === 'faulted' || type === 'cancelled');
  if (end?.type !== 'faulted')
    throw new SluiceError('REQUEST_INVALID', 'the run did not fail: name the task', { field: 'task' });
  // The first of the failures that led up to the end.
  let task = end.task;
  for (let at = events.lastIndexOf(end) - 1; at >= 0; at--) {
    const event = events[at] as EngineEvent;
    if (event.type !== 'task.faulted') break;
    task = event.task;
  }
  return task;
}

/** Branches begin together, so within a fork it is all of them that are run again. */
function outermost(events: readonly EngineEvent[], task: string): string {
  const forks = events.flatMap((event) => ('slot' in event && event.slot !== null ? [event.task] : []));
  const around = forks.filter((branch) => task === branch || task.startsWith(`${branch}/`));
  const shortest = around.toSorted((a, b) => a.length - b.length)[0];
  return shortest === undefined ? task : shortest.replace(/\/fork\/branches\/\d+\/[^/]+$/, '');
}

/** Where it began for the last time; -1: never. */
function lastBegin(events: readonly EngineEvent[], task: string): number {
  return events.findLastIndex((event) => {
    if (!('task' in event) || event.task !== task) return false;
    if (event.type === 'task.started') return true;
    return (event.type === 'task.completed' || event.type === 'task.faulted') && event.frame === undefined;
  });
}
