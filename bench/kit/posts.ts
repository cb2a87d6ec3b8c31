/**
 * POST requests over kept connections, each with at most one under way, for benches whose answers differ in length. The load
 * is closed (as many as there are answers) or open (at a rate, counted from when each was due).
 */
import { connect, type Socket } from 'node:net';

export interface Post {
  readonly port: number;
  readonly path: string;
  readonly body: string;
}

const HEAD_END = Buffer.from('\r\n\r\n');

class Line {
  readonly #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #answered: ((status: number, body: string) => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data) => this.#take(data));
  }

  ask(request: Buffer, answered: (status: number, body: string) => void): void {
    this.#answered = answered;
    this.#socket.write(request);
  }

  #take(data: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? data : Buffer.concat([this.#bytes, data]);
    const head = this.#bytes.indexOf(HEAD_END);
    if (head < 0) return;
    const text = this.#bytes.toString('latin1', 0, head);
    const end = head + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
    if (this.#bytes.length < end) return;
    const body = this.#bytes.toString('utf8', head + 4, end);
    this.#bytes = this.#bytes.subarray(end);
    this.#answered?.(Number(text.slice(9, 12)), body);
  }

  close(): void {
    this.#socket.destroy();
  }
}

function requestOf({ port, path, body }: Post): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n`;
  return Buffer.from(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

async function openLines(port: number, count: number): Promise<Line[]> {
  const opening = Array.from({ length: count }, async () => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Line(socket);
  });
  return await Promise.all(opening);
}

export interface Posted {
  readonly perSecond: number;
  /** Milliseconds from when each was due, or sent. */
  readonly ms: readonly number[];
  readonly refused: number;
}

/** As many as are answered, for so long. */
export async function postClosed(post: Post, connections: number, seconds: number): Promise<Posted> {
  const lines = await openLines(post.port, connections);
  const request = requestOf(post);
  const ms: number[] = [];
  let refused = 0;
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  await Promise.all(
    lines.map(
      (line) =>
        new Promise<void>((resolve) => {
          const next = () => {
            const sentAt = performance.now();
            if (sentAt >= endsAt) return resolve();
            line.ask(request, (status) => {
              if (status >= 200 && status < 300) ms.push(performance.now() - sentAt);
              else refused++;
              next();
            });
          };
          next();
        }),
    ),
  );
  const took = (performance.now() - startedAt) / 1000;
  for (const line of lines) line.close();
  return { perSecond: ms.length / took, ms, refused };
}

/** At a rate, whether or not those before are answered. */
export async function postOpen(post: Post, connections: number, rate: number, seconds: number): Promise<Posted> {
  const free = await openLines(post.port, connections);
  const all = [...free];
  const request = requestOf(post);
  const total = Math.floor(rate * seconds);
  const ms: number[] = [];
  const waiting: number[] = [];
  let refused = 0;
  let answered = 0;
  const startedAt = performance.now();
  const ask = (line: Line, due: number) => {
    line.ask(request, (status) => {
      answered++;
      if (status >= 200 && status < 300) ms.push(performance.now() - due);
      else refused++;
      const next = waiting.shift();
      if (next === undefined) free.push(line);
      else ask(line, next);
    });
  };
  for (let sent = 0; sent < total || answered < total; await new Promise((resolve) => setTimeout(resolve, 1))) {
    for (; sent < total && startedAt + (sent * 1000) / rate <= performance.now(); sent++) {
      const due = startedAt + (sent * 1000) / rate;
      const line = free.shift();
      if (line === undefined) waiting.push(due);
      else ask(line, due);
    }
  }
  for (const line of all) line.close();
  return { perSecond: rate, ms, refused };
}
