/** Stream processors: how they are declared, and what runs one partition of one. Knows nothing of threads or storage. */
export { type Definition, defineProcessor, isDefinition } from './define.ts';
export { Instance } from './instance.ts';
export { MaterialisedTable } from './table.ts';
export {
  type DeadLetter,
  type DeadNotice,
  type InstanceOptions,
  type OutputBatch,
  ProcessingFault,
  type RunResult,
  type TableView,
  type Task,
  type TaskInput,
} from './task.ts';
