/** `do`: tasks one after the other; the output of the last is its own. */
import type { DoTask } from '../definition/tasks.ts';
import type { Behaviour } from '../engine/behaviour.ts';
import type { Node, Planner } from '../engine/plan.ts';

export const doBehaviour: Behaviour = {
  compile: (task: DoTask, planner: Planner, pointer: string) => planner.list(task.do, `${pointer}/do`),
  start: (run, node, place, input) => {
    run.open(node, place, input, { value: input });
  },
  advance: (run, frame, node) => {
    run.advanceList(frame, node.body as readonly Node[], (value) => run.end(frame, node, value));
  },
};
