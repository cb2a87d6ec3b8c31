/**
 * Events to state: the only code that changes an instance. It decides nothing and knows no definition, so that what was
 * recorded by an older engine gives the same state for ever. Called while a command is processed, and by replay.
 */
import type {
  EngineEvent,
  Started,
  StoredInstance,
  TaskCompleted,
  TaskSkipped,
  TaskStarted,
  TaskUpdated,
} from './events.ts';
import { type Frame, type Instance, isWithin, ROOT_FRAME } from './model.ts';

/** The instance that begins with this event. */
export function begin(id: string, at: number, event: Started): Instance {
  const root = newFrame(ROOT_FRAME, 0, '', null, at, null);
  root.value = event.input;
  root.ready = true;
  return {
    id,
    workflow: event.workflow,
    version: event.version,
    status: 'running',
    startedAt: at,
    input: event.raw === undefined ? event.input : event.raw,
    parent: event.parent,
    labels: event.labels,
    context: event.context,
    frames: new Map([[ROOT_FRAME, root]]),
    nextFrame: ROOT_FRAME + 1,
    steps: 0,
    events: 1,
    head: -1,
    timeoutAt: event.timeoutAt,
    seen: event.seen,
    kept: [],
    undo: [],
    endedAt: null,
    output: null,
    error: null,
  };
}

function newFrame(
  id: number,
  parent: number,
  task: string,
  slot: number | null,
  startedAt: number,
  input: unknown,
): Frame {
  return {
    id,
    parent,
    task,
    slot,
    startedAt,
    input,
    vars: null,
    attempt: 1,
    waits: null,
    data: null,
    value: null,
    last: '',
    next: null,
    ready: false,
    outputs: null,
    dueAt: null,
    timeoutAt: null,
  };
}

/** @param at when it happened, epoch milliseconds */
export function apply(instance: Instance, at: number, event: EngineEvent): void {
  instance.events++;
  switch (event.type) {
    case 'task.started':
      started(instance, at, event);
      return;
    case 'task.updated':
      updated(instance, event);
      return;
    case 'task.completed':
      completed(instance, event);
      return;
    case 'task.skipped':
      ended(instance, event, null);
      return;
    case 'task.faulted':
      if (event.frame === undefined) instance.steps++;
      else removeFrame(instance, event.frame);
      return;
    case 'task.cancelled':
      removeFrame(instance, event.frame);
      return;
    case 'event.kept':
      instance.kept.push(event.kept);
      return;
    case 'event.seen':
      instance.seen = event.offset;
      return;
    case 'event.taken':
      instance.kept = instance.kept.filter(({ id }) => id !== event.id);
      return;
    case 'undo.noted':
    case 'undo.done':
      instance.undo = instance.undo.filter(({ frame }) => frame !== event.frame);
      return;
    case 'paused':
      instance.status = 'paused';
      return;
    case 'resumed':
      instance.status = 'running';
      return;
    case 'restored':
      Object.assign(instance, restore(event.state), { events: instance.events, head: instance.head });
      return;
    case 'completed':
      finish(instance, at, 'completed', event.output);
      return;
    case 'faulted':
      instance.error = event.error;
      finish(instance, at, 'faulted', null);
      return;
    case 'cancelled':
      finish(instance, at, 'cancelled', null);
      return;
  }
}

function started(instance: Instance, at: number, event: TaskStarted): void {
  const frame = newFrame(event.frame, event.parent, event.task, event.slot, at, event.input);
  frame.waits = event.waits;
  frame.vars = event.vars ?? null;
  frame.data = event.data ?? null;
  frame.value = event.value === undefined ? null : event.value;
  frame.ready = event.value !== undefined;
  frame.dueAt = event.dueAt ?? null;
  frame.timeoutAt = event.timeoutAt ?? null;
  instance.frames.set(frame.id, frame);
  instance.nextFrame = Math.max(instance.nextFrame, frame.id + 1);
  instance.steps++;
  const parent = instance.frames.get(event.parent);
  if (parent !== undefined && event.slot === null) parent.ready = false;
}

function updated(instance: Instance, event: TaskUpdated): void {
  const frame = instance.frames.get(event.frame);
  if (frame === undefined) return;
  if (event.waits !== undefined) frame.waits = event.waits;
  if (event.vars !== undefined) frame.vars = event.vars;
  if (event.data !== undefined) frame.data = event.data;
  if (event.value !== undefined) frame.value = event.value;
  if (event.attempt !== undefined) frame.attempt = event.attempt;
  if (event.dueAt !== undefined) frame.dueAt = event.dueAt;
  if (event.ready !== undefined) {
    frame.ready = event.ready;
    frame.last = '';
    frame.next = null;
  }
}

function completed(instance: Instance, event: TaskCompleted): void {
  if (event.frame === undefined) instance.steps++;
  else removeFrame(instance, event.frame);
  if (event.context !== undefined) instance.context = event.context;
  if (event.undo !== undefined) instance.undo.push(event.undo);
  ended(instance, event, event.next);
}

function ended(instance: Instance, event: TaskCompleted | TaskSkipped, next: string | null): void {
  const parent = instance.frames.get(event.parent);
  if (parent === undefined) return;
  parent.ready = true;
  if (event.slot !== null) {
    parent.outputs ??= {};
    parent.outputs[event.slot] = event.output;
    return;
  }
  parent.value = event.output;
  parent.last = event.task;
  parent.next = next;
}

function removeFrame(instance: Instance, id: number): void {
  const { frames } = instance;
  if (frames.size > 1) {
    const inside: number[] = [];
    for (const frame of frames.values()) if (frame.id > id && isWithin(instance, frame, id)) inside.push(frame.id);
    for (const one of inside) frames.delete(one);
  }
  frames.delete(id);
}

function finish(instance: Instance, at: number, status: 'completed' | 'faulted' | 'cancelled', output: unknown): void {
  instance.status = status;
  instance.endedAt = at;
  instance.output = output;
  instance.frames.clear();
  instance.kept = [];
  instance.timeoutAt = null;
}

/** For JSON. */
export function store(instance: Instance): StoredInstance {
  return { ...instance, frames: [...instance.frames.values()] };
}

/** What is changed of it is its own, so the same stored state can be restored again. */
export function restore(stored: StoredInstance): Instance {
  const frames = new Map<number, Frame>();
  for (const frame of stored.frames as Frame[]) {
    frames.set(frame.id, { ...frame, outputs: frame.outputs === null ? null : { ...frame.outputs } });
  }
  return { ...stored, frames, kept: [...stored.kept], undo: [...stored.undo] };
}
