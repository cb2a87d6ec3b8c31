/**
 * Places where a process may be made to die, for tests of what a crash leaves: `SLUICE_CRASH_AT=before-commit:7` ends it
 * with SIGKILL the seventh time it comes to that place. Costs a comparison when the variable is not set.
 */
const [wanted, count = '1'] = (globalThis.process?.env['SLUICE_CRASH_AT'] ?? '').split(':');
let left = Number(count);

export function crashPoint(name: string): void {
  if (name === wanted && --left === 0) process.kill(process.pid, 'SIGKILL');
}
