/**
 * The built program in a process of its own: `node dist/src/main.js …`. It never outlives the process of the tests
 * by a way that can be prevented: what still runs at its exit is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface CliResult extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Written to the command's stdin, which then ends. */
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** Default 30,000; the command is killed then, which its `signal` shows. */
  readonly timeoutMs?: number;
}

/** The folder of package.json, from the sources as from dist. */
const root: string = findRoot(dirname(fileURLToPath(import.meta.url)));

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function findRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder));
}

export interface Program {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  stdout(): string;
  stderr(): string;
}

/** Starts `node dist/src/main.js …args`, with its output kept as text. */
export function spawnProgram(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
  const main = join(root, 'dist', 'src', 'main.js');
  if (!existsSync(main)) throw new Error('dist/src/main.js is missing: npm run build');
  const child = spawn(process.execPath, [main, ...args], { cwd: root, env: { ...process.env, ...env } });
  running.add(child);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  return { child, exited, stdout: () => out, stderr: () => err };
}

/** Runs one command of the program to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const program = spawnProgram(args, options.env);
  const timer = setTimeout(() => program.child.kill('SIGKILL'), options.timeoutMs ?? 30_000);
  // A command that ends without reading its input closes the pipe; that is its right.
  program.child.stdin?.on('error', () => undefined);
  program.child.stdin?.end(options.input ?? '');
  const exit = await program.exited;
  clearTimeout(timer);
  return { ...exit, stdout: program.stdout(), stderr: program.stderr() };
}
