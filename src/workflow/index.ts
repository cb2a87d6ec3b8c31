/** Workflows: how they are written down, and what is made of it. */
export type * from './definition/document.ts';
export type * from './definition/extensions.ts';
export { TASK_KINDS, type TaskKind, taskKind } from './definition/kinds.ts';
export type * from './definition/parts.ts';
export type * from './definition/tasks.ts';
export { validateDefinition } from './definition/validate.ts';
export {
  type CompiledExpression,
  compileExpression,
  type ExpressionOptions,
  type Variables,
} from './expressions/compile.ts';
export { ExpressionError } from './expressions/error.ts';
export { workflowKind } from './kind.ts';
export { type Execution, Workflows, type WorkflowsOptions } from './workflows.ts';
