/**
 * What a command that is not a start does to its instance: the first decisions, before `Run.drain` takes those that follow from
 * them. And how an instance begins. Called by `engine.ts`.
 */
import { begin, restore, store } from './apply.ts';
import type { Command, RetryCommand, StartCommand } from './commands.ts';
import type { Started } from './events.ts';
import { problemOf } from './fault.ts';
import type { Instance } from './model.ts';
import type { Plan } from './plan.ts';
import type { Plans } from './plans.ts';
import { Run, type Surroundings, variablesOf } from './run.ts';
import { durationMs } from './templates.ts';

/** @returns why the command is not for the instance as it is */
export function act(
  run: Run,
  command: Exclude<Command, StartCommand | RetryCommand>,
  keptEventsMax: number,
): string | undefined {
  const { instance } = run;
  switch (command.type) {
    case 'result':
      return takeResult(run, command);
    case 'timer':
      run.timers();
      return undefined;
    case 'continue':
      run.takeUp();
      return undefined;
    case 'event':
      return hear(run, command, keptEventsMax);
    case 'cancel':
      run.cancel(command.reason);
      return undefined;
    case 'pause':
      if (instance.status !== 'running') return 'it is paused';
      run.record({ type: 'paused' });
      return undefined;
    case 'resume':
      if (instance.status !== 'paused') return 'it is not paused';
      run.record({ type: 'resumed' });
      run.takeUp();
      return undefined;
  }
}

function takeResult(run: Run, { frame: id, attempt, result }: Command & { type: 'result' }): string | undefined {
  const frame = run.instance.frames.get(id);
  if (frame === undefined) return 'the task is over';
  if (frame.attempt !== attempt) return `attempt ${attempt} was superseded by ${frame.attempt}`;
  const node = run.nodeOf(frame);
  const behaviour = run.around.behaviour(node.kind);
  if (frame.waits === null || behaviour.result === undefined) return 'the task waits for no result';
  try {
    behaviour.result(run, frame, node, result);
  } catch (error) {
    run.fail(frame, node, problemOf(error, node.pointer));
  }
  return undefined;
}

function hear(run: Run, { event, offset }: Command & { type: 'event' }, keptEventsMax: number): string | undefined {
  const { instance } = run;
  if (offset !== undefined && offset < instance.seen) return undefined;
  for (const frame of [...instance.frames.values()]) {
    if (frame.waits !== 'event') continue;
    const node = run.nodeOf(frame);
    try {
      if (run.around.behaviour(node.kind).heard?.(run, frame, node, event) !== true) continue;
      if (offset !== undefined) run.record({ type: 'event.seen', offset: offset + 1 });
      return undefined;
    } catch (error) {
      run.fail(frame, node, problemOf(error, node.pointer));
      return undefined;
    }
  }
  if (offset !== undefined) return undefined;
  if (instance.kept.length >= keptEventsMax) return 'it keeps as many early events as it may';
  run.record({ type: 'event.kept', kept: { id: instance.events, at: run.now, event } });
  return undefined;
}

/** The run that goes on from a state it had, or why it cannot. */
export function reopenRun(command: RetryCommand, plans: Plans, around: Surroundings): Run | string {
  const { state, version, head, events } = command;
  const instance = restore({ ...state, version, head, events });
  let plan: Plan;
  try {
    plan = plans.get(instance.workflow, version);
  } catch (error) {
    return problemOf(error, '').detail ?? `version ${version} of ${instance.workflow} cannot be run`;
  }
  for (const { task, last } of instance.frames.values()) {
    const lost = [task, last].find((pointer) => pointer !== '' && !plan.nodes.has(pointer));
    if (lost !== undefined) return `version ${version} of ${instance.workflow} has no task ${lost}`;
  }
  const run = new Run(instance, plan, around);
  try {
    run.record({ type: 'restored', why: `retry of ${command.task}`, state: store(instance) });
  } catch (error) {
    return problemOf(error, '').detail ?? 'its state is too large';
  }
  run.takeUp();
  return run;
}

/** The run that begins with its first event recorded, or why it cannot. */
export function beginRun(command: StartCommand, plans: Plans, around: Surroundings): Run | string {
  const { id, workflow, version, parent, labels } = command;
  const { now } = around;
  try {
    const plan = plans.get(workflow, version);
    plan.inputCheck?.(command.input, 'the input of the workflow');
    const provisional = { id, input: command.input, startedAt: now, context: null } as unknown as Instance;
    const variables = () => variablesOf(provisional, plan, command.input);
    const input = plan.inputFrom === undefined ? command.input : plan.inputFrom.evaluate(command.input, variables);
    const timeoutMs = plan.timeout === undefined ? undefined : durationMs(plan.timeout.evaluate(input, variables));
    const timeoutAt = timeoutMs === undefined ? null : now + timeoutMs;
    const raw = plan.inputFrom === undefined ? {} : { raw: command.input };
    const started: Started = {
      type: 'started',
      workflow,
      version,
      input,
      ...raw,
      context: {},
      parent,
      labels,
      timeoutAt,
      seen: around.eventsNext,
    };
    const run = new Run(begin(id, now, started), plan, around);
    run.events.push({ type: 'started', text: JSON.stringify(started) });
    run.takeUp();
    return run;
  } catch (error) {
    const { detail, title } = problemOf(error, '');
    return detail ?? title ?? 'the run cannot begin';
  }
}
