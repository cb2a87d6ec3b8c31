/**
 * Load over HTTP/1.1. `closedLoop` is wrk: as many requests as there are answers, from connections that never rest.
 * `openLoop` sends at a fixed rate, spread over its connections, and counts each answer from when its request was due, so
 * that a server which falls behind is not asked less. Answers of one path must all be of one length.
 */
import { execFileSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { percentile } from './report.ts';

export interface Asked {
  readonly port: number;
  readonly path: string;
  readonly headers: readonly string[];
}

export interface Figures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
}

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000 };
const OPEN_AT_ONCE = 200;
const TICK_MS = 1;
const WARM_UP_SHARE = 0.2;

export function closedLoop({ port, path, headers }: Asked, connections: number, seconds: number): Figures {
  const url = `http://127.0.0.1:${port}${path}`;
  const named = headers.flatMap((header) => ['-H', header]);
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '--timeout', '10s', ...named, url];
  const out = execFileSync('wrk', args, { encoding: 'utf8' });
  const latency = (share: string) => {
    const [, value = '0', unit = 'ms'] = new RegExp(`${share}%\\s+([\\d.]+)(us|ms|s)`).exec(out) ?? [];
    return Number(value) * (UNIT_MS[unit] ?? 1);
  };
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(out)?.[1] ?? 0);
  const broken = (/Socket errors: (.*)/.exec(out)?.[1]?.match(/\d+/g) ?? []).reduce((sum, n) => sum + Number(n), 0);
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(out)?.[1] ?? 0);
  return { perSecond, p50: latency('50'), p99: latency('99'), errors: refused + broken };
}

/** One connection, with at most one request under way. */
class Line {
  readonly #socket: Socket;
  readonly #request: Buffer;
  #due = 0;
  #left = 0;
  busy = false;

  constructor(socket: Socket, request: Buffer, answerBytes: number, answered: (line: Line, due: number) => void) {
    this.#socket = socket;
    this.#request = request;
    socket.on('data', (data) => {
      this.#left -= data.length;
      if (this.#left > 0) return;
      this.busy = false;
      answered(this, this.#due);
    });
    this.ask = (due) => {
      this.busy = true;
      this.#due = due;
      this.#left = answerBytes;
      this.#socket.write(this.#request);
    };
  }

  readonly ask: (due: number) => void;

  close(): void {
    this.#socket.destroy();
  }
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}

/** The bytes of a whole answer, by asking once. @throws when it is none of 200 */
async function answerLength(port: number, request: Buffer): Promise<number> {
  const socket = await open(port);
  let text = '';
  return new Promise((resolve, reject) => {
    socket.on('data', (data) => {
      text += data.toString('latin1');
      const head = text.indexOf('\r\n\r\n') + 4;
      if (head < 4) return;
      const bytes = head + Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (text.length < bytes) return;
      socket.destroy();
      if (text.startsWith('HTTP/1.1 200')) resolve(bytes);
      else reject(new Error(text));
    });
    socket.write(request);
  });
}

export async function openLoop(asked: Asked, connections: number, rate: number, seconds: number): Promise<Figures> {
  const { port, path, headers } = asked;
  const lines = headers.map((header) => `${header}\r\n`).join('');
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines}\r\n`);
  const answerBytes = await answerLength(port, request);
  const ms: number[] = [];
  const waiting: number[] = [];
  let errors = 0;
  let over = false;
  const free: Line[] = [];
  const all: Line[] = [];
  const answered = (line: Line, due: number) => {
    ms.push(performance.now() - due);
    const next = waiting.shift();
    if (next !== undefined) line.ask(next);
    else free.push(line);
  };
  while (all.length < connections) {
    const some = Array.from({ length: Math.min(OPEN_AT_ONCE, connections - all.length) }, () => open(port));
    for (const socket of await Promise.all(some)) {
      const line = new Line(socket, request, answerBytes, answered);
      socket.on('close', () => {
        if (!over) errors++;
      });
      all.push(line);
    }
  }
  // The one that rested longest is asked next, so that all of them are.
  free.push(...all);
  const total = Math.floor(rate * seconds);
  const startedAt = performance.now();
  let sent = 0;
  let first = 0;
  await new Promise<void>((resolve) => {
    const tick = () => {
      const now = performance.now();
      for (; sent < total && startedAt + (sent * 1000) / rate <= now; sent++) {
        const due = startedAt + (sent * 1000) / rate;
        const line = free[first];
        if (line === undefined) waiting.push(due);
        else {
          first++;
          line.ask(due);
        }
      }
      if (first > 10_000) free.splice(0, first);
      if (first > 10_000) first = 0;
      if (sent < total) setTimeout(tick, TICK_MS);
      else resolve();
    };
    tick();
  });
  const until = performance.now() + 10_000;
  while (ms.length < total && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  over = true;
  for (const line of all) line.close();
  const settled = ms.slice(Math.floor(ms.length * WARM_UP_SHARE));
  return {
    perSecond: rate,
    p50: percentile(settled, 0.5),
    p99: percentile(settled, 0.99),
    errors: errors + total - ms.length,
  };
}
