/** Puts the commands together and runs the one that was asked for; the exit code says how it went. */
import { Command, CommanderError } from 'commander';
import { asSluiceError, SluiceError } from '#kernel';
import type { Acts } from './acts.ts';
import { benchCommand } from './commands/bench.ts';
import { connectorsCommand } from './commands/connectors.ts';
import { consumeCommand } from './commands/consume.ts';
import { deadCommand } from './commands/dead.ts';
import { doctorCommand } from './commands/doctor.ts';
import { endpointsCommand } from './commands/endpoints.ts';
import { gatewayCommand } from './commands/gateway.ts';
import { groupsCommand } from './commands/groups.ts';
import { keysCommand } from './commands/keys.ts';
import { processorsCommand } from './commands/processors.ts';
import { produceCommand } from './commands/produce.ts';
import { resourceCommands } from './commands/resources.ts';
import { serveCommand } from './commands/serve.ts';
import { storeCommands } from './commands/store.ts';
import { syncCommand } from './commands/sync.ts';
import { workflowCommand } from './commands/workflow.ts';
import { EXIT, reportError } from './exit.ts';
import { exitQuietlyOnClosedPipe } from './output.ts';

export async function runCli(args: readonly string[], acts: Acts): Promise<void> {
  exitQuietlyOnClosedPipe();
  const program = new Command('sluice')
    .description('A durable event streaming engine.')
    .option('--url <url>', 'the server', process.env['SLUICE_URL'] ?? 'http://127.0.0.1:7070')
    .option('--key <key>', 'an API key; better in SLUICE_KEY, where other processes do not see it')
    .option('--json', 'machine-readable output and errors', false)
    .showHelpAfterError('(sluice --help shows the commands)')
    .addHelpText(
      'after',
      `\nExit codes: 0 done, 1 failed, 2 wrong use, 3 no connection, 4 not allowed, 130 interrupted.`,
    );
  const commands = [
    serveCommand(acts),
    ...resourceCommands(),
    produceCommand(),
    consumeCommand(),
    groupsCommand(),
    processorsCommand(),
    connectorsCommand(),
    endpointsCommand(),
    syncCommand(),
    deadCommand(),
    gatewayCommand(),
    workflowCommand(),
    keysCommand(),
    benchCommand(),
    ...storeCommands(acts),
    doctorCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands, ...commands.flatMap(({ commands: inner }) => inner)])
    command.exitOverride();
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error, program.opts()['json'] === true);
  }
}

function exitCodeOf(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof SluiceError && error.code === 'CONFIG_INVALID') {
    reportError(error, json);
    return EXIT.usage;
  }
  return reportError(asSluiceError(error), json);
}
