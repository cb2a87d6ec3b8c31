/** `sluice gateway`: queued routes, captures and their replay. */
import { Command } from 'commander';
import { adminOf, globals } from '../connect.ts';
import { print, printJson, table } from '../output.ts';
import { captureCommand, replayCommand } from './gateway-replay.ts';
import { quotaCommand, usageCommand } from './gateway-usage.ts';

interface Queue {
  readonly route: string;
  readonly state: string;
  readonly backlog: number;
  readonly under_way: number;
  readonly delivered: number;
  readonly failed_attempts: number;
  readonly dead: number;
}

interface Queued {
  readonly id: string;
  readonly route: string;
  readonly state: string;
  readonly attempts: number;
  readonly reason: string | null;
}

export function gatewayCommand(): Command {
  const gateway = new Command('gateway').description('what the API gateway queues, records and captures');
  gateway
    .command('queues', { isDefault: true })
    .description('the queues of queued routes, and how far behind they are')
    .action(async (_flags: unknown, command: Command) => {
      const queues = await adminOf(command).call<Queue[]>('GET', '/v1/gateway/queues');
      if (globals(command).json) return printJson(queues);
      const rows = queues.map(({ route, state, backlog, under_way, delivered, failed_attempts, dead }) => {
        return [route, state, backlog, under_way, delivered, failed_attempts, dead];
      });
      await print(table(['ROUTE', 'STATE', 'BACKLOG', 'UNDER WAY', 'DELIVERED', 'FAILED', 'DEAD'], rows));
    });
  for (const [action, what, done] of [
    ['pause', 'take requests of a queued route, and deliver none', 'is paused'],
    ['resume', 'deliver again', 'delivers again'],
  ] as const) {
    gateway
      .command(action)
      .description(what)
      .argument('<route>')
      .action(async (route: string, _flags: unknown, command: Command) => {
        const path = `/v1/gateway/queues/${encodeURIComponent(route)}/${action}`;
        const changed = await adminOf(command).call<{ version: number }>('POST', path);
        if (globals(command).json) return printJson(changed);
        await print(`${route} ${done}, version ${changed.version}\n`);
      });
  }
  gateway
    .command('queued')
    .description('what became of a queued request')
    .argument('<id>', 'as the client was told it')
    .action(async (id: string, _flags: unknown, command: Command) => {
      const found = await adminOf(command).call<Queued>('GET', `/v1/gateway/queued/${encodeURIComponent(id)}`);
      if (globals(command).json) return printJson(found);
      const { route, state, attempts, reason } = found;
      const tries = `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
      await print(`${id} of route ${route}: ${state} after ${tries}${reason === null ? '' : `, ${reason}`}\n`);
    });
  gateway.addCommand(usageCommand());
  gateway.addCommand(quotaCommand());
  gateway.addCommand(captureCommand());
  gateway.addCommand(replayCommand());
  return gateway.addHelpText(
    'after',
    '\nExamples:\n  $ sluice gateway queues\n  $ sluice gateway pause hooks\n  $ sluice dead list sys.gateway.queue.hooks' +
      '\n  $ sluice gateway capture shop --minutes 10\n  $ sluice gateway replay --route shop --to http://127.0.0.1:3001',
  );
}
