/** The built server as a process of its own, on a data folder that goes away with it. Used by the demo and the benches. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));
/** The kernel counts processor time in these, on every Linux. */
const TICKS_PER_S = 100;
const ADDRESS = /listening on (http:\/\/\S+:(\d+))/;

export class ServerProcess {
  readonly data: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  url = '';
  port = 0;

  /** @param args further arguments of `sluice serve` */
  constructor(args: readonly string[] = []) {
    this.data = mkdtempSync(join(process.cwd(), '.data-bench-'));
    this.#args = args;
    process.once('exit', () => this.#clean());
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it, again on the same port after the first time; resolves with the milliseconds until it was ready. */
  async start(): Promise<number> {
    // A fixed port: sockets of one that the system chose would keep a restart from it for a minute.
    if (this.port === 0) this.port = await freePort();
    const startedAt = performance.now();
    const args = [MAIN, 'serve', '--data', this.data, '--port', String(this.port), ...this.#args];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const address = await new Promise<RegExpExecArray>((resolve, reject) => {
      lines.on('line', (line) => {
        const match = ADDRESS.exec(line);
        if (match !== null) resolve(match);
      });
      child.once('exit', (code) => reject(new Error(`the server ended with ${code} before it was ready`)));
    });
    this.url = address[1] as string;
    this.port = Number(address[2]);
    return performance.now() - startedAt;
  }

  /** SIGKILL: no handler runs, nothing is flushed. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** Bytes of all files of the store on the disk, holes left out. */
  diskBytes(folder: string = this.data): number {
    let bytes = 0;
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) bytes += this.diskBytes(path);
      else bytes += statSync(path, { throwIfNoEntry: false })?.blocks ?? 0;
    }
    return folder === this.data ? bytes * 512 : bytes;
  }

  /** Seconds of processor time the server has used, all its threads; 0 where /proc does not say. */
  cpuSeconds(): number {
    const path = `/proc/${this.pid}/stat`;
    if (!existsSync(path)) return 0;
    const fields = readFileSync(path, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
  }

  /** A figure of /metrics by the start of its line; 0 when it is not there. */
  async metric(name: string): Promise<number> {
    const page = await (await fetch(`${this.url}/metrics`)).text();
    const line = page.split('\n').find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
    return Number(line?.split(' ').at(-1) ?? 0);
  }

  #clean(): void {
    this.#child?.kill('SIGKILL');
    rmSync(this.data, { recursive: true, force: true });
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
