/** `switch`: goes where the first case that holds says; where none does, on. The input is the output. */
import type { SwitchTask } from '../definition/tasks.ts';
import type { Behaviour } from '../engine/behaviour.ts';
import type { Planner } from '../engine/plan.ts';
import { isTrue, type Template } from '../engine/templates.ts';

interface Case {
  readonly when: Template | undefined;
  readonly then: string;
}

export const switchBehaviour: Behaviour = {
  compile: (task: SwitchTask, { templates }: Planner): readonly Case[] =>
    task.switch.flatMap((entry) =>
      Object.values(entry).map(({ when, then }) => ({
        when: when === undefined ? undefined : templates.expression(when),
        then,
      })),
    ),
  start: (run, node, place, input) => {
    const cases = node.body as readonly Case[];
    const holds = ({ when }: Case) => when !== undefined && isTrue(run.evaluate(when, place, node, input, input));
    const chosen = cases.find(holds) ?? cases.find(({ when }) => when === undefined);
    run.finish(node, place, input, input, chosen?.then ?? node.then ?? null);
  },
};
