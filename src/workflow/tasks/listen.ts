/**
 * `listen`: waits for events: one, any (once, or until something holds), or all of several; also those that came before it
 * listened. The output is the list of what was read of them, or, with `foreach`, of what its tasks have made of each.
 */
import type { ListenTask } from '../definition/tasks.ts';
import type { Behaviour } from '../engine/behaviour.ts';
import {
  type Consumption,
  compileConsumption,
  type EventValue,
  type Filter,
  type Keys,
  matchEvent,
  type Read,
  readEvent,
} from '../engine/filters.ts';
import { listenKeys } from '../engine/listeners.ts';
import type { Frame } from '../engine/model.ts';
import type { Node, Planner } from '../engine/plan.ts';
import type { Run } from '../engine/run.ts';
import { isTrue, type Template } from '../engine/templates.ts';

interface Body {
  readonly to: Consumption;
  readonly read: Read;
  readonly foreach: Iterator | undefined;
}

interface Iterator {
  readonly item: string;
  readonly at: string;
  readonly tasks: readonly Node[];
  readonly outputAs: Template | undefined;
}

/** Kept small: it is written with every event. */
interface Data {
  readonly keys: Keys;
  /** Of `all`: filters that have had their event; the same of `until`. */
  readonly had: readonly number[];
  readonly untilHad: readonly number[];
  readonly values: readonly unknown[];
  /** With `foreach` and `until`: what was read of all events. */
  readonly taken: readonly unknown[];
  /** What `foreach` has not come to. */
  readonly queue: readonly unknown[];
  /** Its rounds so far; one is under way while the frame has variables. */
  readonly rounds: number;
  readonly complete: boolean;
  /** Where the index of listeners has it. */
  readonly listens: readonly string[];
}

export const listenBehaviour: Behaviour = {
  compile: ({ listen, foreach }: ListenTask, planner: Planner, pointer: string): Body => ({
    to: compileConsumption(listen.to, planner.templates),
    read: listen.read ?? 'data',
    foreach:
      foreach === undefined
        ? undefined
        : {
            item: foreach.item ?? 'item',
            at: foreach.at ?? 'index',
            tasks: planner.list(foreach.do, `${pointer}/foreach/do`),
            outputAs: foreach.output?.as === undefined ? undefined : planner.templates.expression(foreach.output.as),
          },
  }),
  start: (run, node, place, input) => {
    let keys: Keys = {};
    const filters = listenBehaviour.listensFor?.(node) ?? [];
    for (const { correlations } of filters) {
      for (const { name, expect } of correlations) {
        if (expect !== undefined) keys = { ...keys, [name]: run.evaluate(expect, place, node, input, input) };
      }
    }
    const listens = listenKeys(filters, keys);
    const empty = { had: [], untilHad: [], values: [], taken: [], queue: [], rounds: 0, complete: false };
    const frame = run.open(node, place, input, { waits: 'event', data: { keys, ...empty, listens } satisfies Data });
    for (const kept of [...run.instance.kept]) {
      if (run.instance.frames.get(frame.id) !== frame || (frame.data as Data).complete) return;
      if (!hear(run, frame, node, kept.event as EventValue)) continue;
      run.record({ type: 'event.taken', frame: frame.id, task: frame.task, id: kept.id });
    }
    for (const { offset, event } of run.around.recentEvents(run.instance.seen)) {
      if (run.instance.frames.get(frame.id) !== frame || (frame.data as Data).complete) return;
      if (hear(run, frame, node, event)) run.record({ type: 'event.seen', offset: offset + 1 });
    }
  },
  heard: (run, frame, node, event) => {
    return !(frame.data as Data).complete && hear(run, frame, node, event as EventValue);
  },
  listensFor: (node) => {
    const { to } = node.body as Body;
    return [...to.filters, ...(to.untilEvents?.filters ?? [])];
  },
  advance: (run, frame, node) => {
    const { foreach } = node.body as Body;
    if (foreach === undefined || frame.vars === null) return nextRound(run, frame, node);
    run.advanceList(frame, foreach.tasks, (value) => {
      const data = frame.data as Data;
      const output =
        foreach.outputAs === undefined
          ? value
          : foreach.outputAs.evaluate(value, () => run.variables(frame, node, frame.input));
      const after: Data = { ...data, values: [...data.values, output], rounds: data.rounds + 1 };
      run.record({
        type: 'task.updated',
        frame: frame.id,
        task: frame.task,
        what: 'round over',
        vars: null,
        data: after,
        ready: true,
      });
    });
  },
};

/** Whether the event was for it. What ends it is looked for first, and is not part of what it has taken. */
function hear(run: Run, frame: Frame, node: Node, event: EventValue): boolean {
  const { to, read, foreach } = node.body as Body;
  const data = frame.data as Data;
  const variables = () => run.variables(frame, node, frame.input);
  const until = to.untilEvents && consume(to.untilEvents, data.untilHad, data.keys, event, variables);
  if (until !== undefined) {
    update(run, frame, { ...data, untilHad: until.had, complete: isOver(to.untilEvents as Consumption, until.had) });
    return true;
  }
  const taken = consume(to, data.had, data.keys, event, variables);
  if (taken === undefined) return false;
  const value = readEvent(event, read);
  const values = foreach === undefined ? [...data.values, value] : data.values;
  const queue = foreach === undefined ? data.queue : [...data.queue, value];
  const all = foreach === undefined || to.until === undefined ? data.taken : [...data.taken, value];
  let complete = isOver(to, taken.had) && to.untilEvents === undefined;
  if (to.until !== undefined) complete = isTrue(to.until.evaluate(foreach === undefined ? values : all, variables));
  update(run, frame, { ...data, keys: taken.keys, had: taken.had, values, queue, taken: all, complete });
  return true;
}

function consume(
  { mode, filters }: Consumption,
  had: readonly number[],
  keys: Keys,
  event: EventValue,
  variables: () => Readonly<Record<string, unknown>>,
): { readonly had: readonly number[]; readonly keys: Keys } | undefined {
  for (const [index, filter] of filters.entries()) {
    if (mode === 'all' && had.includes(index)) continue;
    const after = matchEvent(filter as Filter, event, keys, variables);
    if (after !== undefined) return { had: mode === 'all' ? [...had, index] : had, keys: after };
  }
  return undefined;
}

/** Without an `until`, `one` and `any` are over with their first event. */
function isOver({ mode, filters }: Consumption, had: readonly number[]): boolean {
  return mode !== 'all' || had.length === filters.length;
}

function update(run: Run, frame: Frame, data: Data): void {
  const { id, task, vars } = frame;
  // A round that is under way is looked after when it is over.
  run.record({ type: 'task.updated', frame: id, task, what: 'heard', data, ...(vars === null ? { ready: true } : {}) });
}

function nextRound(run: Run, frame: Frame, node: Node): void {
  const { foreach } = node.body as Body;
  const data = frame.data as Data;
  const { queue, complete, values, rounds } = data;
  if (foreach !== undefined && queue.length > 0) {
    const [item, ...rest] = queue;
    const vars = { [foreach.item]: item, [foreach.at]: rounds };
    const change = { what: 'round', vars, data: { ...data, queue: rest }, value: item, ready: true };
    run.record({ type: 'task.updated', frame: frame.id, task: frame.task, ...change });
    return;
  }
  if (complete) run.end(frame, node, values);
}
