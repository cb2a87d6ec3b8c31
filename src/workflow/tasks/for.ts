/**
 * `for`: its tasks once for each element, one round after the other. What a round puts out is the input of the next, and
 * the last one's is the output.
 */
import type { ForTask } from '../definition/tasks.ts';
import type { Behaviour } from '../engine/behaviour.ts';
import { Fault, problem } from '../engine/fault.ts';
import type { Frame } from '../engine/model.ts';
import type { Node, Planner } from '../engine/plan.ts';
import type { Run } from '../engine/run.ts';
import { isTrue, type Template } from '../engine/templates.ts';

interface Body {
  readonly each: string;
  readonly at: string;
  readonly items: Template;
  readonly condition: Template | undefined;
  readonly tasks: readonly Node[];
}

/** `index` is that of the round under way; -1: none has begun. */
interface Data {
  readonly items: readonly unknown[];
}

export const forBehaviour: Behaviour = {
  compile: (task: ForTask, planner: Planner, pointer: string): Body => ({
    each: task.for.each ?? 'item',
    at: task.for.at ?? 'index',
    items: planner.templates.expression(task.for.in),
    condition: task.while === undefined ? undefined : planner.templates.expression(task.while),
    tasks: planner.list(task.do, `${pointer}/do`),
  }),
  start: (run, node, place, input) => {
    const { items } = node.body as Body;
    const list = run.evaluate(items, place, node, input, input);
    if (!Array.isArray(list)) throw new Fault(problem('expression', 400, 'what `for` goes through is not a list'));
    run.open(node, place, input, { value: input, data: { items: list } satisfies Data });
  },
  advance: (run, frame, node) => {
    const { tasks, at } = node.body as Body;
    if (frame.vars === null) return round(run, frame, node, 0);
    run.advanceList(frame, tasks, () => round(run, frame, node, Number(frame.vars?.[at]) + 1));
  },
};

function round(run: Run, frame: Frame, node: Node, index: number): void {
  const { each, at, condition } = node.body as Body;
  const { items } = frame.data as Data;
  if (index >= items.length) {
    run.end(frame, node, frame.value);
    return;
  }
  const vars = { [each]: items[index], [at]: index };
  if (condition !== undefined) {
    const variables = () => ({ ...run.variables(frame, node, frame.input), ...vars });
    if (!isTrue(condition.evaluate(frame.value, variables))) {
      run.end(frame, node, frame.value);
      return;
    }
  }
  run.record({ type: 'task.updated', frame: frame.id, task: frame.task, what: 'round', vars, ready: true });
}
