/** `sluice endpoints`: how endpoints are, checking them, what they hold, and a look at it. */
import { Command } from 'commander';
import { adminOf, globals } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { print, printJson, table } from '../output.ts';

interface Status {
  readonly name: string;
  readonly connector: string;
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly check_ms: number | null;
}

interface Stream {
  readonly name: string;
  readonly fields: readonly { readonly name: string; readonly type: string; readonly items?: string }[];
  readonly primary_key: readonly string[];
  readonly cursors: readonly string[];
  readonly can: readonly string[];
}

export function endpointsCommand(): Command {
  const endpoints = new Command('endpoints').description('look at endpoints, check them, see what they hold');
  endpoints
    .command('list', { isDefault: true })
    .description('every endpoint, and whether it is active')
    .action(async (_flags: unknown, command: Command) => {
      const admin = adminOf(command);
      const documents = await admin.list<{ name: string }[]>('endpoints');
      await show(
        command,
        await Promise.all(documents.map(({ name }) => admin.call<Status>('GET', pathOf(name, 'status')))),
      );
    });
  endpoints
    .command('check')
    .description('connect now; exit code 1 when that does not work')
    .argument('<name>')
    .action(async (name: string, _flags: unknown, command: Command) => {
      const status = await adminOf(command).call<Status>('POST', pathOf(name, 'check'));
      await show(command, [status]);
      if (status.state !== 'active') process.exitCode = EXIT.failed;
    });
  endpoints
    .command('streams')
    .description('what an endpoint holds: tables, files')
    .argument('<name>')
    .action(async (name: string, _flags: unknown, command: Command) => {
      const streams = await adminOf(command).call<Stream[]>('GET', pathOf(name, 'streams'));
      if (globals(command).json) return printJson(streams);
      const rows = streams.map(({ name: stream, fields, primary_key, cursors, can }) => [
        stream,
        fields.map((field) => `${field.name}:${field.items === undefined ? field.type : `${field.items}[]`}`).join(' '),
        primary_key.join(' '),
        cursors.join(' '),
        can.join(' '),
      ]);
      await print(table(['STREAM', 'FIELDS', 'KEY', 'CURSORS', 'CAN'], rows));
    });
  endpoints
    .command('sample')
    .description('some records of a stream, a line each')
    .argument('<name>')
    .argument('<stream>')
    .option('--limit <n>', 'at most so many, up to 100', '10')
    .action(async (name: string, stream: string, { limit }: { limit: string }, command: Command) => {
      const path = `streams/${encodeURIComponent(stream)}/sample?limit=${encodeURIComponent(limit)}`;
      const { records } = await adminOf(command).call<{ records: unknown[] }>('GET', pathOf(name, path));
      for (const record of records) await printJson(record);
    });
  return endpoints.addHelpText(
    'after',
    '\nExamples:\n  $ sluice endpoints\n  $ sluice endpoints check shop\n  $ sluice endpoints sample shop public.orders --limit 3',
  );
}

function pathOf(name: string, what: string): string {
  return `/v1/endpoints/${encodeURIComponent(name)}/${what}`;
}

async function show(command: Command, statuses: readonly Status[]): Promise<void> {
  if (globals(command).json) return printJson(statuses);
  const rows = statuses.map(({ name, connector, state, check_ms, reason }) => [
    name,
    connector,
    state,
    check_ms,
    reason === null ? null : `${reason.code}: ${reason.message}`,
  ]);
  await print(table(['NAME', 'CONNECTOR', 'STATE', 'CHECK MS', 'REASON'], rows));
}
