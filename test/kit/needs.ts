/**
 * What this machine can do. A test that needs more than it has skips, and the output says why:
 * `test.skipIf(lacking('root', 'strace'))('…', …)`.
 */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

export function hasRoot(): boolean {
  return process.getuid?.() === 0;
}

/** True when `name` can be run from the PATH or from where system commands live. */
export function hasCommand(name: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** True, and a line on stderr, when one of the needs (`root`, or a command's name) is not met. */
export function lacking(...needs: readonly string[]): boolean {
  const unmet = needs.filter((need) => (need === 'root' ? !hasRoot() : !hasCommand(need)));
  if (unmet.length > 0) process.stderr.write(`tests skip here, they need: ${unmet.join(', ')}\n`);
  return unmet.length > 0;
}
