/** `set`: the output is what is written there, with its expressions evaluated over the input. */
import type { SetTask } from '../definition/tasks.ts';
import type { Behaviour } from '../engine/behaviour.ts';
import type { Planner } from '../engine/plan.ts';
import type { Template } from '../engine/templates.ts';

export const setBehaviour: Behaviour = {
  compile: ({ set }: SetTask, { templates }: Planner) =>
    typeof set === 'string' ? templates.expression(set) : templates.value(set),
  start: (run, node, place, input) => {
    run.finish(node, place, input, run.evaluate(node.body as Template, place, node, input, input));
  },
};
