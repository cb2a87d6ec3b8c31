/** `emit`: a CloudEvent, in the commit of the step: it is in its topic exactly if the step has happened. */
import type { EmitTask } from '../definition/tasks.ts';
import type { Behaviour } from '../engine/behaviour.ts';
import { Fault, problem } from '../engine/fault.ts';
import type { Planner } from '../engine/plan.ts';
import type { Template } from '../engine/templates.ts';

/** Where events go that name no topic. Listening tasks hear them. */
export const EVENT_TOPIC = 'sys.workflow.bus';

interface Body {
  readonly event: Template;
  readonly topic: Template;
  readonly key: Template | undefined;
}

export const emitBehaviour: Behaviour = {
  compile: ({ emit }: EmitTask, { templates }: Planner): Body => ({
    event: templates.value(emit.event.with),
    topic: templates.value(emit.topic ?? EVENT_TOPIC),
    key: emit.key === undefined ? undefined : templates.expression(emit.key),
  }),
  start: (run, node, place, input) => {
    const body = node.body as Body;
    const given = run.evaluate(body.event, place, node, input, input) as Record<string, unknown>;
    const topic = String(run.evaluate(body.topic, place, node, input, input));
    if (!run.around.hasTopic(topic)) throw new Fault(problem('configuration', 404, `there is no topic ${topic}`));
    const key = body.key === undefined ? null : run.evaluate(body.key, place, node, input, input);
    const event: Record<string, unknown> & { readonly data?: unknown } = {
      specversion: '1.0',
      id: `${run.instance.id}/${run.instance.events}`,
      source: `/v1/workflows/${run.instance.workflow}`,
      time: new Date(run.now).toISOString(),
      ...given,
    };
    run.finish(node, place, input, event);
    run.emissions.push({
      topic,
      key: key === null ? null : typeof key === 'string' ? key : JSON.stringify(key),
      value: JSON.stringify(event.data ?? null),
      headers: eventHeaders(event),
    });
  },
};

/** Attributes as the Kafka binding of CloudEvents has them in its binary mode, like every event of a topic here. */
export function eventHeaders(event: Readonly<Record<string, unknown>>): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': String(event['datacontenttype'] ?? 'application/json') };
  for (const [name, value] of Object.entries(event)) {
    if (name !== 'data' && name !== 'datacontenttype' && value !== null) headers[`ce_${name}`] = String(value);
  }
  return headers;
}
