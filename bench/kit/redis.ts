/**
 * What a Node user would do instead of a processor: a Redis Streams consumer group that reads, maps, writes and
 * acknowledges, with `appendfsync always`. The server comes from Debian's redis-server, started privately where it is
 * installed; the client is a socket that speaks RESP, pipelined, so that no client library is the limit.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';

const BATCH = 500;
const CONNECT_TRIES = 200;
const CONNECT_MS = 25;

/** Commands in, parsed replies out, in order. */
class RespConnection {
  readonly #socket: Socket;
  readonly #waiting: ((reply: unknown) => void)[] = [];
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data) => this.#data(data));
  }

  send(commands: readonly (readonly (string | Buffer)[])[]): Promise<unknown[]> {
    const parts: (string | Buffer)[] = [];
    const replies = commands.map((command) => {
      parts.push(`*${command.length}\r\n`);
      for (const word of command) parts.push(`$${Buffer.byteLength(word)}\r\n`, word, '\r\n');
      return new Promise<unknown>((resolve) => this.#waiting.push(resolve));
    });
    this.#socket.write(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))));
    return Promise.all(replies);
  }

  #data(data: Buffer): void {
    this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    for (let at = 0; ; ) {
      const parsed = parse(this.#rest, at);
      if (parsed === undefined) {
        this.#rest = this.#rest.subarray(at);
        return;
      }
      at = parsed.end;
      this.#waiting.shift()?.(parsed.value);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** One reply from `at` on; undefined when it is not all there. */
function parse(bytes: Buffer, at: number): { value: unknown; end: number } | undefined {
  const line = bytes.indexOf('\r\n', at);
  if (line === -1) return undefined;
  const head = bytes.toString('latin1', at + 1, line);
  const type = String.fromCharCode(bytes[at] as number);
  if (type === '+' || type === ':') return { value: head, end: line + 2 };
  if (type === '-') throw new Error(`redis: ${head}`);
  const length = Number(head);
  if (type === '$') {
    if (length < 0) return { value: null, end: line + 2 };
    const end = line + 2 + length + 2;
    return end > bytes.length ? undefined : { value: bytes.subarray(line + 2, line + 2 + length), end };
  }
  const items: unknown[] = [];
  let end = line + 2;
  for (let i = 0; i < length; i++) {
    const item = parse(bytes, end);
    if (item === undefined) return undefined;
    items.push(item.value);
    end = item.end;
  }
  return { value: items, end };
}

async function connected(path: string): Promise<RespConnection> {
  for (let tries = 0; tries < CONNECT_TRIES; tries++) {
    const socket = connect(path);
    const opened = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (opened) return new RespConnection(socket);
    await new Promise((resolve) => setTimeout(resolve, CONNECT_MS));
  }
  throw new Error('redis-server did not start');
}

/** Runs `work` on a private server that syncs each write; undefined where redis-server is not installed. */
export async function withRedis<T>(work: (connection: RespConnection) => Promise<T>): Promise<T | undefined> {
  if (spawnSync('redis-server', ['--version']).status !== 0) return undefined;
  const folder = mkdtempSync(join(process.cwd(), '.data-bench-redis-'));
  const socket = join(folder, 'redis.sock');
  const args = ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', ''];
  args.push('--appendonly', 'yes', '--appendfsync', 'always');
  const server: ChildProcess = spawn('redis-server', args, { stdio: 'ignore' });
  const ended = new Promise((resolve) => server.once('exit', resolve));
  try {
    const connection = await connected(socket);
    const result = await work(connection);
    connection.close();
    return result;
  } finally {
    server.kill('SIGTERM');
    await ended;
    if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
  }
}

type Entry = readonly [id: Buffer, fields: readonly Buffer[]];

/** Records a second of the same map from stream to stream: read 500, add 500, acknowledge 500, one pipeline each. */
export function redisMap(records: number, value: (n: number) => string): Promise<number | undefined> {
  return withRedis(async (redis) => {
    await redis.send([['XGROUP', 'CREATE', 'in', 'g', '0', 'MKSTREAM']]);
    for (let n = 0; n < records; n += BATCH) {
      await redis.send(Array.from({ length: BATCH }, (_, i) => ['XADD', 'in', '*', 'v', value(n + i)]));
    }
    const startedAt = performance.now();
    for (let done = 0; done < records; ) {
      const read = ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', String(BATCH), 'STREAMS', 'in', '>'];
      const [reply] = (await redis.send([read])) as [[[Buffer, Entry[]]]];
      const entries = reply[0][1];
      const adds = entries.map(([, fields]) => {
        const order = JSON.parse((fields[1] as Buffer).toString()) as { amount: number };
        return ['XADD', 'out', '*', 'v', JSON.stringify({ ...order, amount: order.amount * 2 })];
      });
      await redis.send([...adds, ['XACK', 'in', 'g', ...entries.map(([id]) => id)]]);
      done += entries.length;
    }
    return records / ((performance.now() - startedAt) / 1000);
  });
}
