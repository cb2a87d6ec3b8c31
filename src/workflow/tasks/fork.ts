/**
 * `fork`: its branches side by side. The output is the list of theirs in the order they are written in; with `compete` that
 * of the first to end, upon which the others are given up.
 */
import type { ForkTask } from '../definition/tasks.ts';
import type { Behaviour } from '../engine/behaviour.ts';
import type { Node, Planner } from '../engine/plan.ts';

interface Body {
  readonly compete: boolean;
  readonly branches: readonly Node[];
}

export const forkBehaviour: Behaviour = {
  compile: ({ fork }: ForkTask, planner: Planner, pointer: string): Body => ({
    compete: fork.compete ?? false,
    branches: planner.list(fork.branches, `${pointer}/fork/branches`),
  }),
  start: (run, node, place, input) => {
    run.open(node, place, input, { value: input, data: { begun: false } });
  },
  advance: (run, frame, node) => {
    const { branches, compete } = node.body as Body;
    if (!(frame.data as { begun: boolean }).begun) {
      const { id, task } = frame;
      run.record({ type: 'task.updated', frame: id, task, what: 'branches', data: { begun: true }, ready: false });
      for (const [slot, branch] of branches.entries()) {
        // The failure of a branch, or the end of the run, takes the frame with it.
        if (run.instance.frames.get(id) !== frame) return;
        run.enter(branch, { parent: id, slot }, frame.input);
      }
      if (branches.length === 0) run.end(frame, node, []);
      return;
    }
    const outputs = frame.outputs ?? {};
    const ended = Object.keys(outputs);
    if (compete && ended.length > 0) return run.end(frame, node, outputs[Number(ended[0])]);
    if (ended.length === branches.length)
      run.end(
        frame,
        node,
        branches.map((_, slot) => outputs[slot]),
      );
  },
};
