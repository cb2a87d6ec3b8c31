/** `sluice processors`: how stream processors are, pausing, resuming and moving them, and looking into their state. */
import { Command } from 'commander';
import { adminOf, globals } from '../connect.ts';
import { print, printJson, table } from '../output.ts';

interface Status {
  readonly name: string;
  readonly state: string;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly lag: number;
  readonly activity: { readonly records: number; readonly records_per_s: number; readonly dead: number } | null;
  readonly partitions: readonly {
    readonly partition: number;
    readonly state: string;
    readonly lane: number;
    readonly state_entries: number;
    readonly inputs: readonly { readonly topic: string; readonly committed: number | null; readonly lag: number }[];
  }[];
}

export function processorsCommand(): Command {
  const processors = new Command('processors').description('look at, pause, resume and move stream processors');
  processors
    .command('list', { isDefault: true })
    .description('every processor, with its lag and rate')
    .action(async (_flags: unknown, command: Command) => {
      const admin = adminOf(command);
      const documents = await admin.list<{ name: string }[]>('processors');
      const all = await Promise.all(documents.map(({ name }) => admin.call<Status>('GET', pathOf(name, 'status'))));
      if (globals(command).json) return printJson(all);
      const rows = all.map(({ name, state, lag, activity }) => [
        name,
        state,
        lag,
        activity?.records ?? 0,
        activity?.records_per_s ?? 0,
        activity?.dead ?? 0,
      ]);
      await print(table(['NAME', 'STATE', 'LAG', 'RECORDS', 'PER SECOND', 'DEAD'], rows));
    });
  processors
    .command('status')
    .description('one processor, partition by partition')
    .argument('<name>')
    .action((name: string, _flags: unknown, command: Command) => show(command, 'GET', name, 'status'));
  for (const [action, what] of [
    ['pause', 'stop after the run under way; stays so over restarts'],
    ['resume', 'go on, also after a failure; the code is loaded anew'],
  ] as const) {
    processors
      .command(action)
      .description(what)
      .argument('<name>')
      .action((name: string, _flags: unknown, command: Command) => show(command, 'POST', name, action));
  }
  processors
    .command('reset')
    .description('move it to another place; it begins there with an empty state')
    .argument('<name>')
    .argument('<to>', 'earliest, latest, @<epoch ms>, or [offset, …] for each partition')
    .option('--keep-state', 'keep what it has counted so far', false)
    .action(async (name: string, to: string, flags: { keepState: boolean }, command: Command) => {
      const target = to.startsWith('[') ? (JSON.parse(to) as number[]) : to;
      await show(command, 'POST', name, 'reset', { to: target, state: flags.keepState ? 'keep' : 'clear' });
    });
  processors
    .command('state')
    .description('what a processor has in its committed state')
    .argument('<name>')
    .option('--operator <operator>', 'of one operator')
    .option('--key <key>', 'one key')
    .option('--partition <n>', 'one partition')
    .action(async (name: string, flags: Record<string, string>, command: Command) => {
      const path = `${pathOf(name, 'state')}?${new URLSearchParams(flags).toString()}`;
      await printJson(await adminOf(command).call('GET', path));
    });
  return processors.addHelpText(
    'after',
    '\nExamples:\n  $ sluice processors\n  $ sluice processors status delays\n  $ sluice processors reset delays earliest',
  );
}

function pathOf(name: string, what: string): string {
  return `/v1/processors/${encodeURIComponent(name)}/${what}`;
}

async function show(command: Command, method: string, name: string, what: string, body?: unknown): Promise<void> {
  const status = await adminOf(command).call<Status>(method, pathOf(name, what), body);
  if (globals(command).json) return printJson(status);
  const { state, error, lag, activity, partitions } = status;
  await print(`${name}: ${state}, lag ${lag}, ${activity?.records ?? 0} records, ${activity?.dead ?? 0} dead\n`);
  if (error !== null) await print(`${error.code}: ${error.message}\n`);
  const rows = partitions.flatMap((one) =>
    one.inputs.map((at) => [at.topic, one.partition, one.state, at.committed, at.lag, one.state_entries, one.lane]),
  );
  await print(table(['TOPIC', 'PARTITION', 'STATE', 'COMMITTED', 'LAG', 'KEYS', 'LANE'], rows));
}
