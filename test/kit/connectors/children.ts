/** Ending a process with those it has started, by their ids: some outlive their parent and keep its files from others. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** SIGKILL, to all of them at once. */
export function killWithChildren(pid: number | undefined): void {
  if (pid === undefined) return;
  for (const one of [pid, ...childrenOf(pid)]) {
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

/** And theirs. Of Linux; elsewhere none are found. */
function childrenOf(parent: number): number[] {
  if (!existsSync('/proc/self/stat')) return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const own = pids.map(Number).filter((pid) => {
    try {
      // `pid (command) state parent …`
      const [, parentPid] = readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ');
      return Number(parentPid) === parent;
    } catch {
      return false;
    }
  });
  return own.flatMap((pid) => [pid, ...childrenOf(pid)]);
}
