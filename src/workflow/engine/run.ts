/**
 * The processing of one command on one instance: decides, records what it decided as events, and applies each of them at
 * once, so that what is decided next stands on them. Nothing is waited for, and nothing outside is touched: effects,
 * records for topics and commands for others are gathered, for whoever commits. Used by `engine.ts` and by kinds of tasks.
 */
import { apply } from './apply.ts';
import type { Behaviour, Place } from './behaviour.ts';
import type { Command } from './commands.ts';
import type { EngineEvent, TaskStarted } from './events.ts';
import { Fault, problem, problemOf } from './fault.ts';
import type { EventValue } from './filters.ts';
import { dueAt, type Frame, type Instance, isOpen, isWithin, type Problem, ROOT_FRAME } from './model.ts';
import { configuration, type Node, type Plan } from './plan.ts';
import { durationMs, isTrue, type Template, type Variables } from './templates.ts';

export interface RunLimits {
  /** Tasks of one instance, over its whole life. */
  readonly stepsMax: number;
  /** Tasks begun in one processing; beyond it the instance goes on in another, so that others have their turn. */
  readonly stepsAtOnceMax: number;
  /** One event, as JSON. */
  readonly eventCharsMax: number;
}

/** A record for a topic, in the commit of the step. */
export interface Emission {
  readonly topic: string;
  readonly key: string | null;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a processing may ask of what is around it. */
export interface Surroundings {
  readonly now: number;
  readonly limits: RunLimits;
  behaviour(kind: Node['kind']): Behaviour;
  /** Of this engine; what comes of it goes into events. */
  random(): number;
  newId(): string;
  hasTopic(name: string): boolean;
  /** Where the bus of events goes on, and those of it that are remembered from `from` on. */
  readonly eventsNext: number;
  recentEvents(from: number): readonly { readonly offset: number; readonly event: EventValue }[];
  /** The version that a new run gets, by what its document calls it, or `latest`; undefined: there is none. */
  currentVersion(name: string, version: string): number | undefined;
}

export interface OpenOptions extends Partial<Pick<TaskStarted, 'value' | 'vars' | 'data' | 'dueAt'>> {
  readonly waits?: TaskStarted['waits'];
}

export class Run {
  readonly instance: Instance;
  readonly plan: Plan;
  readonly around: Surroundings;
  readonly events: { readonly type: EngineEvent['type']; readonly text: string }[] = [];
  /** Frames whose effects are to be done. */
  readonly effects: number[] = [];
  /** Frames that are gone while their effects may be under way. */
  readonly aborted: number[] = [];
  readonly emissions: Emission[] = [];
  readonly commands: Command[] = [];
  /** There is more to decide, which has to wait for another processing. */
  cut = false;
  #ready: number[] = [];
  /** Tasks begun in it. */
  steps = 0;

  constructor(instance: Instance, plan: Plan, around: Surroundings) {
    this.instance = instance;
    this.plan = plan;
    this.around = around;
  }

  get now(): number {
    return this.around.now;
  }

  /** Records an event and applies it. @throws Fault where it is too large, upon which nothing has happened */
  record(event: EngineEvent): void {
    const text = JSON.stringify(event);
    if (text.length > this.around.limits.eventCharsMax && event.type !== 'faulted') {
      throw new Fault(
        problem('runtime', 413, `the data of a task has more than ${this.around.limits.eventCharsMax} characters`),
      );
    }
    this.events.push({ type: event.type, text });
    apply(this.instance, this.now, event);
    switch (event.type) {
      case 'task.started':
        if (event.value !== undefined) this.#ready.push(event.frame);
        break;
      case 'task.completed':
      case 'task.skipped':
        this.#ready.push(event.parent);
        break;
      case 'task.updated':
        if (event.ready === true) this.#ready.push(event.frame);
        break;
      default:
    }
  }

  /** Decides until nothing is left to decide now. */
  drain(): void {
    const { instance } = this;
    for (let at = 0; at < this.#ready.length; at++) {
      if (instance.status !== 'running') break;
      if (this.steps >= this.around.limits.stepsAtOnceMax) {
        this.cut = true;
        break;
      }
      const frame = instance.frames.get(this.#ready[at] as number);
      if (frame?.ready === true) this.#advance(frame);
    }
    this.#ready = [];
  }

  /** Takes up again what a pause or a cut has left. */
  takeUp(): void {
    for (const frame of this.instance.frames.values()) if (frame.ready) this.#ready.push(frame.id);
  }

  #advance(frame: Frame): void {
    if (frame.id === ROOT_FRAME) {
      try {
        this.advanceList(frame, this.plan.tasks, (value) => this.complete(value));
      } catch (error) {
        this.fault(frame.last, problemOf(error, frame.last));
      }
      return;
    }
    const node = this.nodeOf(frame);
    try {
      this.around.behaviour(node.kind).advance?.(this, frame, node);
    } catch (error) {
      this.fail(frame, node, problemOf(error, node.pointer));
    }
  }

