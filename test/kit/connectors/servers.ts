/**
 * Real servers of other systems for the tests of a file: started privately on a free port of loopback, with data in a folder of
 * their own, ended with the file. They come from Debian's packages; where one is missing its tests skip, and say so. Root
 * starts them as `nobody`, since they refuse to run as root.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterwards } from '../cleanup.ts';
import { hasRoot } from '../needs.ts';
import { freePort, tempDir } from '../place.ts';

const NOBODY = 65_534;
const POSTGRES = '/usr/lib/postgresql';
const owner = () => (hasRoot() ? { uid: NOBODY, gid: NOBODY } : {});

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface PrivateServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Kills it, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port. */
  start(): void;
}

/** True, and a line on stderr, when a server's command is not on this machine. */
export function lackingServer(command: 'postgres' | 'mariadbd' | 'redis-server'): boolean {
  const missing = find(command) === undefined;
  if (missing) process.stderr.write(`tests skip here, they need the server: ${command}\n`);
  return missing;
}

/** @param more settings of the server, `name=value`; a later one wins */
export async function startPostgres(more: readonly string[] = []): Promise<PrivateServer> {
  const { folder, port } = await place();
  const bin = find('postgres')?.replace(/\/postgres$/, '') as string;
  const data = join(folder, 'data');
  const passwords = join(folder, 'password');
  writeFileSync(passwords, 'quiet\n', { mode: 0o644 });
  const init = ['-D', data, '-U', 'sluice', '--auth=scram-sha-256', `--pwfile=${passwords}`, '-E', 'UTF8', '--no-sync'];
  execFileSync(join(bin, 'initdb'), init, { ...owner(), stdio: 'pipe', cwd: folder });
  const settings = ['fsync=off', 'listen_addresses=127.0.0.1', 'max_connections=50', 'wal_level=logical', ...more];
  const options = settings.flatMap((one) => ['-c', one]);
  const args = ['-D', data, '-p', String(port), '-k', folder, ...options];
  return serverOf(folder, port, join(bin, 'postgres'), args);
}

/** @param more options of the server, `--name=value`; a later one wins */
export async function startMariadb(more: readonly string[] = []): Promise<PrivateServer> {
  const { folder, port } = await place();
  const data = join(folder, 'data');
  const install = ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'];
  execFileSync('mariadb-install-db', install, { ...owner(), stdio: 'pipe', cwd: folder });
  const common = ['--no-defaults', `--datadir=${data}`, `--socket=${join(folder, 'socket')}`, `--port=${port}`];
  // The server without its network, for the statements that make a user: one a line.
  const input = [
    'FLUSH PRIVILEGES;',
    'CREATE DATABASE shop;',
    "CREATE USER sluice@'127.0.0.1' IDENTIFIED BY 'quiet';",
    "GRANT ALL ON *.* TO sluice@'127.0.0.1' WITH GRANT OPTION;",
  ];
  const command = find('mariadbd') as string;
  execFileSync(command, [...common, '--bootstrap'], {
    ...owner(),
    stdio: 'pipe',
    cwd: folder,
    input: input.join('\n'),
  });
  const light = ['--bind-address=127.0.0.1', '--skip-name-resolve', '--innodb-flush-log-at-trx-commit=0'];
  const binlog = [`--log-bin=${join(folder, 'binlog')}`, '--server-id=1', '--binlog-format=ROW'];
  return serverOf(folder, port, command, [...common, ...light, ...binlog, ...more]);
}

export async function startRedis(): Promise<PrivateServer> {
  const { folder, port } = await place();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder, '--requirepass', 'quiet'];
  return { ...serverOf(folder, port, find('redis-server') as string, args), user: 'default' };
}

async function place(): Promise<{ folder: string; port: number }> {
  const folder = await tempDir();
  if (hasRoot()) chownSync(folder, NOBODY, NOBODY);
  return { folder, port: await freePort() };
}

function serverOf(cwd: string, port: number, command: string, args: readonly string[]): PrivateServer {
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();
  const start = () => {
    const begun = spawn(command, [...args], { ...owner(), cwd, stdio: 'ignore' });
    child = begun;
    running.add(begun);
    ended = new Promise((resolve) => {
      begun.once('close', () => {
        running.delete(begun);
        resolve();
      });
    });
  };
  const kill = () => {
    child?.kill('SIGKILL');
    return ended;
  };
  start();
  afterwards(kill);
  return { host: '127.0.0.1', port, user: 'sluice', password: 'quiet', kill, start };
}

function find(command: string): string | undefined {
  const versions = existsSync(POSTGRES) ? readdirSync(POSTGRES).map((one) => join(POSTGRES, one, 'bin')) : [];
  const folders = [...versions, ...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, command)).find((path) => existsSync(path));
}
