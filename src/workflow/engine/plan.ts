/**
 * A definition made ready to run: every task a node with its expressions compiled, found by JSON pointer. A plan belongs to
 * one version of one definition and is never changed, so instances of any number share it.
 */

import type { WorkflowDocument } from '../definition/document.ts';
import { type TaskKind, taskKind } from '../definition/kinds.ts';
import type { InputDefinition, OutputDefinition, SchemaDefinition, Timeout } from '../definition/parts.ts';
import type { Task, TaskList } from '../definition/tasks.ts';
import { Fault, problem } from './fault.ts';
import { type CompileExpression, type Template, Templates } from './templates.ts';

/** @throws Fault of type `validation` */
export type Check = (value: unknown, what: string) => void;

export interface Node {
  readonly pointer: string;
  readonly name: string;
  readonly kind: TaskKind;
  readonly task: Task;
  /** Its place in its list. */
  readonly index: number;
  readonly condition: Template | undefined;
  readonly inputFrom: Template | undefined;
  readonly inputCheck: Check | undefined;
  readonly outputAs: Template | undefined;
  readonly outputCheck: Check | undefined;
  readonly exportAs: Template | undefined;
  readonly exportCheck: Check | undefined;
  readonly then: string | undefined;
  readonly timeout: Template | undefined;
  readonly undo: readonly Node[] | undefined;
  /** What the task's own kind has made of it. */
  readonly body: unknown;
}

export interface Plan {
  readonly name: string;
  readonly version: number;
  readonly document: WorkflowDocument;
  readonly inputFrom: Template | undefined;
  readonly inputCheck: Check | undefined;
  readonly outputAs: Template | undefined;
  readonly outputCheck: Check | undefined;
  readonly timeout: Template | undefined;
  readonly tasks: readonly Node[];
  /** By pointer, over all lists. */
  readonly nodes: ReadonlyMap<string, Node>;
  readonly templates: Templates;
}

/** What the kind of a task makes of it, and with what. */
export type CompileBody = (task: never, planner: Planner, pointer: string) => unknown;

export interface PlanParts {
  readonly compileExpression: CompileExpression;
  /** A check against a schema. @throws Fault when the schema itself is not valid */
  compileSchema(schema: SchemaDefinition): Check;
  /** @throws Fault of type `configuration` where the kind is not known */
  bodyOf(kind: TaskKind): CompileBody;
}

/** Builds the nodes of one document. */
export class Planner {
  readonly nodes = new Map<string, Node>();
  readonly templates: Templates;
  readonly document: WorkflowDocument;
  readonly #parts: PlanParts;
  /** Names of functions whose bodies are being looked into. */
  readonly #within: string[] = [];

  constructor(document: WorkflowDocument, parts: PlanParts) {
    this.document = document;
    this.#parts = parts;
    this.templates = new Templates(parts.compileExpression, document.evaluate?.language ?? 'jq');
  }

  list(tasks: TaskList | undefined, pointer: string): readonly Node[] {
    return (tasks ?? []).map((entry, index) => {
      const [name, task] = Object.entries(entry)[0] as [string, Task];
      return this.node(name, task, `${pointer}/${index}/${escapePointer(name)}`, index);
    });
  }

  node(name: string, task: Task, pointer: string, index: number): Node {
    const kind = taskKind(task);
    if (kind === undefined) throw configuration(`${pointer} is no task that is known here`);
    const { templates } = this;
    const node: Node = {
      pointer,
      name,
      kind,
      task,
      index,
      condition: task.if === undefined ? undefined : templates.expression(task.if),
      inputFrom: this.#expressionOf(task.input?.from),
      inputCheck: this.schema(task.input?.schema),
      outputAs: this.#expressionOf(task.output?.as),
      outputCheck: this.schema(task.output?.schema),
      exportAs: this.#expressionOf(task.export?.as),
      exportCheck: this.schema(task.export?.schema),
      then: task.then,
      timeout: this.timeout(task.timeout),
      undo: task.undo === undefined ? undefined : this.list(task.undo, `${pointer}/undo`),
      body: this.#parts.bodyOf(kind)(task as never, this, pointer),
    };
    this.nodes.set(pointer, node);
    return node;
  }

  #expressionOf(value: InputDefinition['from']): Template | undefined {
    return value === undefined ? undefined : this.templates.expression(value);
  }

  schema(schema: OutputDefinition['schema']): Check | undefined {
    return schema === undefined ? undefined : this.#parts.compileSchema(schema);
  }

  timeout(timeout: Timeout | string | undefined): Template | undefined {
    if (timeout === undefined) return undefined;
    const found = typeof timeout === 'string' ? this.document.use?.timeouts?.[timeout] : timeout;
    if (found === undefined) throw configuration(`there is no timeout ${String(timeout)} in use.timeouts`);
    return this.templates.value(found.after);
  }

  /** Looks into the body of a function, which may call others but not itself. */
  inside<T>(name: string, work: () => T): T {
    if (this.#within.includes(name)) throw configuration(`function ${name} calls itself`);
    this.#within.push(name);
    try {
      return work();
    } finally {
      this.#within.pop();
    }
  }
}

/** @throws Fault of type `configuration`, and what compiling an expression throws */
export function makePlan(name: string, version: number, document: WorkflowDocument, parts: PlanParts): Plan {
  const planner = new Planner(document, parts);
  const { templates } = planner;
  const { input, output, timeout } = document;
  return {
    name,
    version,
    document,
    inputFrom: input?.from === undefined ? undefined : templates.expression(input.from),
    inputCheck: planner.schema(input?.schema),
    outputAs: output?.as === undefined ? undefined : templates.expression(output.as),
    outputCheck: planner.schema(output?.schema),
    timeout: planner.timeout(timeout),
    tasks: planner.list(document.do, '/do'),
    nodes: planner.nodes,
    templates,
  };
}

export function configuration(detail: string): Fault {
  return new Fault(problem('configuration', 400, detail));
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
