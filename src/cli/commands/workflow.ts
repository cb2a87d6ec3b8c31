/** `sluice workflow`: starting runs of workflows, looking at them, and what an operator does to one. */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { SluiceError } from '#kernel';
import { adminOf, globals } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { print, printJson, table } from '../output.ts';

interface Execution {
  readonly id: string;
  readonly workflow?: string;
  readonly version?: number;
  readonly status: string;
  readonly startedAt?: number;
  readonly output?: unknown;
  readonly error?: { readonly title?: string; readonly detail?: string; readonly instance?: string } | null;
  readonly tasks?: readonly { readonly task: string; readonly waits: string | null; readonly attempt: number }[];
}

type HistoryRecord = Readonly<Record<string, unknown>> & { readonly kind: string; readonly at: number };

const WAIT_MS = 60_000;
const PAGE = 1_000;

export function workflowCommand(): Command {
  const workflow = new Command('workflow').description('start runs of workflows, look at them, and steer them');
  workflow.addCommand(startCommand());
  workflow.addCommand(listCommand(), { isDefault: true });
  workflow.addCommand(showCommand());
  workflow.addCommand(historyCommand());
  workflow.addCommand(actCommand('pause', 'begin no further task until it is resumed'));
  workflow.addCommand(actCommand('resume', 'go on'));
  workflow.addCommand(cancelCommand());
  workflow.addCommand(retryCommand());
  workflow.addCommand(eventCommand());
  return workflow.addHelpText(
    'after',
    '\nExamples:\n  $ sluice workflow start invoice --input \'{"amount": 120}\' --wait\n  $ sluice workflow list --status faulted' +
      '\n  $ sluice workflow history ID\n  $ sluice workflow event ID --type paid --data \'{"by": "card"}\'',
  );
}

function startCommand(): Command {
  return new Command('start')
    .description('start a run; with --wait until it is over, exit code 1 unless it completes')
    .argument('<workflow>')
    .option('--input <json>', 'its input, or @FILE')
    .option('--idempotency-key <key>', 'another start with it is the same start')
    .option('--label <name=value...>', 'what it can be found by')
    .option('--wait', 'until it is over', false)
    .action(async (name: string, flags: Record<string, unknown>, command: Command) => {
      const given = await jsonOf(flags['input'] as string | undefined, 'input');
      const labels = pairsOf(flags['label'] as string[] | undefined);
      const body = { ...(given === undefined ? {} : { input: given }), ...(labels === undefined ? {} : { labels }) };
      const key = flags['idempotencyKey'] as string | undefined;
      const headers = key === undefined ? {} : { 'idempotency-key': key };
      const wait = flags['wait'] === true ? `?wait_ms=${WAIT_MS}` : '';
      const path = `/v1/workflows/${encodeURIComponent(name)}/executions${wait}`;
      const admin = adminOf(command);
      let run = await admin.call<Execution>('POST', path, body, headers);
      while (wait !== '' && (run.status === 'running' || run.status === 'paused')) {
        run = await admin.call<Execution>('GET', `${pathOf(run.id)}?wait_ms=${WAIT_MS}`);
      }
      await show(command, run);
      if (run.status === 'faulted' || run.status === 'cancelled') process.exitCode = EXIT.failed;
    });
}

function listCommand(): Command {
  return new Command('list')
    .description('runs: open ones first, then those that are over')
    .option('--workflow <name>')
    .option('--status <status>', 'running, paused, completed, faulted or cancelled')
    .option('--label <name=value...>')
    .option('--limit <count>', 'at most so many', '50')
    .action(async (flags: Record<string, unknown>, command: Command) => {
      const query = new URLSearchParams({ limit: String(flags['limit']) });
      for (const name of ['workflow', 'status'] as const)
        if (flags[name] !== undefined) query.set(name, String(flags[name]));
      if (flags['label'] !== undefined) query.set('label', (flags['label'] as string[]).join(','));
      const page = await adminOf(command).call<{ executions: Execution[] }>('GET', `/v1/executions?${query}`);
      if (globals(command).json) return printJson(page);
      const rows = page.executions.map(({ id, workflow, version, status, startedAt }) => {
        return [id, `${workflow}@${version}`, status, timeOf(startedAt)];
      });
      await print(table(['ID', 'WORKFLOW', 'STATUS', 'STARTED'], rows));
    });
}

function showCommand(): Command {
  return new Command('show')
    .description('a run: its state, the tasks under way, its output or error')
    .argument('<id>')
    .action(async (id: string, _flags: unknown, command: Command) => {
      await show(command, await adminOf(command).call<Execution>('GET', pathOf(id)));
    });
}

