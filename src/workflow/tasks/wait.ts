/** `wait`: for a while, or until an instant. The input is the output. */
import type { WaitUntil } from '../definition/extensions.ts';
import type { WaitTask } from '../definition/tasks.ts';
import type { Behaviour } from '../engine/behaviour.ts';
import { Fault, problem } from '../engine/fault.ts';
import type { Planner } from '../engine/plan.ts';
import { durationMs, type Template } from '../engine/templates.ts';

interface Body {
  readonly until: boolean;
  readonly time: Template;
}

export const waitBehaviour: Behaviour = {
  compile: ({ wait }: WaitTask, { templates }: Planner): Body => {
    const until = typeof wait === 'object' && 'until' in wait ? (wait as WaitUntil).until : undefined;
    return { until: until !== undefined, time: templates.value(until ?? wait) };
  },
  start: (run, node, place, input) => {
    const { until, time } = node.body as Body;
    const value = run.evaluate(time, place, node, input, input);
    const dueAt = until ? instantMs(value) : run.now + durationMs(value);
    if (dueAt <= run.now) run.finish(node, place, input, input);
    else run.open(node, place, input, { waits: 'timer', dueAt });
  },
  due: (run, frame, node) => run.end(frame, node, frame.input),
};

/** @throws Fault of type `expression` */
function instantMs(value: unknown): number {
  const ms = typeof value === 'number' ? value : Date.parse(String(value));
  if (Number.isFinite(ms)) return ms;
  throw new Fault(problem('expression', 400, `${JSON.stringify(value)} is not an instant`));
}
