/**
 * Workflows as a whole, on the thread of the log: what is declared, the lanes that run it, and all that can be asked of runs.
 * The composition root makes one; kind `workflow` declares by it, the server's routes ask it. The lanes start with the first
 * workflow that is declared.
 */
import { type Clock, encodeUtf8, type Limits, type Logger, type Metrics, SluiceError } from '#kernel';
import type { Log, Partition, Topic } from '#log';
import { encodeBatch } from '#record';
import type { HistoryEntry, Resources } from '#resource';
import type { Command } from './engine/commands.ts';
import type { Ended } from './engine/draft.ts';
import { endedSpace } from './engine/ledger.ts';
import { restorePoint, type Written } from './engine/restore-point.ts';
import { documentOf } from './kind.ts';
import { type EndedRow, type HistoryPage, listEnded, readEnded, readHistory } from './runtime/history.ts';
import { LaneThread } from './runtime/lane-thread.ts';
import type { Definition } from './runtime/protocol.ts';
import { partitionOfId, RunIds } from './runtime/run-ids.ts';
import { type Shown, shownOpen } from './shown.ts';
import { EVENT_TOPIC, eventHeaders } from './tasks/emit.ts';

const EVENTS_TOPIC = 'sys.workflow.events';
/** One record for each run that is over. */
const ENDED_TOPIC = 'sys.workflow.executions';
const KEY_CHARS_MAX = 200;
const PARTITION = 0;

export interface WorkflowsOptions {
  readonly log: Log;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The value of a secret. @throws SECRET_UNKNOWN */
  readonly secret: (name: string) => string;
}

export interface StartOptions {
  readonly input: unknown;
  readonly key?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly by: string;
  /** Waits for the end, at most so long. */
  readonly waitMs?: number | undefined;
}

export interface RetryOptions {
  /** JSON pointer; null: the one that failed. */
  readonly task: string | null;
  /** What it is given; undefined: what it was given before. */
  readonly input?: unknown;
  /** The definition it goes on with; null: its own. */
  readonly version: number | 'latest' | null;
  readonly by: string | null;
}

export interface Execution {
  readonly id: string;
  readonly status: string;
  readonly duplicate?: boolean;
  readonly output?: unknown;
  readonly error?: unknown;
}

export interface ListQuery {
  readonly workflow: string | null;
  readonly status: string | null;
  readonly since: number;
  readonly until: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly limit: number;
  readonly after: string | null;
}

const OPEN_STATUSES = new Set(['running', 'paused']);

export class Workflows {
  readonly #options: WorkflowsOptions;
  readonly #ids: RunIds;
  readonly #waiters = new Map<string, Set<(ended: Ended) => void>>();
  #resources: Resources | undefined;
  #lane: LaneThread | undefined;
  #events: Partition | undefined;
  #ended: Partition | undefined;
  #opening: Promise<void> | undefined;
  #closed = false;

