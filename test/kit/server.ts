/**
 * A real server for a test: the built program on a free port, with a data folder of its own. Both are gone when the
 * test ends. To start again on the same data, hand the `dataDir` of the last server to the next one.
 */
import { afterwards } from './cleanup.ts';
import { tempDir } from './place.ts';
import { type Exit, type Program, spawnProgram } from './process.ts';
import { waitFor } from './wait.ts';

export interface ServerOptions {
  /** Default: a new temporary folder. */
  readonly dataDir?: string;
  /** Default 0: any free one. */
  readonly port?: number;
  /** Further arguments of `serve`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** How long the server may take until it is ready; default 30,000. */
  readonly readyMs?: number;
}

export interface Server {
  /** `http://127.0.0.1:41234` */
  readonly url: string;
  /** Of the WebSocket endpoint: `ws://127.0.0.1:41234/v1/ws` */
  readonly wsUrl: string;
  readonly port: number;
  readonly pid: number;
  readonly dataDir: string;
  /** Resolves when the process has ended. */
  readonly exited: Promise<Exit>;
  /** What it has written to stdout and stderr so far. */
  stdout(): string;
  stderr(): string;
  /** Sends a signal that leaves the process there, such as SIGSTOP and SIGCONT. */
  signal(name: NodeJS.Signals): void;
  /** Ends the process with a signal, SIGKILL unless another is named, and waits for its end. */
  kill(signal?: NodeJS.Signals): Promise<Exit>;
  /** Asks it to shut down (SIGTERM) and waits for its end; fails when that takes longer than 30 s. */
  stop(): Promise<Exit>;
}

const LISTENING = /listening on (https?:\/\/\S+:(\d+))/;

/** @throws when the process ends, or is not ready in time; the message carries its stderr */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const dataDir = options.dataDir ?? (await tempDir());
  const args = ['serve', '--data', dataDir, '--port', String(options.port ?? 0), ...(options.args ?? [])];
  const program = spawnProgram(args, options.env);
  afterwards(async () => {
    program.child.kill('SIGKILL');
    await program.exited;
  });
  const [, url, port] = await listening(program, options.readyMs ?? 30_000);
  const kill = (signal: NodeJS.Signals = 'SIGKILL') => {
    program.child.kill(signal);
    return program.exited;
  };
  return {
    url: url as string,
    wsUrl: `${(url as string).replace(/^http/, 'ws')}/v1/ws`,
    port: Number(port),
    pid: program.child.pid as number,
    dataDir,
    exited: program.exited,
    stdout: program.stdout,
    stderr: program.stderr,
    signal: (name) => void program.child.kill(name),
    kill,
    stop: () => stopped(kill('SIGTERM'), program),
  };
}

async function listening(program: Program, timeoutMs: number): Promise<RegExpMatchArray> {
  let ended: Exit | undefined;
  void program.exited.then((exit) => {
    ended = exit;
  });
  const line = await waitFor(() => ended ?? LISTENING.exec(program.stdout()), {
    what: 'the server to print its address',
    timeoutMs,
  }).catch((error: Error) => {
    throw new Error(`${error.message}; its stderr: ${program.stderr()}`);
  });
  if ('code' in line) {
    throw new Error(`the server ended with code ${line.code} (${line.signal}) at its start: ${program.stderr()}`);
  }
  return line;
}

async function stopped(exited: Promise<Exit>, program: Program): Promise<Exit> {
  let ended: Exit | undefined;
  void exited.then((exit) => {
    ended = exit;
  });
  return waitFor(() => ended, { what: 'the server to shut down', timeoutMs: 30_000 }).catch((error: Error) => {
    throw new Error(`${error.message}; its stderr: ${program.stderr()}`);
  });
}
