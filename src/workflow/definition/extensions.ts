/**
 * What Sluice adds to the standard, in its style: tasks of people, of connectors, of sync jobs, compensation, rounds of `for`
 * side by side, waiting for an instant, and triggers. Text is an expression where it is in `${ }`.
 */
import type { Duration, SchemaDefinition } from './parts.ts';
import type { TaskBase, TaskList } from './tasks.ts';

/** An instant, RFC 3339 text or an expression that answers with it, or with milliseconds of the epoch. */
export interface WaitUntil {
  readonly until: string;
}

/**
 * With `concurrency` the rounds of a `for` do not see each other: every one is given the input of the task, and the
 * output is the list of their outputs in the order of the elements. Where a failure is tolerated its place in the list
 * is `{ "error": … }`, the problem document; beyond what is tolerated the task fails with the error that went too far.
 */
export interface ForConcurrency {
  /** Rounds under way at once; 0: as many as the engine allows. */
  readonly concurrency?: number;
  /** Without `concurrency` there is none of it. */
  readonly tolerate?: { readonly count?: number; readonly percent?: number };
}

/**
 * Work for a person. The output is `{ outcome, reason?, by, at, values, approvals }`: what was chosen, why, by whom, the
 * filled form.
 */
export interface HumanTask extends TaskBase {
  readonly human: HumanWork;
}

export interface HumanWork {
  readonly title: string;
  readonly description?: string;
  /** A user. Without one, candidates claim. */
  readonly assignee?: string;
  readonly candidates?: People;
  /** Who never may, the people as they are named, e.g. `${ .requestedBy }`. */
  readonly excluded?: readonly string[] | string;
  /** 0 to 100; 50 unless said. A number, or an expression. */
  readonly priority?: number | string;
  /** What the person is shown: any JSON with expressions in it; the input of the task unless said. */
  readonly data?: unknown;
  readonly form?: SchemaDefinition;
  /** What may be chosen; `completed` alone unless said. */
  readonly outcomes?: readonly Named<HumanOutcome>[];
  readonly due?: DueTime;
  readonly followUp?: DueTime;
  readonly reminders?: readonly Reminder[];
  readonly escalate?: readonly Escalation[];
  readonly approvals?: Approvals;
  /** Notices beside the inbox: a connector's endpoint that takes messages, and to whom. */
  readonly notify?: readonly Notice[];
}

type Named<T> = Readonly<Record<string, T>>;

export interface People {
  readonly users?: readonly string[] | string;
  readonly groups?: readonly string[] | string;
}

export interface HumanOutcome {
  readonly title?: string;
  /** Whether a reason must be given. */
  readonly reason?: 'required' | 'optional';
}

/**
 * `after` counts from the creation of the task. With `businessHours` only the time inside them counts: the name of a
 * calendar of the server, or one inline.
 */
export interface DueTime {
  readonly after?: Duration;
  /** An instant, or an expression for one. */
  readonly at?: string;
  readonly businessHours?: BusinessHours | string;
}

export interface BusinessHours {
  /** An IANA name. */
  readonly timezone: string;
  /** `mon` to `sun`, each with spans like `09:00-17:30`. */
  readonly week: Readonly<Record<string, readonly string[]>>;
  /** Dates on which nobody works: `2026-12-25`. */
  readonly holidays?: readonly string[];
}

export interface Reminder {
  /** Before the due time, or after the creation: exactly one. */
  readonly before?: Duration;
  readonly after?: Duration;
  /** And again, until the task is done. */
  readonly every?: Duration;
}

export interface Escalation {
  /** From the creation, or from the due time: exactly one. */
  readonly after?: Duration;
  readonly overdue?: Duration;
  /** Who may work on it from then on, instead of (`replace`) or beside those before. */
  readonly to?: People & { readonly assignee?: string; readonly replace?: boolean };
  readonly priority?: number;
  /** What runs beside the task then; its input is the task as the inbox shows it. */
  readonly do?: TaskList;
  /** The task ends with this outcome, by nobody. */
  readonly outcome?: string;
}

/** Exactly one of `any`, `all` and `count`. The task ends with the outcome that was approved or cannot be any more. */
export interface Approvals {
  /** The first answer decides. */
  readonly any?: true;
  /** All of these people. */
  readonly all?: readonly string[] | string;
  /** So many different people. */
  readonly count?: number;
  /** Nobody approves what they asked for: an expression for who asked. */
  readonly requester?: string;
  /** The outcome that counts as approval; `approve` unless said. */
  readonly outcome?: string;
}

export interface Notice {
  /** The name of an endpoint of a connector. */
  readonly endpoint: string;
  readonly stream?: string;
  readonly on?: readonly ('created' | 'reminded' | 'escalated' | 'completed')[];
  /** The record that is written, with expressions; `$links.OUTCOME` are one-click links that expire. */
  readonly record: Readonly<Record<string, unknown>>;
}

/** Reads from or writes to a system through an endpoint. Exactly one of `read`, `lookup` and `write`. */
export interface ConnectorTask extends TaskBase {
  readonly connector: {
    /** The name of a declared endpoint; an expression may say which. */
    readonly endpoint: string;
    /** The output is the list of records. */
    readonly read?: { readonly stream: string; readonly limit?: number; readonly filter?: string };
    /** Single records by their key: the output is the record, or null; for a list of keys, the list of them. */
    readonly lookup?: { readonly stream: string; readonly key: unknown };
    /** The output is `{ written }`. `records` is a list, one record, or an expression for either. */
    readonly write?: {
      readonly stream: string;
      readonly mode: 'insert' | 'update' | 'upsert' | 'delete' | 'append';
      readonly keys?: readonly string[];
      readonly records: unknown;
    };
  };
}

/** Runs a sync job and waits until it has caught up; the output is its outcome and counts. */
export interface SyncTask extends TaskBase {
  readonly sync: { readonly job: string; readonly mode?: 'full' | 'incremental'; readonly await?: boolean };
}

/** Runs the noted `undo` of what was done, the latest first: of everything, or of the named tasks alone. */
export interface CompensateTask extends TaskBase {
  readonly compensate: 'all' | { readonly tasks: readonly string[] };
}

/** When noted `undo` tasks run without being asked; `[fault]` unless said. `[]`: only by the task or by request. */
export interface Compensation {
  readonly on?: readonly ('fault' | 'cancel')[];
}

/** What starts a workflow. Exactly one of the first five. */
export interface Trigger {
  /** `POST /v1/workflows/NAME/webhooks/TRIGGER`; the input is its JSON body. */
  readonly webhook?: { readonly signature?: { readonly secret: string; readonly header?: string } };
  /** A record of a topic; the input is its value. */
  readonly topic?: { readonly name: string };
  /** A change of a record at the source of a sync job; the input is the change. */
  readonly change?: {
    readonly job: string;
    readonly stream?: string;
    readonly operations?: readonly ('insert' | 'update' | 'delete')[];
  };
  /** The end of a run of another workflow; the input is `{ workflow, id, status, output?, error? }`. */
  readonly workflow?: { readonly name: string; readonly status?: readonly ('completed' | 'faulted' | 'cancelled')[] };
  /** A route of the gateway that hands its requests to this workflow. */
  readonly route?: { readonly name: string };
  /** An expression over what came; where it is not true nothing starts. */
  readonly when?: string;
  /** An expression over what came: the input of the run. */
  readonly input?: string | Readonly<Record<string, unknown>>;
  /** An expression over what came: the key under which only one run is started. */
  readonly idempotencyKey?: string;
}