  constructor(options: WorkflowsOptions) {
    this.#options = options;
    this.#ids = new RunIds(options.clock, PARTITION);
    const { metrics } = options;
    metrics.gauge('sluice_workflow_open', 'Runs of workflows that are not over', () => this.#lane?.open ?? 0);
    metrics.gauge('sluice_workflow_effects', 'Calls of tasks under way or waiting', () => this.#lane?.effects ?? 0);
  }

  /** Reads what is declared, and goes on with what was running. */
  async restore(resources: Resources): Promise<void> {
    this.#resources = resources;
    resources.onChange((kind, name, document) => {
      if (kind === 'topic') return this.#lane?.inform({ kind: 'topics', names: this.#topics() });
      if (kind === 'secret') return this.#lane?.inform({ kind: 'secrets', values: this.#secrets() });
      if (kind !== 'workflow') return undefined;
      if (document === undefined) return this.#lane?.inform({ kind: 'undefine', name });
      const definitions = [{ name, version: document.version, document: documentOf(document.spec), current: true }];
      this.#lane?.inform({ kind: 'define', definitions });
      this.#lane?.inform({ kind: 'secrets', values: this.#secrets() });
    });
    if (this.#options.log.findTopic(EVENTS_TOPIC) !== undefined) await this.prepare();
  }

  /** The topics and the lane are there when this resolves. */
  prepare(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #open(): Promise<void> {
    const { log, limits, clock, logger, metrics } = this.#options;
    if (this.#closed) throw new SluiceError('SHUTTING_DOWN', 'the server is shutting down');
    const topic = async (name: string): Promise<Topic> => log.findTopic(name) ?? (await log.createTopic(name));
    this.#events = (await topic(EVENTS_TOPIC)).partitions[PARTITION] as Partition;
    this.#ended = (await topic(ENDED_TOPIC)).partitions[PARTITION] as Partition;
    const bus = (await topic(EVENT_TOPIC)).partitions[0] as Partition;
    const ended = (status: string) =>
      metrics.counter('sluice_workflow_ended_total', 'Runs of workflows that are over, by how they ended', { status });
    const steps = metrics.counter('sluice_workflow_steps_total', 'Tasks of workflows begun, durably');
    this.#lane = new LaneThread({
      partition: PARTITION,
      log,
      limits,
      clock,
      logger,
      events: this.#events,
      ended: this.#ended,
      bus,
      definitions: (uses) => this.#definitions(uses),
      secrets: () => this.#secrets(),
      topics: () => this.#topics(),
      onEnded: (one) => {
        ended(one.status).add();
        for (const told of this.#waiters.get(one.id) ?? []) told(one);
        this.#waiters.delete(one.id);
      },
      onCommitted: (count) => steps.add(count),
    });
    await this.#lane.ready();
  }

  #topics(): string[] {
    return this.#options.log.topics().map(({ name }) => name);
  }

  #definitions(uses: readonly (readonly [name: string, version: number])[]): Definition[] {
    const resources = this.#resources as Resources;
    const current = resources.list('workflow').map(({ name, version, spec }) => {
      return { name, version, document: documentOf(spec), current: true };
    });
    const has = new Set(current.map(({ name, version }) => `${name}@${version}`));
    const older = uses.flatMap(([name, version]) => {
      if (has.has(`${name}@${version}`)) return [];
      const spec = historyOf(resources, name).find((entry) => entry.version === version)?.spec;
      return spec === undefined || spec === null ? [] : [{ name, version, document: documentOf(spec), current: false }];
    });
    return [...current, ...older];
  }

  /** Of all that any version names: those that run may be of an older one. */
  #secrets(): Record<string, string> {
    const resources = this.#resources as Resources;
    const names = new Set<string>();
    for (const { name } of resources.list('workflow')) {
      for (const { spec } of historyOf(resources, name)) {
        if (spec !== null) for (const secret of documentOf(spec).use?.secrets ?? []) names.add(secret);
      }
    }
    const values: Record<string, string> = {};
    for (const name of names) {
      try {
        values[name] = this.#options.secret(name);
      } catch (error) {
        this.#options.logger.warn({ err: error, secret: name }, 'a secret of a workflow cannot be read');
      }
    }
    return values;
  }

