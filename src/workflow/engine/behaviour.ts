/**
 * What a kind of task is to the engine: one object, in a file of its own under `tasks/`. All of it but `request` runs
 * within the processing of one command, must not wait for anything, and changes the instance by `run.record` alone.
 *
 *   start ─▶ run.finish            it is over at once
 *         ─▶ run.open(waits: …)    an effect, a timer, an event, a child: `result`, `due`, `heard` go on
 *         ─▶ run.open(value: …)    tasks inside it: `advance` whenever one has ended, `caught` when one has failed
 */
import type { WorkflowDocument } from '../definition/document.ts';
import type { EffectRequest } from './effect.ts';
import type { Filter } from './filters.ts';
import type { Frame, Problem } from './model.ts';
import type { CompileBody, Node } from './plan.ts';
import type { Run } from './run.ts';
import type { Templates, Variables } from './templates.ts';

/** Where a task stands: in which frame, and in which of its places where it has several. */
export interface Place {
  readonly parent: number;
  readonly slot: number | null;
}

export type Result = { readonly ok: true; readonly output: unknown } | { readonly ok: false; readonly error: Problem };

/** What `request` is told. */
export interface RequestContext {
  readonly instance: string;
  readonly workflow: string;
  variables(): Variables;
  /** @throws Fault where the document does not name it, or there is none */
  secret(name: string): unknown;
  readonly document: WorkflowDocument;
  readonly templates: Templates;
}

export interface Behaviour {
  readonly compile: CompileBody;
  start(run: Run, node: Node, place: Place, input: unknown): void;
  /** Decides what comes next, from the state alone; called again it decides the same. */
  advance?(run: Run, frame: Frame, node: Node): void;
  /** A task in it has failed. True: it goes on. */
  caught?(run: Run, frame: Frame, node: Node, error: Problem, slot: number | null): boolean;
  due?(run: Run, frame: Frame, node: Node): void;
  /** Of its effect, its child, or of whoever works on it. */
  result?(run: Run, frame: Frame, node: Node, result: Result): void;
  /** An event that may be for it. True: it was. */
  heard?(run: Run, frame: Frame, node: Node, event: unknown): boolean;
  /** Of a task that listens. */
  listensFor?(node: Node): readonly Filter[];
  /** What its effect is, made from the state when it is durable; nothing of it is recorded, so secrets may be in it. */
  request?(context: RequestContext, frame: Frame, node: Node): EffectRequest;
}
