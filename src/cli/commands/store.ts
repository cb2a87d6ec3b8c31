/** `sluice backup`, `restore`, `verify`: the store as files. */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { formatBytes } from '#kernel';
import type { Acts, StoreReport } from '../acts.ts';
import { adminOf, globals } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { Progress, print, printJson } from '../output.ts';

export function storeCommands(acts: Acts): Command[] {
  return [backupCommand(), restoreCommand(acts), verifyCommand(acts)];
}

function backupCommand(): Command {
  return new Command('backup')
    .description('copy the store of a running server, consistently, to a folder on its machine')
    .argument('<dir>', 'absent or empty')
    .addHelpText('after', '\nExample:\n  $ sluice backup /var/backups/sluice-monday')
    .action(async (directory: string, _flags: unknown, command: Command) => {
      await adminOf(command).call('POST', '/v1/backup', { directory: resolve(directory) });
      if (globals(command).json) await printJson({ backup: resolve(directory) });
      else await print(`backed up to ${resolve(directory)}\n`);
    });
}

function restoreCommand(acts: Acts): Command {
  return new Command('restore')
    .description('check a backup and copy it into an empty data folder')
    .argument('<backup>')
    .argument('<data>')
    .addHelpText('after', '\nExample:\n  $ sluice restore /var/backups/sluice-monday ./data')
    .action(async (backup: string, data: string, _flags: unknown, command: Command) => {
      await report(await acts.restore(backup, data), globals(command).json);
    });
}

function verifyCommand(acts: Acts): Command {
  return new Command('verify')
    .description('check every byte of a store that no server has open')
    .argument('<data>')
    .addHelpText('after', '\nExample:\n  $ sluice verify ./data && echo sound')
    .action(async (data: string, _flags: unknown, command: Command) => {
      const progress = new Progress('verifying');
      const found = await acts.verify(data, (done, total) => progress.update(done, total));
      progress.end();
      await report(found, globals(command).json);
    });
}

async function report(found: StoreReport, json: boolean): Promise<void> {
  if (json) await printJson(found);
  else {
    const { segments, batches, records, bytes, findings } = found;
    await print(`${segments} segments, ${batches} batches, ${records} records, ${formatBytes(bytes)}\n`);
    for (const { segment, offset, problem } of findings)
      await print(`${segment}${offset === undefined ? '' : ` offset ${offset}`}: ${problem}\n`);
    await print(findings.length === 0 ? 'sound\n' : `${findings.length} problems\n`);
  }
  if (found.findings.length > 0) process.exitCode = EXIT.failed;
}
