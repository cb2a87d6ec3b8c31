/**
 * Goes over the tasks of a document that fits the schema and looks for what a schema cannot say: names that are there
 * twice, `then` that leads nowhere, references to what `use` does not have, expressions that do not compile or name
 * variables that are not known where they stand. Called by `validate.ts`.
 */
import { createRequire } from 'node:module';
import type * as Ajv2020Module from 'ajv/dist/2020.js';
import type formats from 'ajv-formats';
import type * as Croner from 'croner';
import type { Limits } from '#kernel';
import type { WorkflowDocument } from './document.ts';
import { type TaskKind, taskKind } from './kinds.ts';
import type { Task, TaskList } from './tasks.ts';
import { escaped, Texts } from './texts.ts';
import type { Problem } from './validate.ts';

const require = createRequire(import.meta.url);

type Fields = Readonly<Record<string, unknown>>;
type Known = ReadonlySet<string>;

const DIRECTIVES: ReadonlySet<string> = new Set(['continue', 'exit', 'end']);
const PROTOCOLS: ReadonlySet<string> = new Set(['http', 'openapi', 'grpc', 'asyncapi', 'a2a', 'mcp']);
const ROOT: Known = new Set('context input output secrets task workflow runtime authorization'.split(' '));
const AUTHENTICATIONS = ['basic', 'bearer', 'digest', 'oauth2', 'oidc'];
/** Fields in which tasks stand, which are walked as such. */
const LISTS: ReadonlySet<string> = new Set(['do', 'try', 'branches', 'undo', 'foreach', 'before', 'after']);

export class TaskWalk {
  readonly #document: WorkflowDocument;
  readonly #limits: Limits;
  readonly #problems: Problem[] = [];
  readonly #texts: Texts;
  readonly #undoable = new Set<string>();
  readonly #compensated: { readonly name: string; readonly path: string }[] = [];
  #tasks = 0;

  constructor(document: WorkflowDocument, limits: Limits) {
    this.#document = document;
    this.#limits = limits;
    const language = document.evaluate?.language ?? 'jq';
    this.#texts = new Texts(language, limits, (path, message) => this.#report(path, message));
  }

  problems(): readonly Problem[] {
    const { input, output, timeout, use, schedule, triggers } = this.#document;
    this.#texts.expression(input?.from, '/input/from', ROOT);
    this.#schema(input?.schema, '/input/schema');
    this.#texts.expression(output?.as, '/output/as', ROOT);
    this.#schema(output?.schema, '/output/schema');
    this.#named(timeout, 'timeouts', '/timeout');
    for (const [name, task] of Object.entries(use?.functions ?? {})) {
      this.#task(name, task, `/use/functions/${escaped(name)}`, ROOT, new Set());
    }
    this.#twice(use?.secrets ?? [], '/use/secrets');
    this.#references(use?.authentications, '/use/authentications');
    use?.extensions?.forEach((entry, i) => {
      for (const [name, { when, before, after }] of Object.entries(entry)) {
        const path = `/use/extensions/${i}/${escaped(name)}`;
        this.#texts.expression(when, `${path}/when`, ROOT);
        this.#list(before, `${path}/before`, ROOT);
        this.#list(after, `${path}/after`, ROOT);
      }
    });
    this.#schedule(schedule);
    this.#twice(
      (triggers ?? []).flatMap((entry) => Object.keys(entry)),
      '/triggers',
    );
    triggers?.forEach((entry, i) => {
      for (const [name, trigger] of Object.entries(entry)) {
        const path = `/triggers/${i}/${escaped(name)}`;
        this.#expressions(trigger as Fields, ['when', 'input', 'idempotencyKey'], path, ROOT);
      }
    });
    this.#list(this.#document.do, '/do', ROOT);
    for (const { name, path } of this.#compensated) {
      if (!this.#undoable.has(name)) this.#report(path, `no task of the name ${name} has an undo`);
    }
    return this.#problems;
  }