  async #ready(): Promise<{ lane: LaneThread; events: Partition; ended: Partition }> {
    if (this.#lane === undefined) await this.prepare();
    return { lane: this.#lane as LaneThread, events: this.#events as Partition, ended: this.#ended as Partition };
  }

  /** Resolves when the start is durable, or with `waitMs` when the run is over. @throws RESOURCE_UNKNOWN, WORKFLOW_BUSY, … */
  async start(workflow: string, { input, key, labels, by, waitMs }: StartOptions): Promise<Execution> {
    const version = (this.#resources as Resources).get('workflow', workflow).version;
    if (key !== undefined && (key.length === 0 || key.length > KEY_CHARS_MAX)) {
      throw new SluiceError('IDEMPOTENCY_KEY_INVALID', `an Idempotency-Key has 1 to ${KEY_CHARS_MAX} characters`);
    }
    const { lane } = this.#lane === undefined ? await this.#ready() : { lane: this.#lane };
    const id = this.#ids.next();
    const wait = waitMs === undefined ? undefined : this.#waitFor(id, waitMs);
    const parts = { workflow, version, input: input === undefined ? {} : input, parent: null, by };
    const command: Command = { type: 'start', id, ...parts, key: key ?? null, labels: labels ?? null };
    const reply = await lane.ask(command).catch((error: unknown) => {
      wait?.stop();
      throw error;
    });
    if (!reply.ok) {
      wait?.stop();
      throw new SluiceError(reply.code, reply.message);
    }
    if (reply.duplicate === true) {
      wait?.stop();
      const shown = waitMs === undefined ? await this.get(reply.id) : await this.end(reply.id, waitMs);
      return { ...shown, duplicate: true };
    }
    if (wait === undefined) return { id, status: reply.status };
    const ended = await wait.ended;
    return ended === undefined ? { id, status: reply.status } : endOf(ended);
  }

  /** Waits for the end of a run, at most so long. @throws EXECUTION_UNKNOWN */
  async end(id: string, waitMs: number): Promise<Execution> {
    const wait = this.#waitFor(id, waitMs);
    try {
      const shown = await this.get(id);
      if (!OPEN_STATUSES.has(shown.status)) return shown;
      const ended = await wait.ended;
      return ended === undefined ? await this.get(id) : endOf(ended);
    } finally {
      wait.stop();
    }
  }

  #waitFor(id: string, waitMs: number): { readonly ended: Promise<Ended | undefined>; stop(): void } {
    let stop: () => void = () => undefined;
    const ended = new Promise<Ended | undefined>((resolve) => {
      const told = (one: Ended | undefined) => {
        clearTimeout(timer);
        const waiters = this.#waiters.get(id);
        waiters?.delete(told);
        if (waiters?.size === 0) this.#waiters.delete(id);
        resolve(one);
      };
      const timer = setTimeout(told, waitMs, undefined);
      const waiters = this.#waiters.get(id) ?? new Set();
      this.#waiters.set(id, waiters.add(told));
      stop = () => told(undefined);
    });
    return { ended, stop };
  }

  /** @throws EXECUTION_UNKNOWN */
  async get(id: string): Promise<Shown> {
    const { lane, ended, events } = await this.#ready();
    this.#known(id);
    const answer = await lane.show(id);
    if (answer.ok && 'shown' in answer) return shownOpen(answer.shown);
    const row = this.#endedRow(ended, id);
    const { head: _, offset: _at, outputOmitted, ...rest } = row;
    const output = outputOmitted ? outputIn(readHistory(events, id, row.head, 1)) : row.output;
    return { ...rest, output, tasks: [] };
  }

  #known(id: string): void {
    if (partitionOfId(id) === PARTITION) return;
    throw new SluiceError('EXECUTION_UNKNOWN', `there is no execution ${id}`);
  }

