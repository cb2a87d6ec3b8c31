/** `sluice sync compare`: begins a comparison of both ends of a job, waits for it, and shows what differs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { adminOf, globals } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { print, printJson, table } from '../output.ts';

const POLL_MS = 250;

interface Comparison {
  readonly state: string;
  readonly equal: boolean;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly streams: readonly StreamComparison[];
}

interface StreamComparison {
  readonly from: string;
  readonly to: string;
  readonly source: number;
  readonly target: number;
  readonly rejected: number;
  readonly missing: number;
  readonly extra: number;
  readonly different: number;
  readonly repaired: number;
  readonly complete: boolean;
  readonly sample: readonly { readonly kind: string; readonly key: object; readonly fields: readonly string[] }[];
}

export function compareCommand(): Command {
  return new Command('compare')
    .description('compare what the source and the target of a job hold; exits with 1 where they differ')
    .argument('<name>')
    .option('--repair', 'write what is missing or different; the job must be paused')
    .action(async (name: string, { repair = false }: { repair?: boolean }, command: Command) => {
      const admin = adminOf(command);
      const path = `/v1/sync-jobs/${encodeURIComponent(name)}/compare`;
      let found = await admin.call<Comparison>('POST', path, { repair });
      while (found.state === 'running') {
        await sleep(POLL_MS);
        found = await admin.call<Comparison>('GET', path);
      }
      if (!found.equal) process.exitCode = EXIT.failed;
      if (globals(command).json) return printJson(found);
      await show(found);
    });
}

async function show({ reason, streams }: Comparison): Promise<void> {
  if (reason !== null) return print(`${reason.code}: ${reason.message}\n`);
  const rows = streams.map((one) => [
    one.from,
    one.to,
    one.source,
    one.target,
    one.rejected,
    one.missing,
    one.extra,
    one.different,
    one.repaired,
    one.complete ? undefined : 'more than were looked at',
  ]);
  const head = ['FROM', 'TO', 'SOURCE', 'TARGET', 'REJECTED', 'MISSING', 'EXTRA', 'DIFFERENT', 'REPAIRED', 'NOTE'];
  await print(table(head, rows));
  const differences = streams.flatMap(({ to, sample }) =>
    sample.map(({ kind, key, fields }) => [to, kind, JSON.stringify(key), fields.join(', ')]),
  );
  if (differences.length > 0) await print(`\n${table(['STREAM', 'DIFFERENCE', 'KEY', 'FIELDS'], differences)}`);
}
