/** `sluice bench`: runs the bundled benchmarks. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

export function benchCommand(): Command {
  return new Command('bench')
    .description('run a bundled benchmark; without a name, list them')
    .argument('[name]')
    .argument('[options...]', 'passed on to the benchmark')
    .allowUnknownOption()
    .addHelpText('after', '\nExample:\n  $ sluice bench ingest --seconds 5')
    .action(async (name: string | undefined, options: readonly string[]) => {
      const script = fileURLToPath(new URL('../../../bench/main.js', import.meta.url));
      const child = spawn(process.execPath, [script, ...(name === undefined ? [] : [name]), ...options], {
        stdio: 'inherit',
      });
      process.exitCode = await new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 1)));
    });
}