  #report(path: string, message: string): void {
    this.#problems.push({ path, message });
  }

  #schedule(schedule: WorkflowDocument['schedule']): void {
    if (schedule === undefined) return;
    this.#texts.template(schedule.on, '/schedule/on', ROOT);
    const { cron, timezone } = schedule;
    if (cron === undefined) return;
    try {
      const { Cron } = require('croner') as typeof Croner;
      new Cron(cron, { paused: true, ...(timezone === undefined ? {} : { timezone }) }).nextRun();
    } catch (error) {
      this.#report('/schedule/cron', (error as Error).message);
    }
  }

  #list(list: TaskList | undefined, path: string, known: Known): void {
    if (list === undefined) return;
    const names = list.flatMap((entry) => Object.keys(entry));
    this.#twice(names, path);
    const targets = new Set(names);
    list.forEach((entry, i) => {
      for (const [name, task] of Object.entries(entry)) {
        this.#task(name, task, `${path}/${i}/${escaped(name)}`, known, targets);
      }
    });
  }

  #task(name: string, task: Task, path: string, known: Known, targets: ReadonlySet<string>): void {
    this.#tasks += 1;
    if (this.#tasks === this.#limits.workflowTasksMax + 1) {
      this.#report(path, `a document has at most ${this.#limits.workflowTasksMax} tasks`);
    }
    if (this.#tasks > this.#limits.workflowTasksMax) return;
    const fields = task as unknown as Fields;
    const kind = taskKind(task) as TaskKind;
    this.#texts.expression(task.if, `${path}/if`, known);
    this.#texts.expression(task.input?.from, `${path}/input/from`, known);
    const after = inner(task, kind, known);
    this.#texts.expression(task.output?.as, `${path}/output/as`, after);
    this.#texts.expression(task.export?.as, `${path}/export/as`, after);
    for (const part of ['input', 'output', 'export'] as const)
      this.#schema(task[part]?.schema, `${path}/${part}/schema`);
    this.#named(task.timeout, 'timeouts', `${path}/timeout`);
    this.#target(task.then, `${path}/then`, targets);
    if (task.undo !== undefined) this.#undoable.add(name);
    this.#list(task.undo, `${path}/undo`, known);
    this.#kind(kind, fields, path, known, targets);
  }

  #kind(kind: TaskKind, fields: Fields, path: string, known: Known, targets: ReadonlySet<string>): void {
    const body = fields[kind] as Fields;
    switch (kind) {
      case 'call':
        this.#call(String(fields['call']), path);
        this.#arguments((fields['with'] ?? {}) as Fields, `${path}/with`, known);
        break;
      case 'do':
        this.#list(fields['do'] as TaskList, `${path}/do`, known);
        break;
      case 'for':
        this.#texts.expression(body['in'], `${path}/for/in`, known);
        this.#for(fields, path, known);
        break;
      case 'fork':
        this.#list(body['branches'] as TaskList, `${path}/fork/branches`, known);
        break;
      case 'listen':
        this.#events(body['to'] as Fields, `${path}/listen/to`, known);
        this.#foreach(fields['foreach'] as Fields | undefined, `${path}/foreach`, known);
        break;
      case 'raise':
        this.#named(body['error'], 'errors', `${path}/raise/error`);
        this.#body(body, `${path}/raise`, known);
        break;
      case 'switch':
        this.#switch(fields['switch'] as unknown as readonly Fields[], `${path}/switch`, known, targets);
        break;
      case 'try':
        this.#list(fields['try'] as TaskList, `${path}/try`, known);
        this.#catch(fields['catch'] as Fields, `${path}/catch`, known, targets);
        break;
      case 'human':
        this.#human(body, `${path}/human`, known);
        break;
      case 'compensate':
        for (const name of (body['tasks'] ?? []) as string[])
          this.#compensated.push({ name, path: `${path}/compensate` });
        break;
      default:
        this.#body(body, `${path}/${kind}`, known);
    }
  }

  #call(name: string, path: string): void {
    if (PROTOCOLS.has(name) || /^[a-z][a-z0-9+.-]*:\/\//i.test(name)) return;
    const { functions = {}, catalogs = {} } = this.#document.use ?? {};
    if (Object.hasOwn(functions, name)) return;
    const catalog = /^[^:@]+:[^@]+@(.+)$/.exec(name)?.[1];
    if (catalog === undefined) this.#report(`${path}/call`, `there is no function ${name} in use.functions`);
    else if (!Object.hasOwn(catalogs, catalog))
      this.#report(`${path}/call`, `there is no catalog ${catalog} in use.catalogs`);
  }

  /** Of a call; those of asyncapi may have tasks for each message. */
  #arguments(given: Fields, path: string, known: Known): void {
    const { subscription, ...rest } = given;
    this.#body(rest, path, known);
    if (typeof subscription !== 'object' || subscription === null) return;
    const { foreach, ...others } = subscription as Fields;
    this.#body(others, `${path}/subscription`, known);
    this.#foreach(foreach as Fields | undefined, `${path}/subscription/foreach`, known);
  }

  #for(fields: Fields, path: string, known: Known): void {
    const {
      each = 'item',
      at = 'index',
      concurrency,
    } = fields['for'] as { each?: string; at?: string; concurrency?: number };
    const bound = new Set([...known, each, at]);
    if (fields['while'] !== undefined && concurrency !== undefined) {
      this.#report(`${path}/while`, 'rounds that run side by side cannot be stopped by a condition');
    }
    this.#texts.expression(fields['while'], `${path}/while`, bound);
    this.#list(fields['do'] as TaskList, `${path}/do`, bound);
  }

  #foreach(foreach: Fields | undefined, path: string, known: Known): void {
    if (foreach === undefined) return;
    const bound = new Set([...known, String(foreach['item'] ?? 'item'), String(foreach['at'] ?? 'index')]);
    this.#list(foreach['do'] as TaskList | undefined, `${path}/do`, bound);
    this.#texts.expression((foreach['output'] as Fields | undefined)?.['as'], `${path}/output/as`, bound);
    this.#texts.expression((foreach['export'] as Fields | undefined)?.['as'], `${path}/export/as`, bound);
  }

  #events(to: Fields, path: string, known: Known): void {
    const { until } = to;
    if (typeof until === 'string') this.#texts.expression(until, `${path}/until`, known);
    else if (until !== undefined) this.#events(until as Fields, `${path}/until`, known);
    for (const name of ['all', 'any', 'one']) {
      const filters = [to[name] ?? []].flat() as Fields[];
      filters.forEach((filter, i) => {
        const place = name === 'one' ? `${path}/one` : `${path}/${name}/${i}`;
        this.#texts.template(filter['with'], `${place}/with`, known);
        for (const [key, correlation] of Object.entries((filter['correlate'] ?? {}) as Record<string, Fields>)) {
          this.#expressions(correlation, ['from', 'expect'], `${place}/correlate/${escaped(key)}`, known);
        }
      });
    }
  }

  #switch(cases: readonly Fields[], path: string, known: Known, targets: ReadonlySet<string>): void {
    this.#twice(
      cases.flatMap((entry) => Object.keys(entry)),
      path,
    );
    let open = 0;
    cases.forEach((entry, i) => {
      for (const [name, found] of Object.entries(entry)) {
        const { when, then } = found as { when?: string; then: string };
        const place = `${path}/${i}/${escaped(name)}`;
        this.#texts.expression(when, `${place}/when`, known);
        this.#target(then, `${place}/then`, targets);
        if (when === undefined) open += 1;
        if (open === 2 && when === undefined) this.#report(place, 'only one case may be without a condition');
      }
    });
  }

  #catch(caught: Fields, path: string, known: Known, targets: ReadonlySet<string>): void {
    const bound = new Set([...known, String(caught['as'] ?? 'error')]);
    this.#texts.template(caught['errors'], `${path}/errors`, known);
    this.#expressions(caught, ['when', 'exceptWhen'], path, bound);
    const { retry } = caught;
    this.#named(retry, 'retries', `${path}/retry`);
    if (typeof retry === 'object') {
      this.#expressions(retry as Fields, ['when', 'exceptWhen'], `${path}/retry`, bound);
      this.#texts.template(retry, `${path}/retry`, bound);
    }
    this.#list(caught['do'] as TaskList | undefined, `${path}/do`, bound);
    this.#target(caught['then'] as string | undefined, `${path}/then`, targets);
  }

  #human(human: Fields, path: string, known: Known): void {
    const { notify, escalate, outcomes, form, approvals, ...rest } = human;
    this.#body({ ...rest, approvals }, path, known);
    this.#texts.template(notify, `${path}/notify`, new Set([...known, 'links']));
    this.#schema(form, `${path}/form`);
    const names = ((outcomes ?? []) as Fields[]).flatMap((entry) => Object.keys(entry));
    this.#twice(names, `${path}/outcomes`);
    const choices = new Set(names.length === 0 ? ['completed'] : names);
    const approved = (approvals as Fields | undefined)?.['outcome'];
    if (approvals !== undefined && !choices.has(String(approved ?? 'approve'))) {
      this.#report(`${path}/approvals`, `there is no outcome ${String(approved ?? 'approve')}`);
    }
    ((escalate ?? []) as Fields[]).forEach((step, i) => {
      const { do: tasks, outcome, ...others } = step;
      this.#body(others, `${path}/escalate/${i}`, known);
      this.#list(tasks as TaskList | undefined, `${path}/escalate/${i}/do`, known);
      if (outcome !== undefined && !choices.has(String(outcome))) {
        this.#report(`${path}/escalate/${i}/outcome`, `there is no outcome ${String(outcome)}`);
      }
    });
  }

  /** What is no task in it: templates and references. */
  #body(body: unknown, path: string, known: Known): void {
    this.#texts.template(body, path, known);
    this.#references(body, path);
  }

  /** `authentication: {use}`, and `{use}` where credentials stand in a secret. */
  #references(value: unknown, path: string): void {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, part] of Object.entries(value)) {
      const place = `${path}/${escaped(name)}`;
      const used = typeof part === 'object' && part !== null ? (part as Fields)['use'] : undefined;
      if (typeof used === 'string') {
        const { authentications = {}, secrets = [] } = this.#document.use ?? {};
        if (name === 'authentication' && !Object.hasOwn(authentications, used)) {
          this.#report(place, `there is no authentication ${used} in use.authentications`);
        }
        if (AUTHENTICATIONS.includes(name) && !secrets.includes(used)) {
          this.#report(place, `there is no secret ${used} in use.secrets`);
        }
      }
      if (!LISTS.has(name)) this.#references(part, place);
    }
  }

  #expressions(fields: Fields, names: readonly string[], path: string, known: Known): void {
    for (const name of names) this.#texts.expression(fields[name], `${path}/${name}`, known);
  }

  #named(value: unknown, of: 'timeouts' | 'retries' | 'errors', path: string): void {
    if (typeof value !== 'string' || value.trimStart().startsWith('${')) return;
    if (!Object.hasOwn(this.#document.use?.[of] ?? {}, value)) this.#report(path, `there is no ${value} in use.${of}`);
  }

  #target(then: string | undefined, path: string, targets: ReadonlySet<string>): void {
    if (then === undefined || DIRECTIVES.has(then) || targets.has(then)) return;
    this.#report(path, `there is no task ${then} in this list`);
  }

  #twice(names: readonly string[], path: string): void {
    const seen = new Set<string>();
    for (const name of names) {
      if (seen.has(name)) this.#report(path, `${name} is there twice`);
      seen.add(name);
    }
  }

  #schema(schema: unknown, path: string): void {
    const { document, format = 'json' } = (schema ?? {}) as { document?: unknown; format?: string };
    if (document === undefined || !format.startsWith('json')) return;
    if (typeof document === 'string') return;
    try {
      const { Ajv2020 } = require('ajv/dist/2020.js') as typeof Ajv2020Module;
      const { default: addFormats } = require('ajv-formats') as typeof formats;
      const ajv = new Ajv2020({ strict: false, validateFormats: true });
      addFormats(ajv as never);
      // Whatever edition it says, the words in use mean the same.
      const { $schema: _edition, ...plain } = (document ?? {}) as Fields;
      ajv.compile(typeof document === 'object' ? plain : (document as boolean));
    } catch (error) {
      this.#report(path, (error as Error).message);
    }
  }
}

/** Variables of a task that its output may name as well: only those that it binds by itself. */
function inner(task: Task, kind: TaskKind, known: Known): Known {
  if (kind !== 'for') return known;
  const { each = 'item', at = 'index' } = (task as { for: { each?: string; at?: string } }).for;
  return new Set([...known, each, at]);
}
