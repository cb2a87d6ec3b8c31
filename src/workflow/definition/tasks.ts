/**
 * The twelve tasks of the standard, and the lists they stand in. Which kind a task is says the one key that only this kind
 * has: `taskKind` in `kinds.ts`. Those that Sluice adds are in `extensions.ts`.
 */
import type { CompensateTask, ConnectorTask, ForConcurrency, HumanTask, SyncTask, WaitUntil } from './extensions.ts';
import type {
  AuthenticationReference,
  Duration,
  Endpoint,
  ErrorDefinition,
  ErrorFilter,
  EventConsumption,
  EventProperties,
  ExportDefinition,
  ExternalResource,
  InputDefinition,
  Named,
  OutputDefinition,
  RetryPolicy,
  Timeout,
} from './parts.ts';

export type TaskList = readonly Named<Task>[];

/** `continue`, `exit` (leave this list), `end` (end the workflow), or the name of a task of the same list. */
export type FlowDirective = string;

export interface TaskBase {
  /** An expression; where it is not true the task is skipped and its input is its output. */
  readonly if?: string;
  readonly input?: InputDefinition;
  readonly output?: OutputDefinition;
  readonly export?: ExportDefinition;
  /** Inline, or the name of one in `use.timeouts`. */
  readonly timeout?: Timeout | string;
  readonly then?: FlowDirective;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /**
   * Added: tasks that undo this one. Its output is their input, `$task.input` what it was given. They are noted when it
   * completes, and run, the latest first, by `compensate` or as the document's `compensation` says.
   */
  readonly undo?: TaskList;
}

export interface CallTask extends TaskBase {
  /** A protocol (`http`, `openapi`, `grpc`, `asyncapi`, `a2a`, `mcp`), or the name of a function. */
  readonly call: string;
  readonly with?: HttpCall | OpenApiCall | GrpcCall | AsyncApiCall | Readonly<Record<string, unknown>>;
}

export type CallOutput = 'raw' | 'content' | 'response';

export interface HttpCall {
  readonly method: string;
  /** `{name}` in it is a field of the input. */
  readonly endpoint: Endpoint;
  readonly headers?: Readonly<Record<string, string>> | string;
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, unknown>> | string;
  readonly output?: CallOutput;
  /** Whether an answer of 3xx is an output and not an error. */
  readonly redirect?: boolean;
}

export interface OpenApiCall {
  readonly document: ExternalResource;
  readonly operationId: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly authentication?: AuthenticationReference;
  readonly output?: CallOutput;
  readonly redirect?: boolean;
}

export interface GrpcCall {
  readonly proto: ExternalResource;
  readonly service: {
    readonly name: string;
    readonly host: string;
    readonly port?: number;
    readonly authentication?: AuthenticationReference;
  };
  readonly method: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

export interface AsyncApiCall {
  readonly document: ExternalResource;
  readonly channel?: string;
  readonly operation?: string;
  readonly server?: { readonly name: string; readonly variables?: Readonly<Record<string, unknown>> };
  readonly protocol?: string;
  readonly message?: { readonly payload?: unknown; readonly headers?: unknown };
  readonly subscription?: AsyncApiSubscription;
  readonly authentication?: AuthenticationReference;
}

export interface AsyncApiSubscription {
  readonly filter?: string;
  readonly consume: {
    readonly for?: Duration;
    readonly amount?: number;
    readonly while?: string;
    readonly until?: string;
  };
  readonly foreach?: SubscriptionIterator;
}

export interface SubscriptionIterator {
  readonly item?: string;
  readonly at?: string;
  readonly do?: TaskList;
  readonly output?: OutputDefinition;
  readonly export?: ExportDefinition;
}

export interface DoTask extends TaskBase {
  readonly do: TaskList;
}

export interface EmitTask extends TaskBase {
  readonly emit: {
    readonly event: { readonly with: EventProperties };
    /** Added: the topic it goes to. */
    readonly topic?: string;
    /** Added: an expression, its key there. */
    readonly key?: string;
  };
}

export interface ForTask extends TaskBase {
  readonly for: {
    /** The variable of the element, `item` unless said. */
    readonly each?: string;
    /** An expression, or the list itself. */
    readonly in: string | readonly unknown[];
    /** The variable of the position, `index` unless said. */
    readonly at?: string;
  } & ForConcurrency;
  /** An expression, looked at before each round. Not with `concurrency`. */
  readonly while?: string;
  readonly do: TaskList;
}

export interface ForkTask extends TaskBase {
  /** The output is the list of those of the branches, with `compete` that of the first to end. */
  readonly fork: { readonly branches: TaskList; readonly compete?: boolean };
}

export interface ListenTask extends TaskBase {
  readonly listen: { readonly to: EventConsumption; readonly read?: 'data' | 'envelope' | 'raw' };
  readonly foreach?: SubscriptionIterator;
}

export interface RaiseTask extends TaskBase {
  /** Inline, or the name of one in `use.errors`. */
  readonly raise: { readonly error: ErrorDefinition | string };
}

export interface RunTask extends TaskBase {
  /** Exactly one of `container`, `script`, `shell` and `workflow`. */
  readonly run: {
    readonly await?: boolean;
    readonly return?: 'stdout' | 'stderr' | 'code' | 'all' | 'none';
    readonly container?: Readonly<Record<string, unknown>>;
    readonly script?: ScriptProcess;
    readonly shell?: ShellProcess;
    readonly workflow?: WorkflowProcess;
  };
}

export interface ScriptProcess {
  readonly language: string;
  /** Of the language, as 1.0.3 has it. */
  readonly version?: string;
  readonly code?: string;
  readonly source?: ExternalResource;
  readonly stdin?: string;
  /** By name, or in order. */
  readonly arguments?: Readonly<Record<string, unknown>> | readonly string[];
  readonly environment?: Readonly<Record<string, unknown>>;
}

export interface ShellProcess {
  readonly command: string;
  readonly stdin?: string;
  readonly arguments?: Readonly<Record<string, unknown>> | readonly string[];
  readonly environment?: Readonly<Record<string, unknown>>;
}

export interface WorkflowProcess {
  readonly namespace: string;
  readonly name: string;
  /** `latest` where it does not matter. */
  readonly version: string;
  readonly input?: Readonly<Record<string, unknown>> | string;
}

export interface SetTask extends TaskBase {
  readonly set: Readonly<Record<string, unknown>> | string;
}

export interface SwitchTask extends TaskBase {
  readonly switch: readonly Named<SwitchCase>[];
}

export interface SwitchCase {
  /** An expression; the case without one is the default. */
  readonly when?: string;
  readonly then: FlowDirective;
}

export interface TryTask extends TaskBase {
  readonly try: TaskList;
  readonly catch: Catch;
}

export interface Catch {
  readonly errors?: { readonly with?: ErrorFilter };
  /** The variable of the error, `error` unless said. */
  readonly as?: string;
  readonly when?: string;
  readonly exceptWhen?: string;
  /** Inline, or the name of one in `use.retries`. */
  readonly retry?: RetryPolicy | string;
  readonly do?: TaskList;
  readonly then?: FlowDirective;
}

export interface WaitTask extends TaskBase {
  readonly wait: Duration | WaitUntil;
}

export type StandardTask =
  | CallTask
  | DoTask
  | EmitTask
  | ForTask
  | ForkTask
  | ListenTask
  | RaiseTask
  | RunTask
  | SetTask
  | SwitchTask
  | TryTask
  | WaitTask;

export type Task = StandardTask | HumanTask | ConnectorTask | SyncTask | CompensateTask;
