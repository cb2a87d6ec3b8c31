/**
 * The Debian packages some tests look further with: a trace of system calls, a small file system to fill, the servers
 * that connectors are tested against, which tests start for themselves and nothing else starts. Installed where one is missing, this is root and apt-get is there; elsewhere the tests that need them skip and say so.
 * Called by `.ci/test.mjs`, which goes on meanwhile; answers the commands that are missing in the end.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const packageOf = {
  strace: 'strace',
  mount: 'mount',
  'mkfs.ext4': 'e2fsprogs',
  wrk: 'wrk',
  nginx: 'nginx-light',
  postgres: 'postgresql',
  mariadbd: 'mariadb-server',
  'redis-server': 'redis-server',
  openssl: 'openssl',
  sshd: 'openssh-server',
  'rabbitmq-server': 'rabbitmq-server',
  mosquitto: 'mosquitto',
  'nats-server': 'nats-server',
  kcat: 'kcat',
  vsftpd: 'vsftpd',
  lighttpd: 'lighttpd-mod-webdav',
};
/** Debian keeps the server apart from the PATH, a folder a version. */
const POSTGRES = '/usr/lib/postgresql';
const postgresFolders = () =>
  existsSync(POSTGRES) ? readdirSync(POSTGRES).map((one) => join(POSTGRES, one, 'bin')) : [];
const folders = () => [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', ...postgresFolders()];
/** While it answers 101, no package starts a service. */
const POLICY = '/usr/sbin/policy-rc.d';
const present = (command) => folders().some((folder) => existsSync(join(folder, command)));

/** False where it fails. */
async function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const child = spawn('apt-get', ['-qq', ...args], { env, stdio: 'ignore', timeout: 180_000 });
  return await once(child, 'close').then(
    ([code]) => code === 0,
    () => false,
  );
}

/** @param commands that are to be there */
export async function installDebianPackages(commands = Object.keys(packageOf)) {
  const missing = () => commands.filter((command) => !present(command));
  const wanted = missing().map((command) => packageOf[command]);
  if (wanted.length > 0 && process.getuid?.() === 0 && present('apt-get') && (await apt('update'))) {
    const guarded = existsSync(POLICY);
    if (!guarded) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    const install = (...names) => apt('install', '-y', '--no-install-recommends', ...names);
    // One by one where that fails: a package that cannot be had must not keep the others away.
    if (!(await install(...wanted))) for (const name of wanted) await install(name);
    if (!guarded) rmSync(POLICY);
  }
  return missing();
}