  nodeOf(frame: Frame): Node {
    const node = this.plan.nodes.get(frame.task);
    if (node === undefined) throw new Error(`definition ${this.plan.name} has no task ${frame.task}`);
    return node;
  }

  /** Enters what comes next in a list of tasks, or calls `whenDone` with the output of the last. */
  advanceList(frame: Frame, list: readonly Node[], whenDone: (value: unknown) => void, input = frame.value): void {
    const next = this.#nextOf(frame, list);
    if (next === 'end') this.complete(frame.value);
    else if (next === undefined) whenDone(frame.value);
    else this.enter(next, { parent: frame.id, slot: null }, input);
  }

  #nextOf(frame: Frame, list: readonly Node[]): Node | undefined | 'end' {
    if (frame.last === '') return list[0];
    const directive = frame.next ?? 'continue';
    if (directive === 'exit') return undefined;
    if (directive === 'end') return 'end';
    if (directive === 'continue') return list[(this.plan.nodes.get(frame.last)?.index ?? list.length) + 1];
    const found = list.find(({ name }) => name === directive);
    if (found === undefined) throw configuration(`there is no task ${directive} beside ${frame.last}`);
    return found;
  }

  /** Begins a task, given what the one before has put out. Its failure is dealt with here. */
  enter(node: Node, place: Place, raw: unknown): void {
    const { limits } = this.around;
    this.steps++;
    if (this.instance.steps >= limits.stepsMax) {
      this.fault(node.pointer, problem('runtime', 508, `a run may have ${limits.stepsMax} steps`));
      return;
    }
    try {
      if (node.condition !== undefined && !isTrue(this.evaluate(node.condition, place, node, raw, raw))) {
        this.record({ type: 'task.skipped', ...place, task: node.pointer, output: raw });
        return;
      }
      const input = node.inputFrom === undefined ? raw : this.evaluate(node.inputFrom, place, node, raw, raw);
      node.inputCheck?.(input, 'the input');
      this.around.behaviour(node.kind).start(this, node, place, input);
    } catch (error) {
      this.failed(node, place, problemOf(error, node.pointer), undefined);
    }
  }

  /** Gives a task a frame, because it does not end at once. */
  open(node: Node, place: Place, input: unknown, options: OpenOptions): Frame {
    const id = this.instance.nextFrame;
    const timeoutMs =
      node.timeout === undefined ? undefined : durationMs(this.evaluate(node.timeout, place, node, input, input));
    this.record({
      type: 'task.started',
      frame: id,
      ...place,
      task: node.pointer,
      input,
      waits: options.waits ?? null,
      ...(options.value === undefined ? {} : { value: options.value }),
      ...(options.vars === undefined ? {} : { vars: options.vars }),
      ...(options.data === undefined ? {} : { data: options.data }),
      ...(options.dueAt === undefined ? {} : { dueAt: options.dueAt }),
      ...(timeoutMs === undefined ? {} : { timeoutAt: this.now + timeoutMs }),
    });
    if (options.waits === 'effect') this.effects.push(id);
    return this.instance.frames.get(id) as Frame;
  }

  /** Ends a task that has no frame. */
  finish(node: Node, place: Place, input: unknown, raw: unknown, next: string | null = node.then ?? null): void {
    this.#completed(node, place, input, raw, next, undefined);
  }

  /** Ends a task that has a frame; what fails now is its own failure. */
  end(frame: Frame, node: Node, raw: unknown, next: string | null = node.then ?? null): void {
    try {
      this.#completed(node, frame, frame.input, raw, next, frame);
    } catch (error) {
      this.fail(frame, node, problemOf(error, node.pointer));
    }
  }

