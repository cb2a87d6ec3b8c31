/** `raise`: fails with the error that is written there. */
import type { ErrorDefinition } from '../definition/parts.ts';
import type { RaiseTask } from '../definition/tasks.ts';
import type { Behaviour } from '../engine/behaviour.ts';
import { Fault } from '../engine/fault.ts';
import type { Problem } from '../engine/model.ts';
import { configuration, type Planner } from '../engine/plan.ts';
import type { Template } from '../engine/templates.ts';

export const raiseBehaviour: Behaviour = {
  compile: ({ raise: { error } }: RaiseTask, { templates, document }: Planner) => {
    const found: ErrorDefinition | undefined = typeof error === 'string' ? document.use?.errors?.[error] : error;
    if (found === undefined) throw configuration(`there is no error ${String(error)} in use.errors`);
    return templates.value(found);
  },
  start: (run, node, place, input) => {
    const raised = run.evaluate(node.body as Template, place, node, input, input) as Problem;
    throw new Fault({ ...raised, status: Number(raised.status) });
  },
};
