/**
 * A proxy between a connector and a server that does what networks and busy systems do: too many requests (with Retry-After, or
 * with the header of a reset), bursts of 503, connections that are reset, slow answers, bodies that are cut, a page that comes
 * again instead of the next one, records in another order. Addresses of the server in answers become its own.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterwards } from '../cleanup.ts';

export const FAULTS = [
  'limited',
  'reset header',
  'burst',
  'cut off',
  'slow',
  'cut body',
  'cut text',
  'duplicate',
  'reordered',
] as const;
export type Fault = (typeof FAULTS)[number];

/** Every so many requests one goes wrong. */
const EVERY = 2;
const BURST = 3;
const SLOW_MS = 30;
const RESET_MS = 80;

interface Whole {
  readonly status: number;
  readonly headers: Record<string, string | string[]>;
  readonly body: Buffer;
}

export interface FaultProxy {
  readonly url: string;
  /** Which fault from now on; undefined: none. */
  use(fault: Fault | undefined): void;
  /** How many requests have gone wrong. */
  readonly faults: number;
  /** Requests that came, faults and all. */
  readonly requests: number;
}

/** @param only which requests may go wrong; default: those that read */
export async function startFaultProxy(
  target: string,
  only: (method: string, path: string) => boolean = (method) => method === 'GET',
): Promise<FaultProxy> {
  const state = { fault: undefined as Fault | undefined, faults: 0, requests: 0, counted: 0, burst: 0 };
  const earlier = new Map<string, Whole>();
  const server: Server = createServer((incoming, answer) => {
    void pass(incoming, answer).catch(() => answer.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterwards(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const own = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function pass(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    state.requests++;
    const { method = 'GET', url = '/' } = incoming;
    const body = await bytesOf(incoming);
    const path = url.split('?')[0] ?? '';
    const due = state.burst > 0 || (only(method, url) && ++state.counted % EVERY === 0);
    const fault = due ? state.fault : undefined;
    if (fault !== undefined) state.faults++;
    if (fault === 'limited') return void answer.writeHead(429, { 'retry-after': '0' }).end('{"message":"too many"}');
    if (fault === 'reset header') {
      const at = ((Date.now() + RESET_MS) / 1000).toFixed(3);
      return void answer.writeHead(429, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': at, date: '' }).end('{}');
    }
    if (fault === 'burst') {
      state.burst = state.burst > 0 ? state.burst - 1 : BURST - 1;
      return void answer.writeHead(503).end('busy');
    }
    if (fault === 'cut off') return void incoming.socket.destroy();
    if (fault === 'slow') await sleep(SLOW_MS);
    const whole = await forward(target, own, incoming, body);
    const before = earlier.get(path);
    if (method === 'GET') earlier.set(path, whole);
    return send(answer, fault === 'duplicate' && before !== undefined ? before : whole, fault);
  }

  return {
    url: own,
    use: (fault) => {
      Object.assign(state, { fault, burst: 0, counted: 0 });
      earlier.clear();
    },
    get faults() {
      return state.faults;
    },
    get requests() {
      return state.requests;
    },
  };
}

async function send(answer: ServerResponse, { status, headers, body }: Whole, fault: Fault | undefined): Promise<void> {
  const half = body.subarray(0, Math.floor(body.length / 2));
  if (fault === 'cut body') {
    answer.writeHead(status, { ...headers, 'content-length': body.length });
    answer.write(half);
    await sleep(1);
    answer.destroy();
    return;
  }
  const sent = fault === 'cut text' ? half : fault === 'reordered' ? reordered(body) : body;
  answer.writeHead(status, { ...headers, 'content-length': sent.length });
  if (fault === 'slow') {
    answer.write(sent.subarray(0, 1));
    await sleep(SLOW_MS);
    answer.end(sent.subarray(1));
  } else answer.end(sent);
}

function forward(target: string, own: string, incoming: IncomingMessage, body: Buffer): Promise<Whole> {
  const { origin } = new URL(target);
  const mine = (text: string) => text.replaceAll(origin, own);
  const { host: _, 'accept-encoding': __, connection: ___, ...headers } = incoming.headers;
  return new Promise((resolve, reject) => {
    const options = { method: incoming.method ?? 'GET', headers: { ...headers, 'content-length': body.length } };
    const outgoing = request(new URL(incoming.url ?? '/', target), options, (response) => {
      bytesOf(response).then((bytes) => {
        const {
          'content-length': a,
          'transfer-encoding': b,
          connection: c,
          'keep-alive': d,
          ...rest
        } = response.headers;
        const passed = Object.entries(rest).flatMap(([name, value]) =>
          value === undefined ? [] : [[name, typeof value === 'string' ? mine(value) : value] as const],
        );
        const text = Buffer.from(mine(bytes.toString('latin1')), 'latin1');
        resolve({ status: response.statusCode ?? 502, headers: Object.fromEntries(passed), body: text });
      }, reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Lists of objects the other way round, where it is JSON. */
function reordered(body: Buffer): Buffer {
  try {
    const turned = JSON.parse(body.toString('utf8'), (_, value: unknown) =>
      Array.isArray(value) && typeof value[0] === 'object' ? [...(value as unknown[])].reverse() : value,
    ) as unknown;
    return Buffer.from(JSON.stringify(turned));
  } catch {
    return body;
  }
}

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
