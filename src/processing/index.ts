/** Stream processors: how they are declared, what runs one partition of one, and what runs them all on worker threads. */
export { type Definition, isDefinition } from './define.ts';
export { Instance } from './instance.ts';
export type { Activity, PartitionStatus } from './runtime/processor.ts';
export { type ProcessorStatus, Processors, type ResetTarget } from './runtime/processors.ts';
export { stateSpaceOf } from './runtime/settings.ts';
export { settingsOf } from './runtime/spec.ts';
export { Wake } from './runtime/wake.ts';
export { MaterialisedTable } from './table.ts';
export {
  type DeadNotice,
  type InstanceOptions,
  type OutputBatch,
  ProcessingFault,
  type RunResult,
  type TableView,
  type Task,
  type TaskInput,
} from './task.ts';
