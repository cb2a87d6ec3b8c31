/**
 * An engine of its own for a test: a clock that is set by hand, effects that are answered by the test, and all that it
 * commits kept as the log would keep it, so that it can be loaded again or replayed from its events.
 */
import { DEFAULT_LIMITS, ManualClock } from '#kernel';
import { iterateStateBlock } from '#log';
import { iterateBatches, iterateRecords } from '#record';
import type { WorkflowDocument } from '../../../src/workflow/definition/document.ts';
import { apply, begin } from '../../../src/workflow/engine/apply.ts';
import type { Command } from '../../../src/workflow/engine/commands.ts';
import type { Ended } from '../../../src/workflow/engine/draft.ts';
import type { EffectId } from '../../../src/workflow/engine/effect.ts';
import { Engine, type Reply } from '../../../src/workflow/engine/engine.ts';
import type { EngineEvent, Started } from '../../../src/workflow/engine/events.ts';
import { parseInstance } from '../../../src/workflow/engine/instances.ts';
import { endedSpace } from '../../../src/workflow/engine/ledger.ts';
import type { Instance } from '../../../src/workflow/engine/model.ts';
import { Plans } from '../../../src/workflow/engine/plans.ts';
import type { Emission } from '../../../src/workflow/engine/run.ts';
import { nextCron, planParts } from '../../../src/workflow/runtime/plan-parts.ts';
import { behaviourOf } from '../../../src/workflow/tasks/index.ts';

const TEXT = new TextDecoder();

export type Written = Readonly<Record<string, unknown>> & {
  readonly kind: string;
  readonly run: string;
  readonly at: number;
};

type EngineLimits = ConstructorParameters<typeof Engine>[0]['limits'];

const LIMITS: EngineLimits = {
  stepsMax: 10_000,
  stepsAtOnceMax: 100,
  eventCharsMax: DEFAULT_LIMITS.workflowEventCharsMax,
  keptEventsMax: 10,
  liveMax: 100,
  openMax: 1_000,
  stateCharsMax: 100_000_000,
  keysMax: 100,
  keyMs: 3_600_000,
  recentEventsMax: 100,
};

/** A document of these tasks. */
export function documentOf(tasks: unknown, more: object = {}): WorkflowDocument {
  const head = { dsl: '1.0.0', namespace: 'test', name: 'test', version: '1.0.0' };
  return { document: head, do: tasks, ...more } as WorkflowDocument;
}

export class Bench {
  readonly clock = new ManualClock(1_700_000_000_000);
  readonly written: Written[] = [];
  readonly state = new Map<string, string>();
  readonly ended = new Map<string, Ended>();
  readonly emissions: Emission[] = [];
  effects: EffectId[] = [];
  engine: Engine;
  readonly #documents: Readonly<Record<string, WorkflowDocument>>;
  readonly #limits: EngineLimits;
  #ids = 0;
  #endedRows = 0;
  readonly #events: { offset: number; event: Readonly<Record<string, unknown>> }[] = [];
  #heard = 0;

  constructor(documents: Readonly<Record<string, WorkflowDocument>>, limits: Partial<EngineLimits> = {}) {
    this.#documents = documents;
    this.#limits = { ...LIMITS, ...limits };
    this.engine = this.#open();
  }

