/** What is to be done for a frame that waits for its effect, made from its state: the only place where secrets are put in. */
import type { EffectId, EffectRequest } from '../engine/effect.ts';
import type { Engine } from '../engine/engine.ts';
import { Fault, problem } from '../engine/fault.ts';
import { variablesOf, varsOf } from '../engine/run.ts';
import { behaviourOf } from '../tasks/index.ts';

/** Undefined: nobody waits for it any more. @throws Fault */
export function effectRequest(
  engine: Engine,
  id: EffectId,
  secret: (name: string) => unknown,
): EffectRequest | undefined {
  const found = engine.frameOf(id);
  if (found === undefined) return undefined;
  const { instance, frame, plan } = found;
  const node = plan.nodes.get(frame.task);
  const behaviour = node === undefined ? undefined : behaviourOf(node.kind);
  if (node === undefined || behaviour?.request === undefined) {
    throw new Fault(problem('configuration', 500, `task ${frame.task} has no effect`));
  }
  const named = plan.document.use?.secrets ?? [];
  const guarded = (name: string) => {
    if (named.includes(name)) return secret(name);
    throw new Fault(problem('authorization', 403, `secret ${name} is not in use.secrets`));
  };
  const secrets: Record<string, unknown> = {};
  for (const name of named) Object.defineProperty(secrets, name, { enumerable: true, get: () => guarded(name) });
  const { name, pointer, task } = node;
  const variables = () => ({
    ...variablesOf(instance, plan, frame.input),
    task: { name, reference: pointer, definition: task, input: frame.input },
    secrets,
    ...varsOf(instance, frame),
  });
  const { document, templates } = plan;
  const context = {
    instance: instance.id,
    workflow: instance.workflow,
    variables,
    secret: guarded,
    document,
    templates,
  };
  return behaviour.request(context, frame, node);
}
