/**
 * The engine of one partition: takes commands one by one, and gathers what they lead to in a draft, which somebody else
 * commits. Pure but for its memory: it does not read the clock, the disk or the network, so a test can drive it alone.
 *
 *   handle(command) ─▶ Run ─▶ records, state, effects …  ─┐
 *   handle(command) ─▶ Run ─▶ …                           ├─▶ take() ─▶ one commit ─▶ effects are done
 *   fire(now)       ─▶ Run ─▶ …                          ─┘
 *
 * A draft that could not be committed leaves the engine ahead of the log: its owner throws it away and loads another.
 */
import type { ErrorCode } from '#kernel';
import type { WorkflowDocument } from '../definition/document.ts';
import { act, beginRun, reopenRun } from './acting.ts';
import { Bus, type BusEvent } from './bus.ts';
import { type Command, type RetryCommand, type StartCommand, summaryOfCommand } from './commands.ts';
import type { Draft } from './draft.ts';
import type { EffectId } from './effect.ts';
import { problem, problemOf } from './fault.ts';
import { type Entry, Instances, summaryOf } from './instances.ts';
import { StartKeys } from './keys.ts';
import { Ledger } from './ledger.ts';
import { dueAt, type Frame, type Instance, isOpen } from './model.ts';
import { Outbox } from './outbox.ts';
import type { Plan } from './plan.ts';
import type { Plans } from './plans.ts';
import { Run, type RunLimits, type Surroundings } from './run.ts';
import { type Due, type NextCron, Schedules } from './schedules.ts';
import { Timers } from './timers.ts';

export interface EngineOptions {
  readonly partition: number;
  readonly plans: Plans;
  readonly limits: RunLimits & {
    readonly keptEventsMax: number;
    readonly liveMax: number;
    readonly openMax: number;
    readonly stateCharsMax: number;
    readonly keysMax: number;
    readonly keyMs: number;
    readonly recentEventsMax: number;
  };
  readonly behaviour: Surroundings['behaviour'];
  random(): number;
  newId(): string;
  hasTopic(name: string): boolean;
  readonly nextCron: NextCron;
}

export type Reply =
  | { readonly ok: true; readonly id: string; readonly status: string; readonly duplicate?: true }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

const NO_PREFIX = new Uint8Array(0);

