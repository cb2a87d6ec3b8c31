/**
 * A workflow as it is written down: the Serverless Workflow DSL 1.0 (Open Workflow Specification), with what Sluice adds to
 * it in the same style. The top level is here, tasks are in `tasks.ts`, added ones in `extensions.ts`, parts they share in
 * `parts.ts`. Types alone: `schema/` and `validate.ts` are what makes a parsed document one of these. Read by the engine.
 */
import type { Compensation, Trigger } from './extensions.ts';
import type {
  AuthenticationPolicy,
  Catalog,
  Duration,
  ErrorDefinition,
  EventConsumption,
  InputDefinition,
  Named,
  OutputDefinition,
  RetryPolicy,
  Timeout,
} from './parts.ts';
import type { Task, TaskList } from './tasks.ts';

export interface WorkflowDocument {
  readonly document: DocumentHead;
  readonly input?: InputDefinition;
  readonly use?: Components;
  readonly do: TaskList;
  /** Inline, or the name of one in `use.timeouts`. */
  readonly timeout?: Timeout | string;
  readonly output?: OutputDefinition;
  readonly schedule?: Schedule;
  readonly evaluate?: { readonly language?: ExpressionLanguage; readonly mode?: 'strict' };
  /** Added: what starts it beside a request and `schedule`. */
  readonly triggers?: readonly Named<Trigger>[];
  /** Added: when the `undo` of what was done is run. */
  readonly compensation?: Compensation;
}

/** `jq` unless the document says otherwise. */
export type ExpressionLanguage = 'jq' | 'jsonata';

export interface DocumentHead {
  readonly dsl: string;
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  readonly title?: string;
  readonly summary?: string;
  readonly tags?: Readonly<Record<string, unknown>>;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** What tasks refer to by name. */
export interface Components {
  readonly authentications?: Readonly<Record<string, AuthenticationPolicy>>;
  readonly errors?: Readonly<Record<string, ErrorDefinition>>;
  readonly extensions?: readonly Named<Extension>[];
  readonly functions?: Readonly<Record<string, Task>>;
  readonly retries?: Readonly<Record<string, RetryPolicy>>;
  /** Names of secrets that the expressions of this document may read as `$secrets.NAME`. */
  readonly secrets?: readonly string[];
  readonly timeouts?: Readonly<Record<string, Timeout>>;
  readonly catalogs?: Readonly<Record<string, Catalog>>;
}

/** Tasks put before and after every task of a kind. */
export interface Extension {
  readonly extend: string;
  readonly when?: string;
  readonly before?: TaskList;
  readonly after?: TaskList;
}

export interface Schedule {
  readonly every?: Duration;
  readonly cron?: string;
  /** From the end of one run to the start of the next. */
  readonly after?: Duration;
  /** The input of the run is the list of the events. */
  readonly on?: EventConsumption;
  readonly read?: 'data' | 'envelope' | 'raw';
  /** Added: the zone of `cron`, an IANA name; UTC unless said. */
  readonly timezone?: string;
}
