/**
 * Real servers of other systems for the tests of a file: started privately on a free port of loopback, with data in a folder of
 * their own, ended with the file. They come from Debian's packages; where one is missing its tests skip, and say so. Used by
 * `servers.ts` and its neighbours.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterwards } from '../cleanup.ts';
import { hasRoot } from '../needs.ts';
import { freePort, tempDir } from '../place.ts';
import { killWithChildren } from './children.ts';

const NOBODY = 65_534;
const POSTGRES = '/usr/lib/postgresql';
export const owner = () => (hasRoot() ? { uid: NOBODY, gid: NOBODY } : {});

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) killWithChildren(child.pid);
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
export function lackingServer(...commands: readonly string[]): boolean {
  const missing = commands.filter((command) => findServer(command) === undefined);
  if (missing.length > 0) process.stderr.write(`tests skip here, they need the server: ${missing.join(', ')}\n`);
  return missing.length > 0;
}

export async function serverPlace(): Promise<{ folder: string; port: number }> {
  const folder = await tempDir();
  if (hasRoot()) chownSync(folder, NOBODY, NOBODY);
  return { folder, port: await freePort() };
}

/** @param user who runs it: root starts it as `nobody`, since most refuse to run as root */
export function startPrivate(
  cwd: string,
  port: number,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  user: { uid?: number; gid?: number } = owner(),
): PrivateServer {
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();
  const start = () => {
    const begun = spawn(command, [...args], { ...user, cwd, stdio: 'ignore', env: { ...process.env, ...env } });
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
    killWithChildren(child?.pid);
    return ended;
  };
  start();
  afterwards(kill);
  return { host: '127.0.0.1', port, user: 'sluice', password: 'quiet', kill, start };
}

export function findServer(command: string): string | undefined {
  const versions = existsSync(POSTGRES) ? readdirSync(POSTGRES).map((one) => join(POSTGRES, one, 'bin')) : [];
  const folders = [...versions, ...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, command)).find((path) => existsSync(path));
}
