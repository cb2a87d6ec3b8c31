/**
 * A server in the test's own process, on the reference engine: for tests of the HTTP side that need its limits, its
 * clock or its log at hand. And raw sockets, for what no HTTP client would send.
 */
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { onTestFinished } from 'vitest';
import { Endpoints } from '#connector';
import { type Limits, Metrics, resolveLimits, silentLogger, systemClock } from '#kernel';
import { GroupCoordinator, MemoryLog } from '#log';
import { Processors } from '#processing';
import { openResources, schemaKind } from '#resource';
import { SchemaRegistry } from '#schema';
import { type ServerOptions, startServer } from '#server';

export interface FixtureOptions extends Partial<Omit<ServerOptions, 'limits'>> {
  readonly limits?: Partial<Limits>;
}

/** A running server, closed when the test ends; topic `t` has two partitions. */
export async function serve(options: FixtureOptions = {}) {
  const limits = resolveLimits(options.limits);
  const log = options.log ?? new MemoryLog({ limits, clock: systemClock });
  const schemas = options.schemas ?? new SchemaRegistry(log, limits);
  const opened = await openResources(log, systemClock, [schemaKind(schemas)]);
  const resources = options.resources ?? opened.resources;
  const keys = options.keys ?? opened.keys;
  const secrets = options.secrets ?? opened.secrets;
  if (log.findTopic('t') === undefined) await resources.put('topic', 't', { partitions: 2 }, { by: null });
  const metrics = new Metrics();
  const processors = new Processors({ log, limits, clock: systemClock, logger: silentLogger, metrics });
  const groups = options.groups ?? new GroupCoordinator(log, { limits, clock: systemClock, metrics });
  const common = { limits, clock: systemClock, logger: silentLogger, metrics };
  const secretless = { secret: () => '', replaceSecret: async () => undefined };
  const endpoints = new Endpoints({ ...common, folder: undefined, ...secretless });
  const server = await startServer({
    log,
    groups,
    resources,
    keys,
    secrets,
    processors,
    schemas,
    endpoints,
    metrics,
    logger: silentLogger,
    clock: systemClock,
    listen: { host: '127.0.0.1', port: 0 },
    ...options,
    limits,
  });
  onTestFinished(async () => {
    await server.close();
    await groups.close();
    await processors.close();
    await log.close();
  });
  const url = (path: string) => `${server.url}${path}`;
  return {
    ...server,
    log,
    resources,
    keys,
    schemas,
    metrics,
    get: (path: string, headers: Record<string, string> = {}) => fetch(url(path), { headers }),
    send: (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
      fetch(url(path), {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined
          ? {}
          : { body: body instanceof Uint8Array || typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    /** Produces JSON records to `t`. */
    produce: (records: readonly object[], query = '', headers: Record<string, string> = {}) =>
      fetch(url(`/v1/topics/t/records${query}`), {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ records }),
      }),
    /** Everything in a partition of `t`, as JSON. */
    records: async (partition = 0, topic = 't') => {
      const answer = await fetch(url(`/v1/topics/${topic}/partitions/${partition}/records?offset=earliest`));
      return ((await answer.json()) as { records: Stored[] }).records;
    },
  };
}

export type Fixture = Awaited<ReturnType<typeof serve>>;

export interface Stored {
  offset: number;
  timestamp: number;
  key?: string | null;
  key_base64?: string;
  value?: unknown;
  value_base64?: string;
  headers: Record<string, unknown>;
}

/** The problem document of an answer, after a look at its status and type. */
export async function problemOf(answer: Response): Promise<{ status: number; code: string } & Record<string, unknown>> {
  if (!answer.headers.get('content-type')?.startsWith('application/problem+json')) {
    throw new Error(`no problem document but ${answer.status} ${await answer.text()}`);
  }
  return (await answer.json()) as { status: number; code: string };
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/**
 * Sends bytes as they are and reads answers until the server closes the connection, or `answers` have come.
 * @param pieces strings stand for latin1 bytes; a number waits that many milliseconds
 */
export function raw(
  port: number,
  pieces: readonly (string | Uint8Array | number)[],
  answers = Number.POSITIVE_INFINITY,
): Promise<{ answers: RawAnswer[]; closed: boolean }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    let closed = false;
    const finish = () => {
      socket.destroy();
      resolve({ answers: parseAnswers(received), closed });
    };
    socket.on('data', (data) => {
      received += data.toString('latin1');
      if (parseAnswers(received).length >= answers) finish();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.on('close', () => {
      closed = true;
      finish();
    });
    socket.on('connect', async () => {
      for (const piece of pieces) {
        if (typeof piece === 'number') await new Promise((later) => setTimeout(later, piece));
        else if (!closed) socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
      }
    });
  });
}

function parseAnswers(text: string): RawAnswer[] {
  const found: RawAnswer[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return found;
    const [line = '', ...fields] = rest.slice(0, end).split('\r\n');
    const headers = Object.fromEntries(
      fields.map((field) => [
        field.slice(0, field.indexOf(':')).toLowerCase(),
        field.slice(field.indexOf(':') + 1).trim(),
      ]),
    );
    const length = Number(headers['content-length'] ?? 0);
    const body = rest.slice(end + 4, end + 4 + length);
    if (body.length < length) return found;
    const status = Number(line.split(' ')[1]);
    if (status !== 100) found.push({ status, headers, body });
    rest = rest.slice(end + 4 + length);
  }
}

/** Requests one after the other: status, length told, and the port they came from, which another connection would change. */
export function onOneConnection(port: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  return (method: string, path: string) =>
    new Promise<{ status: number; length: string | undefined; from: number }>((resolve, reject) => {
      const outgoing = request({ host: '127.0.0.1', port, method, path, agent }, (answer) => {
        const { statusCode = 0, headers, socket } = answer;
        const from = socket.localPort ?? 0;
        answer.resume().on('end', () => resolve({ status: statusCode, length: headers['content-length'], from }));
      });
      outgoing.on('error', reject).end();
    });
}