  /** A run that was retried has a row for each of its ends. */
  #isLatest({ id, offset }: EndedRow): boolean {
    const place = this.#options.log.getState(endedSpace(PARTITION), id);
    return place !== undefined && Number(Buffer.from(place).toString('latin1')) === offset;
  }

  #endedRow(ended: Partition, id: string): EndedRow {
    const place = this.#options.log.getState(endedSpace(PARTITION), id);
    const row = place === undefined ? undefined : readEnded(ended, Number(Buffer.from(place).toString('latin1')));
    if (row === undefined) throw new SluiceError('EXECUTION_UNKNOWN', `there is no execution ${id}`);
    return row;
  }

  /** @param before where the page before said that it goes on @throws EXECUTION_UNKNOWN */
  async history(id: string, limit: number, before: number | undefined): Promise<HistoryPage> {
    const { lane, ended, events } = await this.#ready();
    this.#known(id);
    if (before !== undefined) return readHistory(events, id, before, limit);
    const answer = await lane.show(id);
    const open = answer.ok && 'shown' in answer ? (answer.shown as { head: number }) : undefined;
    return readHistory(events, id, (open ?? this.#endedRow(ended, id)).head, limit);
  }

  /** Open runs first, the newest first; then those that are over, by when they ended, the newest first. */
  async list(query: ListQuery): Promise<{ readonly executions: readonly unknown[]; readonly next: string | null }> {
    if (this.#lane === undefined) return { executions: [], next: null };
    const { workflow, status, since, until, labels, limit, after } = query;
    const { lane, ended } = await this.#ready();
    const rows: unknown[] = [];
    const [where, place] = after === null ? ['open', undefined] : splitCursor(after);
    if (where === 'open' && (status === null || OPEN_STATUSES.has(status))) {
      const open = await lane.list({ workflow, status, since, until, before: place ?? null, labels, limit });
      rows.push(...open);
      if (open.length === limit) return { executions: rows, next: `open:${open.at(-1)?.id}` };
    }
    if (status !== null && OPEN_STATUSES.has(status)) return { executions: rows, next: null };
    const wanted = (row: EndedRow) =>
      (workflow === null || row.workflow === workflow) &&
      (status === null || row.status === status) &&
      row.startedAt >= since &&
      row.startedAt <= until &&
      this.#isLatest(row) &&
      Object.entries(labels).every(([name, value]) => row.labels?.[name] === value);
    const from = where === 'ended' ? Number(place) : null;
    const found = listEnded(ended, from, limit - rows.length, wanted);
    rows.push(...found.rows.map(({ head: _h, offset: _at, outputOmitted: _o, output: _out, ...row }) => row));
    return { executions: rows, next: found.next === null ? null : `ended:${found.next}` };
  }

  /** @throws EXECUTION_UNKNOWN, EXECUTION_CONFLICT */
  async act(command: Exclude<Command, { type: 'start' | 'retry' }>): Promise<Execution> {
    const { lane } = await this.#ready();
    this.#known(command.id);
    const reply = await lane.ask(command);
    if (reply.ok) return { id: reply.id, status: reply.status };
    if (reply.code !== 'EXECUTION_UNKNOWN') throw new SluiceError(reply.code, reply.message);
    const { status } = await this.get(command.id);
    throw new SluiceError('EXECUTION_CONFLICT', `execution ${command.id} is ${status}`, { status });
  }

  /** Runs a task of a run that is over again, and goes on from there. @throws EXECUTION_UNKNOWN, EXECUTION_CONFLICT */
  async retry(id: string, { task, input, version, by }: RetryOptions): Promise<Execution> {
    const { lane, ended, events } = await this.#ready();
    this.#known(id);
    const row = this.#endedRow(ended, id);
    const records = readHistory(events, id, row.head, Number.MAX_SAFE_INTEGER).records as unknown as readonly Written[];
    const point = restorePoint(id, records, { task, input, now: this.#options.clock.now() });
    const newest = (this.#resources as Resources).find('workflow', row.workflow)?.version ?? row.version;
    const chosen = version === null ? row.version : version === 'latest' ? newest : version;
    const lostVersion = this.#definitions([[row.workflow, chosen]]).every(
      (one) => one.name !== row.workflow || one.version !== chosen,
    );
    if (lostVersion) throw new SluiceError('EXECUTION_CONFLICT', `there is no version ${chosen} of ${row.workflow}`);
    lane.inform({ kind: 'define', definitions: this.#definitions([[row.workflow, chosen]]) });
    const count = records.filter(({ kind }) => kind === 'event').length;
    const parts = { task: point.task, version: chosen, state: point.state, head: row.head, events: count, by };
    const reply = await lane.ask({ type: 'retry', id, ...parts });
    if (!reply.ok) throw new SluiceError(reply.code, reply.message);
    return { id, status: reply.status };
  }

  /** Resolves with its offset when the event is durable: tasks that listen hear it, and schedules. */
  async publish(event: Readonly<Record<string, unknown>>): Promise<number> {
    await this.#ready();
    const now = this.#options.clock.now();
    const defaults = {
      specversion: '1.0',
      id: this.#ids.next(),
      source: '/v1/events',
      time: new Date(now).toISOString(),
    };
    const whole: Record<string, unknown> = { ...defaults, ...event };
    const headers = Object.entries(eventHeaders(whole)).map(([key, text]) => ({ key, value: encodeUtf8(text) }));
    const value = encodeUtf8(JSON.stringify(whole['data'] ?? null));
    const batch = encodeBatch([{ key: null, value, headers }], { now });
    return (await this.#options.log.partition(EVENT_TOPIC, PARTITION).append(batch)).baseOffset;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => undefined);
    await this.#lane?.close();
  }
}

function historyOf(resources: Resources, name: string): readonly HistoryEntry[] {
  try {
    return resources.history('workflow', name);
  } catch {
    return [];
  }
}

function endOf({ id, status, output, error }: Ended): Execution {
  return { id, status, output, error };
}

function outputIn({ records }: HistoryPage): unknown {
  return records.find(({ type }) => type === 'completed')?.['output'] ?? null;
}

/** @throws REQUEST_INVALID */
function splitCursor(after: string): [string, string] {
  const [where = '', place = ''] = after.split(':');
  if ((where === 'open' && place !== '') || (where === 'ended' && /^\d+$/.test(place))) return [where, place];
  throw new SluiceError('REQUEST_INVALID', 'after is what the page before gave as next', { field: 'after' });
}