  #open(): Engine {
    const plans = new Plans({ ...planParts, bodyOf: (kind) => behaviourOf(kind).compile });
    const engine = new Engine({
      partition: 0,
      plans,
      limits: this.#limits,
      behaviour: behaviourOf,
      random: () => 0.5,
      newId: () => this.nextId(),
      hasTopic: (name) => !name.includes('missing'),
      nextCron,
    });
    for (const [key, text] of this.state) engine.load(key, text);
    for (const [name, document] of Object.entries(this.#documents)) {
      engine.define(name, 1, document, true, this.clock.now());
    }
    const recent = this.#events.slice(0, this.#heard);
    this.effects = [...engine.loaded(this.written.length, this.#endedRows, this.#heard, recent)];
    return engine;
  }

  nextId(): string {
    return `run-${String(++this.#ids).padStart(4, '0')}`;
  }

  /** As after a crash: what was not committed is gone. */
  reopen(): void {
    this.engine = this.#open();
  }

  start(workflow = 'test', input: unknown = {}, key: string | null = null): string {
    const id = this.nextId();
    const parts = { workflow, version: 1, input, key, parent: null, labels: null, by: 'test' };
    const reply = this.ask({ type: 'start', id, ...parts });
    if (!reply.ok) throw new Error(`${reply.code}: ${reply.message}`);
    return reply.id;
  }

  /** Hands it over, and commits all that it leads to but the effects. */
  ask(command: Command): Reply {
    const reply = this.engine.handle(command, this.clock.now());
    this.settle();
    return reply;
  }

  settle(): void {
    const now = this.clock.now();
    do {
      while (this.engine.settle(now));
      for (const id of this.engine.unfinished.splice(0)) this.engine.handle({ type: 'continue', id }, now);
    } while (this.engine.owed > 0 || this.engine.unfinished.length > 0);
    this.commit();
  }

  commit(): void {
    const draft = this.engine.take();
    if (draft === null) return;
    for (const batch of draft.events) {
      for (const { at } of iterateBatches(batch)) {
        for (const { key, value } of iterateRecords(batch, at)) {
          const parsed = JSON.parse(TEXT.decode(value ?? undefined)) as Record<string, unknown>;
          this.written.push({ ...parsed, run: TEXT.decode(key ?? undefined) } as Written);
        }
      }
    }
    for (const { space, block } of draft.blocks) {
      for (const [key, value] of iterateStateBlock(block)) {
        if (space === endedSpace(0)) continue;
        if (value === null) this.state.delete(key);
        else this.state.set(key, Buffer.from(value).toString('latin1'));
      }
    }
    this.#endedRows += draft.ends.length;
    this.#heard = draft.heard ?? this.#heard;
    for (const one of draft.ends) this.ended.set(one.id, one);
    this.emissions.push(...draft.emissions);
    this.effects.push(...draft.effects);
  }

  /** An event of the bus. @param heard false: it crashes before that is committed */
  hear(event: Readonly<Record<string, unknown>>, heard = true): void {
    const one = { offset: this.#events.length, event: { specversion: '1.0', source: 'test', ...event } };
    this.#events.push(one);
    this.engine.hear(one, this.clock.now());
    if (heard) this.settle();
    else this.reopen();
  }

  /** What was not heard before the crash comes again. */
  hearAgain(): void {
    for (const one of this.#events.slice(this.#heard)) this.engine.hear(one, this.clock.now());
    this.settle();
  }

  /** Answers every effect that waits, and those that come of it. */
  answer(outputOf: (effect: EffectId) => unknown): void {
    while (this.effects.length > 0) {
      const { instance, frame, attempt } = this.effects.shift() as EffectId;
      const output = outputOf({ instance, frame, attempt });
      const result = output instanceof Error ? failed(output) : { ok: true as const, output };
      this.ask({ type: 'result', id: instance, frame, attempt, result });
    }
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    while (this.engine.fire(this.clock.now(), 100)) this.settle();
    this.settle();
  }

  of(id: string): Written[] {
    return this.written.filter(({ run }) => run === id);
  }

  events(id: string): (EngineEvent & Written)[] {
    return this.of(id).filter(({ kind }) => kind === 'event') as unknown as (EngineEvent & Written)[];
  }

  /** The instance as the state has it. */
  stored(id: string): Instance | undefined {
    const text = this.state.get(`i/${id}`);
    return text === undefined ? undefined : parseInstance(text);
  }

  /** The instance as its events alone make it. */
  replayed(id: string): Instance {
    let instance: Instance | undefined;
    for (const [offset, record] of this.written.entries()) {
      if (record.run !== id) continue;
      if (record.kind === 'command') {
        if (instance !== undefined) instance.head = offset;
        continue;
      }
      if (record.kind !== 'event') continue;
      const event = record as unknown as EngineEvent;
      if (instance === undefined) {
        instance = begin(id, record.at, event as Started);
        instance.head = offset - 1;
      } else apply(instance, record.at, event);
    }
    return instance as Instance;
  }
}

function failed(error: Error) {
  const status = Number((error as { status?: number }).status ?? 503);
  return {
    ok: false as const,
    error: { type: 'https://serverlessworkflow.io/spec/1.0.0/errors/communication', status, detail: error.message },
  };
}