export class Engine {
  readonly #options: EngineOptions;
  readonly instances: Instances;
  readonly #timers = new Timers();
  readonly #keys: StartKeys;
  readonly #outbox = new Outbox();
  readonly #ledger: Ledger;
  readonly #schedules: Schedules;
  readonly #bus: Bus;
  #dirty = new Set<Entry>();
  #gone: string[] = [];
  /** Effects that were under way, or never begun, when it was loaded. */
  readonly #undone: EffectId[] = [];
  /** Those that listened then. */
  readonly #listening: Entry[] = [];
  /** Instances that have more to decide. */
  readonly unfinished: string[] = [];

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#ledger = new Ledger(options.partition);
    this.#schedules = new Schedules(options.nextCron);
    this.#bus = new Bus(options.behaviour, options.limits.recentEventsMax);
    this.instances = new Instances(options.limits.liveMax);
    this.#keys = new StartKeys(options.limits.keysMax, options.limits.keyMs);
  }

  /** Takes over what is stored. `done` must be called once, with where the topics end. */
  load(key: string, text: string): void {
    const name = key.slice(2);
    if (key.startsWith('k/')) this.#keys.load(name, text);
    else if (key.startsWith('o/')) this.#outbox.load(name, text);
    else if (key.startsWith('s/')) this.#schedules.load(name, text);
    else {
      const entry = this.instances.load(name, text);
      if (entry.due !== Number.POSITIVE_INFINITY) this.#timers.add(entry.due, name);
      const { hasEffects, isReady, listens, status } = summaryOf(text);
      if (listens) this.#listening.push(entry);
      if (hasEffects) this.#undone.push(...this.#waiting(entry));
      if (isReady && status === 'running') this.unfinished.push(name);
    }
  }

  /**
   * Called once, when all is loaded and defined. @param recent events of the bus before `busNext`
   * @returns the effects that were under way, or never begun
   */
  loaded(eventsNext: number, endedNext: number, busNext = 0, recent: readonly BusEvent[] = []): readonly EffectId[] {
    this.#ledger.begin(eventsNext, endedNext);
    this.#bus.next = busNext;
    this.#bus.remember(recent);
    for (const entry of this.#listening.splice(0)) this.#noteListener(this.instances.open(entry));
    return this.#undone.splice(0);
  }

  define(name: string, version: number, document: WorkflowDocument, current: boolean, now: number): void {
    const { plans } = this.#options;
    plans.define(name, version, document, current);
    if (!current) return;
    try {
      this.#schedules.define(name, version, document.schedule, plans.get(name, version).templates, now);
    } catch {
      // A document that an older engine let in and this one cannot run has no schedule.
      this.#schedules.undefine(name);
    }
  }

  undefine(name: string): void {
    this.#options.plans.undefine(name);
    this.#schedules.undefine(name);
  }

  #noteListener(instance: Instance): void {
    try {
      this.#bus.note(instance, this.#options.plans.get(instance.workflow, instance.version));
    } catch {
      // What cannot be run does not listen either.
    }
  }

  #waiting(entry: Entry): EffectId[] {
    const frames = [...this.instances.open(entry).frames.values()].filter(({ waits }) => waits === 'effect');
    return frames.map(({ id, attempt }) => ({ instance: entry.id, frame: id, attempt }));
  }

  get nextDue(): number {
    return Math.min(this.#timers.next, this.#schedules.nextDue);
  }

  /** Bytes of records that wait to be taken. */
  get draftBytes(): number {
    return this.#ledger.bytes;
  }

  /** Commands that instances owe each other. */
  get owed(): number {
    return this.#outbox.size;
  }

  handle(command: Command, now: number): Reply {
    if (command.type === 'start') return this.#start(command, now);
    if (command.type === 'retry') return this.#retry(command, now);
    const entry = this.instances.find(command.id);
    if (entry === undefined) return this.#unknown(command, now);
    const instance = this.instances.open(entry);
    const run = this.#run(instance, now);
    if (run === undefined)
      return this.#reject(command, now, instance, 'WORKFLOW_INVALID', 'its definition cannot be run');
    let refused: string | undefined;
    try {
      refused = act(run, command, this.#options.limits.keptEventsMax);
      run.drain();
    } catch (error) {
      // Whatever is wrong with one run must not keep the others from going on.
      if (isOpen(instance.status)) run.fault('', problemOf(error, ''));
    }
    if (refused !== undefined) return this.#reject(command, now, instance, 'EXECUTION_CONFLICT', refused);
    if (run.events.length > 0) this.#write(command, run, entry);
    return { ok: true, id: command.id, status: instance.status };
  }

  /** Lets what is due happen, for at most so many instances. True: there may be more. */
  fire(now: number, most: number): boolean {
    for (const due of this.#schedules.due(now)) this.#startDue(due, now);
    for (let fired = 0; this.#timers.next <= now; ) {
      if (fired >= most) return true;
      const { time, id } = this.#timers.take();
      const entry = this.instances.find(id);
      if (entry === undefined || entry.due !== time) continue;
      fired++;
      entry.due = Number.POSITIVE_INFINITY;
      this.handle({ type: 'timer', id }, now);
      this.#schedule(entry);
    }
    return false;
  }

  #startDue({ workflow, version, input }: Due, now: number): void {
    const id = this.#options.newId();
    const parts = { workflow, version, input, key: null, parent: null, labels: null, by: 'schedule' };
    this.#schedules.began(workflow, id);
    const reply = this.handle({ type: 'start', id, ...parts }, now);
    if (!reply.ok) this.#schedules.ended(workflow, id, now);
  }

  /** An event of the bus: for tasks that listen, and for workflows that are started by it. */
  hear(one: BusEvent, now: number): void {
    const { event, offset } = one;
    for (const id of this.#bus.hear(one)) this.handle({ type: 'event', id, event, by: null, offset }, now);
    for (const due of this.#schedules.hear(event)) this.#startDue(due, now);
  }

  /** Handles the oldest command that instances owe each other. False: there is none. */
  settle(now: number): boolean {
    const owed = this.#outbox.take();
    if (owed === undefined) return false;
    this.#ledger.touched = true;
    const reply = this.handle(owed, now);
    if (owed.type === 'start' && owed.parent !== null && !reply.ok) {
      const { instance: id, frame, attempt } = owed.parent;
      const error = problem('runtime', 500, `workflow ${owed.workflow}: ${reply.message}`);
      this.#outbox.add({ type: 'result', id, frame, attempt, result: { ok: false, error } });
    }
    return true;
  }

  #start(command: StartCommand, now: number): Reply {
    const { limits } = this.#options;
    const { workflow, key, id } = command;
    const found = key === null ? undefined : this.#keys.find(`${workflow}/${key}`, now);
    if (found !== undefined) {
      if (found.input !== this.#keys.digest(command.input)) {
        return {
          ok: false,
          code: 'IDEMPOTENCY_KEY_REUSED',
          message: 'the key was used for a start with another input',
        };
      }
      return { ok: true, id: found.id, status: this.#statusOf(found.id), duplicate: true };
    }
    // What runs may go on, and what it starts is part of that.
    if (
      command.by !== 'workflow' &&
      (this.instances.size >= limits.openMax || this.instances.chars >= limits.stateCharsMax)
    ) {
      return { ok: false, code: 'WORKFLOW_BUSY', message: `${this.instances.size} runs are open` };
    }
    if (key !== null && this.#keys.isFull) {
      return { ok: false, code: 'WORKFLOW_BUSY', message: `${limits.keysMax} keys of starts are remembered` };
    }
    const run = beginRun(command, this.#options.plans, this.#around(now));
    if (typeof run === 'string') return { ok: false, code: 'WORKFLOW_INPUT_INVALID', message: run };
    run.drain();
    const entry = this.instances.add(run.instance);
    if (key !== null) this.#keys.add(`${workflow}/${key}`, id, command.input, now);
    this.#write(command, run, entry);
    return { ok: true, id, status: run.instance.status };
  }

  #retry(command: RetryCommand, now: number): Reply {
    const { id } = command;
    const refuse = (message: string): Reply => ({ ok: false, code: 'EXECUTION_CONFLICT', message });
    if (this.instances.find(id) !== undefined) return refuse('the run is not over');
    const run = reopenRun(command, this.#options.plans, this.#around(now));
    if (typeof run === 'string') return refuse(run);
    run.drain();
    this.#ledger.reopen(id);
    this.#write(command, run, this.instances.add(run.instance));
    return { ok: true, id, status: run.instance.status };
  }

  #statusOf(id: string): string {
    const entry = this.instances.find(id);
    if (entry === undefined) return 'ended';
    return entry.live?.status ?? summaryOf(entry.text).status;
  }

  #around(now: number): Surroundings {
    const { limits, behaviour, random, newId, hasTopic, plans } = this.#options;
    return {
      now,
      limits,
      behaviour,
      random,
      newId,
      hasTopic,
      currentVersion: (name, version) => plans.find(name, version),
      eventsNext: this.#bus.next,
      recentEvents: (from) => this.#bus.recent(from),
    };
  }

  #run(instance: Instance, now: number): Run | undefined {
    try {
      return new Run(instance, this.#options.plans.get(instance.workflow, instance.version), this.#around(now));
    } catch {
      return undefined;
    }
  }

  /** Late results are recorded; anybody can ask for what never was. */
  #unknown(command: Command, now: number): Reply {
    const message = `execution ${command.id} is over, or never was`;
    if (command.type === 'result') return this.#reject(command, now, undefined, 'EXECUTION_UNKNOWN', message);
    return { ok: false, code: 'EXECUTION_UNKNOWN', message };
  }

  #reject(command: Command, now: number, instance: Instance | undefined, code: ErrorCode, message: string): Reply {
    const entry = this.instances.find(command.id);
    const rejection = JSON.stringify({ kind: 'rejection', at: now, code, message });
    this.#ledger.record(command.id, now, instance?.head ?? -1, summaryOfCommand(command), [rejection]);
    if (instance !== undefined && entry !== undefined) {
      instance.head = this.#ledger.next - 2;
      this.#mark(entry);
    }
    return { ok: false, code, message };
  }

  #write(command: Command, run: Run, entry: Entry): void {
    const { instance, now } = run;
    const ledger = this.#ledger;
    const at = ledger.next;
    const texts = run.events.map(({ text }) => `{"kind":"event","at":${now},${text.slice(1)}`);
    ledger.record(instance.id, now, instance.head, summaryOfCommand(command), texts);
    instance.head = at;
    ledger.steps += run.steps;
    for (const frame of run.aborted) ledger.abort({ instance: instance.id, frame, attempt: 0 });
    ledger.emit(run.emissions);
    for (const owed of run.commands) this.#outbox.add(owed);
    if (!isOpen(instance.status)) {
      this.#end(instance, entry, now);
      return;
    }
    for (const id of run.effects) {
      const frame = instance.frames.get(id);
      if (frame !== undefined) ledger.effect({ instance: instance.id, frame: id, attempt: frame.attempt });
    }
    if (run.cut) this.unfinished.push(instance.id);
    this.#bus.note(instance, run.plan);
    this.#schedule(entry);
    this.#mark(entry);
  }

  #mark(entry: Entry): void {
    entry.dirty = true;
    this.#dirty.add(entry);
  }

  #schedule(entry: Entry): void {
    if (entry.live === null) return;
    const due = dueAt(entry.live);
    if (due === entry.due) return;
    entry.due = due;
    if (due !== Number.POSITIVE_INFINITY) this.#timers.add(due, entry.id);
  }

  #end(instance: Instance, entry: Entry, now: number): void {
    this.#bus.forget(instance.id);
    this.#schedules.ended(instance.workflow, instance.id, now);
    const { id, status, output, error, parent } = instance;
    this.#ledger.end(instance);
    if (parent !== null) {
      const { instance: of, frame, attempt } = parent;
      const failed = () => error ?? problem('runtime', 500, `run ${id} was ${status}`);
      const result = status === 'completed' ? { ok: true as const, output } : { ok: false as const, error: failed() };
      this.#outbox.add({ type: 'result', id: of, frame, attempt, result });
    }
    this.#dirty.delete(entry);
    // What was begun and is over within one draft was never stored.
    if (entry.text !== '') this.#gone.push(id);
    this.instances.remove(entry);
  }

  /** Everything since the last time; null: nothing happened. */
  take(): Draft | null {
    const heard = this.#bus.moved ? this.#bus.next : null;
    this.#bus.moved = false;
    if (heard !== null || this.#schedules.hasChanges) this.#ledger.touched = true;
    return this.#ledger.take(heard, (block) => {
      for (const id of this.#gone) {
        block.key(NO_PREFIX, `i/${id}`);
        block.remove();
      }
      for (const entry of this.#dirty) {
        block.key(NO_PREFIX, `i/${entry.id}`);
        block.latin1(this.instances.write(entry));
      }
      this.#keys.write(block);
      this.#outbox.write(block);
      this.#schedules.write(block);
      this.#gone = [];
      this.#dirty = new Set();
    });
  }

  /** What a frame waits for, while it still does. */
  frameOf({ instance: id, frame, attempt }: EffectId): { instance: Instance; frame: Frame; plan: Plan } | undefined {
    const entry = this.instances.find(id);
    if (entry === undefined) return undefined;
    const instance = this.instances.open(entry);
    const found = instance.frames.get(frame);
    if (found === undefined || found.attempt !== attempt || found.waits !== 'effect') return undefined;
    return { instance, frame: found, plan: this.#options.plans.get(instance.workflow, instance.version) };
  }
}