function historyCommand(): Command {
  return new Command('history')
    .description('what happened in a run, oldest first')
    .argument('<id>')
    .action(async (id: string, _flags: unknown, command: Command) => {
      const records: HistoryRecord[] = [];
      for (let before: number | null | undefined; before !== null; ) {
        const path = `${pathOf(id)}/history?limit=${PAGE}${before === undefined ? '' : `&before=${before}`}`;
        const page = await adminOf(command).call<{ records: HistoryRecord[]; before: number | null }>('GET', path);
        records.unshift(...page.records);
        before = page.before;
      }
      if (globals(command).json) return printJson(records);
      const rows = records.map(({ at, kind, type, task, what, message }) => {
        return [timeOf(at), kind, type ?? '', task ?? '', what ?? message ?? ''];
      });
      await print(table(['TIME', 'KIND', 'TYPE', 'TASK', ''], rows));
    });
}

function actCommand(action: string, description: string): Command {
  return new Command(action)
    .description(description)
    .argument('<id>')
    .action(async (id: string, _flags: unknown, command: Command) => {
      await show(command, await adminOf(command).call<Execution>('POST', `${pathOf(id)}/${action}`));
    });
}

function cancelCommand(): Command {
  return new Command('cancel')
    .description('end a run without an outcome')
    .argument('<id>')
    .option('--reason <text>')
    .action(async (id: string, { reason }: { reason?: string }, command: Command) => {
      await show(command, await adminOf(command).call<Execution>('POST', `${pathOf(id)}/cancel`, { reason }));
    });
}

function retryCommand(): Command {
  return new Command('retry')
    .description('run a task of a run that is over again, and go on from there')
    .argument('<id>')
    .option('--task <pointer>', 'as the history names it; the one that failed unless said')
    .option('--input <json>', 'what it is given instead, or @FILE')
    .option('--version <version>', 'of the definition to go on with: a number, or latest')
    .action(async (id: string, flags: Record<string, string | undefined>, command: Command) => {
      const { task, version } = flags;
      const body = {
        task,
        input: await jsonOf(flags['input'], 'input'),
        version: version === undefined || version === 'latest' ? version : Number(version),
      };
      await show(command, await adminOf(command).call<Execution>('POST', `${pathOf(id)}/retry`, body));
    });
}

function eventCommand(): Command {
  return new Command('event')
    .description('hand an event to a run')
    .argument('<id>')
    .requiredOption('--type <type>', 'of the event')
    .option('--data <json>', 'of the event, or @FILE')
    .action(async (id: string, flags: { type: string; data?: string }, command: Command) => {
      const event = {
        specversion: '1.0',
        type: flags.type,
        source: 'sluice-cli',
        data: await jsonOf(flags.data, 'data'),
      };
      await show(command, await adminOf(command).call<Execution>('POST', `${pathOf(id)}/events`, event));
    });
}

async function show(command: Command, run: Execution): Promise<void> {
  if (globals(command).json) return printJson(run);
  const lines = [`${run.id}  ${run.status}`];
  for (const { task, waits, attempt } of run.tasks ?? []) lines.push(`  ${task}  ${waits ?? 'under way'}  ${attempt}`);
  const { error } = run;
  if (error !== undefined && error !== null)
    lines.push(`${error.instance ?? ''}: ${error.detail ?? error.title ?? ''}`);
  if (run.status === 'completed' && run.output !== undefined) lines.push(JSON.stringify(run.output, null, 2));
  await print(`${lines.join('\n')}\n`);
}

/** @throws REQUEST_INVALID */
async function jsonOf(text: string | undefined, what: string): Promise<unknown> {
  if (text === undefined) return undefined;
  const json = text.startsWith('@') ? await readFile(text.slice(1), 'utf8') : text;
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    throw new SluiceError('REQUEST_INVALID', `--${what} is not JSON: ${(error as Error).message}`, {}, error);
  }
}

function pairsOf(pairs: readonly string[] | undefined): Record<string, string> | undefined {
  if (pairs === undefined) return undefined;
  return Object.fromEntries(pairs.map((pair) => [pair.split('=', 1)[0] ?? '', pair.slice(pair.indexOf('=') + 1)]));
}

function pathOf(id: string): string {
  return `/v1/executions/${encodeURIComponent(id)}`;
}

function timeOf(ms: number | undefined): string {
  return ms === undefined ? '' : new Date(ms).toISOString();
}
