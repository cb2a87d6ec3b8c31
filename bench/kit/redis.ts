/**
 * A Redis server of its own, syncing its append-only file before each answer, and as much of its protocol as a bench
 * needs: commands pipelined as they stand, answers parsed. Used where redis-server is installed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';

const READY_MS = 5_000;

export type Reply = string | number | null | Reply[];

export function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
}

export class RedisProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #data: string;

  constructor(port: number) {
    this.port = port;
    this.#data = mkdtempSync(join(process.cwd(), '.data-bench-redis-'));
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', this.#data];
    args.push('--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--loglevel', 'warning');
    this.#child = spawn('redis-server', args, { stdio: 'ignore' });
    process.once('exit', () => this.#clean());
  }

  async connect(): Promise<RedisConnection> {
    const deadline = performance.now() + READY_MS;
    for (;;) {
      const socket = connect({ host: '127.0.0.1', port: this.port, noDelay: true });
      const open = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true));
        socket.once('error', () => resolve(false));
      });
      if (open) return new RedisConnection(socket);
      if (performance.now() > deadline) throw new Error('redis-server did not start');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await ended;
    this.#clean();
  }

  #clean(): void {
    this.#child.kill('SIGKILL');
    rmSync(this.#data, { recursive: true, force: true });
  }
}

export class RedisConnection {
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #waiting: ((reply: Reply) => void)[] = [];
  #taken = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data) => this.#data(data));
  }

  /** The bytes of a command, to be sent as often as is wanted. */
  static command(...parts: readonly (string | Uint8Array)[]): Buffer {
    const pieces = parts.flatMap((part) => {
      const bytes = Buffer.from(part);
      return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
    });
    return Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...pieces]);
  }

  /** Sends `commands` commands that stand back to back; each is answered to `onReply`. */
  send(bytes: Uint8Array, commands: number, onReply: (reply: Reply) => void): void {
    for (let i = 0; i < commands; i++) this.#waiting.push(onReply);
    this.#socket.write(bytes);
  }

  call(...parts: readonly (string | Uint8Array)[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.send(RedisConnection.command(...parts), 1, (reply) => {
        if (typeof reply === 'string' && reply.startsWith('-')) reject(new Error(reply));
        else resolve(reply);
      });
    });
  }

  #data(data: Buffer): void {
    const bytes = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    let at = 0;
    for (let parsed = parse(bytes, at); parsed !== undefined; parsed = parse(bytes, at)) {
      at = parsed.next;
      this.#waiting[this.#taken++]?.(parsed.reply);
      if (this.#taken < 10_000) continue;
      this.#waiting = this.#waiting.slice(this.#taken);
      this.#taken = 0;
    }
    this.#rest = bytes.subarray(at);
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** One reply at `at`; undefined when it is not there in full. */
function parse(bytes: Buffer, at: number): { reply: Reply; next: number } | undefined {
  const end = bytes.indexOf('\r\n', at);
  if (end === -1) return undefined;
  const line = bytes.toString('latin1', at + 1, end);
  const next = end + 2;
  switch (bytes[at]) {
    case 0x24: {
      const length = Number(line);
      if (length === -1) return { reply: null, next };
      if (bytes.length < next + length + 2) return undefined;
      return { reply: bytes.toString('latin1', next, next + length), next: next + length + 2 };
    }
    case 0x2a: {
      const replies: Reply[] = [];
      let place = next;
      for (let i = 0; i < Number(line); i++) {
        const parsed = parse(bytes, place);
        if (parsed === undefined) return undefined;
        replies.push(parsed.reply);
        place = parsed.next;
      }
      return { reply: replies, next: place };
    }
    case 0x3a:
      return { reply: Number(line), next };
    default:
      return { reply: bytes.toString('latin1', at, end), next };
  }
}