  #completed(
    node: Node,
    { parent, slot }: Place,
    input: unknown,
    raw: unknown,
    next: string | null,
    frame: Frame | undefined,
  ): void {
    const place = { parent, slot };
    let output = raw;
    if (node.outputAs !== undefined) output = this.evaluate(node.outputAs, place, node, raw, input, raw);
    node.outputCheck?.(output, 'the output');
    let context: unknown;
    if (node.exportAs !== undefined) {
      context = this.evaluate(node.exportAs, place, node, output, input, output);
      node.exportCheck?.(context, 'what is exported');
    }
    const id = frame?.id ?? this.instance.nextFrame;
    if (frame !== undefined && frame.waits !== 'child') this.#abandon(frame.id);
    this.record({
      type: 'task.completed',
      ...(frame === undefined ? { input } : { frame: frame.id }),
      ...place,
      task: node.pointer,
      output,
      ...(context === undefined ? {} : { context }),
      next,
      ...(node.undo === undefined ? {} : { undo: { task: node.pointer, frame: id, input, output } }),
    });
  }

  /** A task with a frame has failed. */
  fail(frame: Frame, node: Node, error: Problem): void {
    this.failed(node, frame, error, frame);
  }

  failed(node: Node, { parent, slot }: Place, error: Problem, frame: Frame | undefined): void {
    if (!isOpen(this.instance.status)) return;
    if (frame !== undefined) this.#abandon(frame.id);
    this.record({
      type: 'task.faulted',
      ...(frame === undefined ? {} : { frame: frame.id }),
      parent,
      slot,
      task: node.pointer,
      error,
    });
    const outer = this.instance.frames.get(parent);
    if (outer === undefined || outer.id === ROOT_FRAME) {
      this.fault(node.pointer, error);
      return;
    }
    const outerNode = this.nodeOf(outer);
    let thrown = error;
    try {
      if (this.around.behaviour(outerNode.kind).caught?.(this, outer, outerNode, error, slot) === true) return;
    } catch (problem) {
      thrown = problemOf(problem, outerNode.pointer);
    }
    this.fail(outer, outerNode, thrown);
  }

  /** Ends a frame, and what is in it, without an outcome. */
  cancelFrame(frame: Frame): void {
    this.#abandon(frame.id);
    this.record({ type: 'task.cancelled', frame: frame.id, task: frame.task });
  }

  #abandon(id: number): void {
    const { frames } = this.instance;
    for (const frame of frames.values()) {
      if (frame.waits === null || frame.waits === 'timer' || frame.id < id) continue;
      if (!isWithin(this.instance, frame, id)) continue;
      this.aborted.push(frame.id);
      const { child } = (frame.data ?? {}) as { child?: string };
      if (frame.waits === 'child' && child !== undefined) {
        this.commands.push({ type: 'cancel', id: child, reason: 'its parent gave it up', by: null });
      }
    }
  }

  /** The run is over, well. */
  complete(value: unknown): void {
    const { plan, instance } = this;
    try {
      let output = value;
      if (plan.outputAs !== undefined) {
        output = plan.outputAs.evaluate(value, () => this.workflowVariables(value));
      }
      plan.outputCheck?.(output, 'the output');
      this.#abandon(ROOT_FRAME);
      this.record({ type: 'completed', output });
    } catch (error) {
      if (isOpen(instance.status)) this.fault('', problemOf(error, ''));
    }
  }

  /** The run is over, because of an error nobody caught. */
  fault(task: string, error: Problem): void {
    this.#abandon(ROOT_FRAME);
    this.record({ type: 'faulted', task, error });
  }

  cancel(reason: string | null): void {
    this.#abandon(ROOT_FRAME);
    this.record({ type: 'cancelled', reason });
  }

  /** Lets what is due happen, in the order of time. */
  timers(): void {
    const { instance, now } = this;
    while (dueAt(instance) <= now) {
      const due = dueAt(instance);
      if (instance.timeoutAt === due) {
        this.fault('', problem('timeout', 408, 'the run took too long'));
        return;
      }
      const frame = [...instance.frames.values()].find((one) => one.timeoutAt === due || one.dueAt === due) as Frame;
      const node = this.nodeOf(frame);
      if (frame.timeoutAt === due) {
        this.fail(frame, node, { ...problem('timeout', 408, 'the task took too long'), instance: node.pointer });
        continue;
      }
      try {
        this.around.behaviour(node.kind).due?.(this, frame, node);
      } catch (error) {
        this.fail(frame, node, problemOf(error, node.pointer));
      }
      if (frame.dueAt === due && instance.frames.get(frame.id) === frame) {
        this.record({ type: 'task.updated', frame: frame.id, task: frame.task, what: 'due', dueAt: null });
      }
    }
  }

  /** @param of what the expression is about: `.` @throws Fault */
  evaluate(template: Template, { parent }: Place, node: Node, of: unknown, input: unknown, output?: unknown): unknown {
    return template.evaluate(of, () => this.variables(this.instance.frames.get(parent), node, input, output));
  }

  /** @param frame the innermost whose variables count */
  variables(frame: Frame | undefined, node: Node, input: unknown, output?: unknown, startedAt = this.now): Variables {
    const { name, pointer, task } = node;
    const described = { name, reference: pointer, definition: task, input, output, startedAt: timeOf(startedAt) };
    const own = this.workflowVariables(input, output);
    return { ...own, task: described, ...varsOf(this.instance, frame) };
  }

  workflowVariables(input: unknown, output?: unknown): Record<string, unknown> {
    return variablesOf(this.instance, this.plan, input, output);
  }
}

/** The variables that containers have set, outermost first. */
export function varsOf(instance: Instance, frame: Frame | undefined): Record<string, unknown> {
  if (frame === undefined) return {};
  const outer = varsOf(instance, instance.frames.get(frame.parent));
  return frame.vars === null ? outer : { ...outer, ...frame.vars };
}

const RUNTIME = { name: 'sluice', version: '1', metadata: {} };

export function variablesOf(instance: Instance, plan: Plan, input: unknown, output?: unknown): Record<string, unknown> {
  const workflow = {
    id: instance.id,
    definition: plan.document,
    input: instance.input,
    startedAt: timeOf(instance.startedAt),
  };
  return { context: instance.context, input, output: output ?? null, workflow, runtime: RUNTIME };
}

function timeOf(ms: number): object {
  return { iso8601: new Date(ms).toISOString(), epoch: { seconds: Math.floor(ms / 1000), milliseconds: ms } };
}
