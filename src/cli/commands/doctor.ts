/** `sluice doctor`: what about this machine would hurt a server, found before it does. */
import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve as resolvePath } from 'node:path';
import { Command } from 'commander';
import { formatBytes } from '#kernel';
import { globals } from '../connect.ts';
import { EXIT } from '../exit.ts';
import { print, printJson, table } from '../output.ts';

interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'problem';
  readonly detail: string;
}

const OPEN_FILES_WANTED = 4_096;
const FREE_BYTES_WANTED = 1024 ** 3;
const SYNC_MS_WANTED = 20;
const SYNCS = 20;

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('check this machine: Node, limits, disk, clock, port')
    .option('--data <dir>', 'the data folder to look at', 'data')
    .option('--port <n>', 'the port a server would use', '7070')
    .addHelpText('after', '\nExample:\n  $ sluice doctor --data /var/lib/sluice')
    .action(async ({ data, port }: { data: string; port: string }, command: Command) => {
      const findings = [node(), openFiles(), ...disk(data), clock(), await portFree(Number(port))];
      if (globals(command).json) await printJson(findings);
      else
        await print(
          table(
            ['CHECK', 'STATE', 'DETAIL'],
            findings.map((one) => [one.check, one.state, one.detail]),
          ),
        );
      if (findings.some(({ state }) => state === 'problem')) process.exitCode = EXIT.failed;
    });
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const known = major > 20 || (major === 20 && minor >= 19);
  return { check: 'node', state: known ? 'ok' : 'problem', detail: `${process.version} (20.19 or newer is needed)` };
}

function openFiles(): Finding {
  const line =
    readFileSync('/proc/self/limits', 'utf8')
      .split('\n')
      .find((one) => one.startsWith('Max open files')) ?? '';
  const limit = Number(/(\d+)/.exec(line)?.[1] ?? Number.POSITIVE_INFINITY);
  const detail = `${limit} open files (a connection takes one, an open segment three)`;
  return { check: 'open files', state: limit >= OPEN_FILES_WANTED ? 'ok' : 'warning', detail };
}

/** A data folder that is not there yet will be made in the nearest one that is. */
function nearestFolder(path: string): string {
  const whole = resolvePath(path);
  return existsSync(whole) ? whole : nearestFolder(dirname(whole));
}

function disk(wanted: string): Finding[] {
  try {
    const data = nearestFolder(wanted);
    const { bavail, bsize } = statfsSync(data);
    const free = bavail * bsize;
    const ms = syncMs(data);
    return [
      {
        check: 'disk space',
        state: free >= FREE_BYTES_WANTED ? 'ok' : 'warning',
        detail: `${formatBytes(free)} free for ${data}`,
      },
      {
        check: 'disk sync',
        state: ms <= SYNC_MS_WANTED ? 'ok' : 'warning',
        detail: `${ms.toFixed(2)} ms for a write to reach the disk (median of ${SYNCS})`,
      },
    ];
  } catch (error) {
    return [{ check: 'data folder', state: 'problem', detail: (error as Error).message }];
  }
}

function syncMs(data: string): number {
  const path = join(data, '.doctor');
  const file = openSync(path, 'w');
  const times: number[] = [];
  for (let i = 0; i < SYNCS; i++) {
    const start = performance.now();
    writeSync(file, Buffer.alloc(4096));
    fdatasyncSync(file);
    times.push(performance.now() - start);
  }
  closeSync(file);
  rmSync(path);
  return times.sort((a, b) => a - b)[SYNCS / 2] as number;
}

function clock(): Finding {
  const year = new Date().getFullYear();
  return { check: 'clock', state: year >= 2025 ? 'ok' : 'problem', detail: new Date().toISOString() };
}

function portFree(port: number): Promise<Finding> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve({ check: 'port', state: 'warning', detail: `${port} is in use` }));
    server.listen(port, '127.0.0.1', () =>
      server.close(() => resolve({ check: 'port', state: 'ok', detail: `${port} is free` })),
    );
  });
}
