/** `sluice keys`: API keys of clients. */
import { Command } from 'commander';
import { adminOf, globals } from '../connect.ts';
import { print, printJson } from '../output.ts';

export function keysCommand(): Command {
  const keys = new Command('keys').description('issue and revoke API keys of a client');
  keys
    .command('issue')
    .description('make a key; it is shown only now')
    .argument('<client>')
    .option('--expires-at <ms>', 'epoch milliseconds')
    .action(async (client: string, { expiresAt }: { expiresAt?: string }, command: Command) => {
      const issued = await adminOf(command).issueKey(client, expiresAt === undefined ? undefined : Number(expiresAt));
      if (globals(command).json) await printJson(issued);
      else await print(`${issued.key}\n`);
    });
  keys
    .command('revoke')
    .description('end a key at once')
    .argument('<client>')
    .argument('<id>')
    .action(async (client: string, id: string, _flags: unknown, command: Command) => {
      await adminOf(command).revokeKey(client, id);
      if (globals(command).json) await printJson({ revoked: true, client, id });
      else await print(`key ${id} revoked\n`);
    });
  return keys.addHelpText('after', '\nExample:\n  $ sluice keys issue billing');
}
