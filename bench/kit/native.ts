/** The physical ceiling: the C programs of native-bench/, built when they are needed and run beside the server's figures. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../../native-bench/', import.meta.url));

/** Records a second of `native-bench/ingest`; undefined where it cannot be built. */
export function nativeIngest(batchBytes: number, seconds: number): number | undefined {
  if (!existsSync(`${FOLDER}ingest.c`)) return undefined;
  try {
    execFileSync('make', ['-s', '-C', FOLDER], { stdio: ['ignore', 'ignore', 'inherit'] });
  } catch {
    // No compiler: the bench says so in its table.
    return undefined;
  }
  const args = ['--batch-bytes', String(batchBytes), '--seconds', String(seconds)];
  const out = execFileSync(`${FOLDER}bin/ingest`, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return (JSON.parse(out.trim().split('\n').at(-1) as string) as { records_per_s: number }).records_per_s;
}
