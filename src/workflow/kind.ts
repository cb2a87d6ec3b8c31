/** Kind `workflow`: a document of the Serverless Workflow DSL. What it must look like is `definition/`'s matter. */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { Kind, Spec } from '#resource';
import type { WorkflowDocument } from './definition/document.ts';
import { validateDefinition } from './definition/validate.ts';
import { Fault } from './engine/fault.ts';
import { makePlan } from './engine/plan.ts';
import { planParts } from './runtime/plan-parts.ts';
import { behaviourOf } from './tasks/index.ts';

const schema = z
  .looseObject({
    document: z.looseObject({ dsl: z.string(), namespace: z.string(), name: z.string(), version: z.string() }),
    do: z.array(z.record(z.string(), z.unknown())),
  })
  .describe('A document of the Serverless Workflow DSL 1.0');

export interface WorkflowTarget {
  /** There is a workflow, so there must be an engine. */
  prepare(): Promise<void>;
}

export function workflowKind(target: WorkflowTarget): Kind {
  return {
    kind: 'workflow',
    plural: 'workflows',
    summary: 'Steps that are run one after the other, and go on after a crash',
    schema: schema as unknown as z.ZodType<Spec>,
    check: (name, spec) => {
      if (spec !== undefined) checkRunnable(name, spec);
    },
    apply: () => target.prepare(),
  };
}

/** The document that is run. */
export function documentOf(spec: Spec): WorkflowDocument {
  return spec as unknown as WorkflowDocument;
}

/** @throws WORKFLOW_INVALID */
function checkRunnable(name: string, spec: Spec): void {
  const document = validateDefinition(spec);
  try {
    makePlan(name, 0, document, { ...planParts, bodyOf: (kind) => behaviourOf(kind).compile });
  } catch (error) {
    const why = error instanceof Fault ? (error.problem.detail ?? error.message) : (error as Error).message;
    throw new SluiceError('WORKFLOW_INVALID', why, {}, error);
  }
}
