/**
 * The Debian packages some tests look further with: a trace of system calls, a small file system to fill. Installed
 * where one is missing, this is root and apt-get is there; elsewhere the tests that need them skip and say so.
 * Called by `.ci/test.mjs`; answers the commands that are missing in the end.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const packageOf = { strace: 'strace', mount: 'mount', 'mkfs.ext4': 'e2fsprogs', wrk: 'wrk', nginx: 'nginx-light' };
const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
const present = (command) => folders.some((folder) => existsSync(join(folder, command)));
const missing = () => Object.keys(packageOf).filter((command) => !present(command));

function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync('apt-get', ['-qq', ...args], { env, stdio: 'ignore', timeout: 90_000 }).status === 0;
}

export function installDebianPackages() {
  const wanted = missing().map((command) => packageOf[command]);
  if (wanted.length > 0 && process.getuid?.() === 0 && present('apt-get') && apt('update')) {
    // One by one: a package that cannot be had must not keep the others away.
    for (const name of wanted) apt('install', '-y', '--no-install-recommends', name);
  }
  return missing();
}
