/** `sluice sync`: how sync jobs are and what their runs moved, running, pausing, resuming, rewinding and comparing. */
import { Command } from 'commander';
import { adminOf, globals } from '../connect.ts';
import { print, printJson, table } from '../output.ts';
import { compareCommand } from './sync-compare.ts';

interface Run {
  readonly run: number;
  readonly cause: string;
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly records: number;
  readonly bytes: number;
  readonly written: number;
  readonly deleted: number;
  readonly rejected: number;
}

interface Status {
  readonly name: string;
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly strategy: string;
  readonly topic: string;
  readonly lag: number;
  readonly next_run_at: number | null;
  readonly totals: { readonly written: number; readonly deleted: number; readonly rejected: number };
  readonly run: Run | null;
  readonly last_run: Run | null;
  readonly partitions: readonly { readonly partition: number; readonly committed: number; readonly durable: number }[];
}

const ACTIONS = {
  run: 'begin a run now',
  pause: 'stop after the batch under way; stays so over restarts',
  resume: 'go on where it was, also after it has stopped',
  reset: 'forget where the source was read to: the next run begins at the beginning',
} as const;

export function syncCommand(): Command {
  const sync = new Command('sync').description('look at, run, pause, resume and rewind sync jobs');
  sync
    .command('ls', { isDefault: true })
    .description('every job, with what it has moved')
    .action(async (_flags: unknown, command: Command) => {
      const all = await adminOf(command).call<Status[]>('GET', '/v1/sync');
      if (globals(command).json) return printJson(all);
      const rows = all.map(({ name, strategy, state, lag, totals, next_run_at, reason }) => [
        name,
        strategy,
        state,
        lag,
        totals.written,
        totals.deleted,
        totals.rejected,
        timeOf(next_run_at),
        reason?.message,
      ]);
      const head = ['NAME', 'STRATEGY', 'STATE', 'LAG', 'WRITTEN', 'DELETED', 'REJECTED', 'NEXT RUN', 'REASON'];
      await print(table(head, rows));
    });
  sync
    .command('status')
    .description('one job, with its run and its partitions')
    .argument('<name>')
    .action((name: string, _flags: unknown, command: Command) => show(command, 'GET', name, 'status'));
  sync
    .command('runs')
    .description('what the runs of a job have moved, newest first')
    .argument('<name>')
    .option('--limit <n>', 'so many', '20')
    .action(async (name: string, { limit }: { limit: string }, command: Command) => {
      const path = `${pathOf(name, 'runs')}?limit=${encodeURIComponent(limit)}`;
      const runs = await adminOf(command).call<Run[]>('GET', path);
      if (globals(command).json) return printJson(runs);
      await print(runTable(runs));
    });
  for (const [action, what] of Object.entries(ACTIONS)) {
    sync
      .command(action)
      .description(what)
      .argument('<name>')
      .action((name: string, _flags: unknown, command: Command) => show(command, 'POST', name, action));
  }
  sync
    .command('rewind')
    .description('write again what the topic of a job holds from a place on')
    .argument('<name>')
    .argument('<to>', 'earliest, latest, @<epoch ms>, or [offset, …] for each partition')
    .action(async (name: string, to: string, _flags: unknown, command: Command) => {
      const target = to.startsWith('[') ? (JSON.parse(to) as number[]) : to;
      await show(command, 'POST', name, 'rewind', { to: target });
    });
  sync.addCommand(compareCommand());
  return sync.addHelpText(
    'after',
    '\nExamples:\n  $ sluice sync\n  $ sluice sync run orders\n  $ sluice sync rewind orders earliest',
  );
}

function pathOf(name: string, what: string): string {
  return `/v1/sync-jobs/${encodeURIComponent(name)}/${what}`;
}

async function show(command: Command, method: string, name: string, what: string, body?: unknown): Promise<void> {
  const status = await adminOf(command).call<Status>(method, pathOf(name, what), body);
  if (globals(command).json) return printJson(status);
  const { state, strategy, lag, totals, reason, run, last_run, topic, partitions } = status;
  const moved = `${totals.written} written, ${totals.deleted} deleted, ${totals.rejected} rejected`;
  await print(`${name}: ${state}, ${strategy}, lag ${lag}, ${moved}\n`);
  if (reason !== null) await print(`${reason.code}: ${reason.message}\n`);
  const known = [run, last_run].filter((one): one is Run => one !== null);
  if (known.length > 0) await print(runTable(run === null ? known : [run]));
  const rows = partitions.map((one) => [topic, one.partition, one.committed, one.durable]);
  await print(table(['TOPIC', 'PARTITION', 'WRITTEN TO', 'END'], rows));
}

function runTable(runs: readonly Run[]): string {
  const rows = runs.map((one) => [
    one.run,
    one.cause,
    one.state,
    timeOf(one.started_at),
    one.ended_at === null ? undefined : (one.ended_at - one.started_at) / 1000,
    one.records,
    one.written,
    one.deleted,
    one.rejected,
    one.reason?.message,
  ]);
  return table(
    ['RUN', 'CAUSE', 'STATE', 'STARTED', 'SECONDS', 'READ', 'WRITTEN', 'DELETED', 'REJECTED', 'REASON'],
    rows,
  );
}

function timeOf(epochMs: number | null): string | undefined {
  return epochMs === null ? undefined : new Date(epochMs).toISOString();
}
