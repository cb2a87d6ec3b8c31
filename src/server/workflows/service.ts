/** What can be asked of workflows; `main.ts` puts it here, since the server does not know the engine. */
export interface WorkflowService {
  /** @throws RESOURCE_UNKNOWN, WORKFLOW_BUSY, WORKFLOW_INPUT_INVALID, IDEMPOTENCY_KEY_REUSED */
  start(workflow: string, options: StartOptions): Promise<ExecutionAnswer>;
  list(query: ExecutionQuery): Promise<{ readonly executions: readonly unknown[]; readonly next: string | null }>;
  /** @throws EXECUTION_UNKNOWN, as all that follow */
  get(id: string): Promise<ExecutionAnswer>;
  /** Waits for the end, at most so long. */
  end(id: string, waitMs: number): Promise<ExecutionAnswer>;
  history(
    id: string,
    limit: number,
    before: number | undefined,
  ): Promise<{ readonly records: readonly object[]; readonly before: number | null }>;
  /** Runs a task of a run that is over again. @throws EXECUTION_CONFLICT */
  retry(id: string, options: RetryOptions): Promise<ExecutionAnswer>;
  /** Puts an event where tasks listen and schedules wait; its offset there. */
  publish(event: Readonly<Record<string, unknown>>): Promise<number>;
  /** @throws EXECUTION_CONFLICT */
  act(command: ExecutionCommand): Promise<ExecutionAnswer>;
}

export interface StartOptions {
  readonly input: unknown;
  readonly key?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly by: string;
  readonly waitMs?: number | undefined;
}

export interface RetryOptions {
  readonly task: string | null;
  readonly input?: unknown;
  readonly version: number | 'latest' | null;
  readonly by: string | null;
}

export interface ExecutionAnswer {
  readonly id: string;
  readonly status: string;
  readonly duplicate?: boolean;
  readonly output?: unknown;
  readonly error?: unknown;
}

export interface ExecutionQuery {
  readonly workflow: string | null;
  readonly status: string | null;
  readonly since: number;
  readonly until: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly limit: number;
  readonly after: string | null;
}

export type ExecutionCommand =
  | { readonly type: 'cancel'; readonly id: string; readonly reason: string | null; readonly by: string | null }
  | { readonly type: 'pause' | 'resume'; readonly id: string; readonly by: string | null }
  | { readonly type: 'event'; readonly id: string; readonly event: unknown; readonly by: string | null };
