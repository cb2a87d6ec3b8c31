/**
 * A built server with its gateway, and plain Node servers behind it: in the test's own process, or in one of their own where
 * they are to be killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type Server as HttpServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { forWholeFile, freePort, type Server, startServer, waitFor } from '#kit';

export const LOOPBACK = ['127.0.0.0/8'];

/** A gateway of the caller's own. */
export async function startGateway(args: readonly string[] = []) {
  const server = await startServer({ args: ['--gateway-port', '0', '--gateway-threads', '2', ...args] });
  const found = await waitFor(() => /gateway listening on (http:\S+:\d+)/.exec(server.stdout()), {
    what: 'the gateway to print its address',
  });
  return gatewayAt(server, found[1] as string);
}

export type Gateway = ReturnType<typeof gatewayAt>;

/** @param declared gets what was declared, as `kind name` */
function gatewayAt(server: Server, url: string, declared = new Set<string>()) {
  const declare = async (kind: string, name: string, spec: object) => {
    const answer = await fetch(`${server.url}/v1/${kind}s/${name}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(spec),
    });
    if (answer.ok) declared.add(`${kind} ${name}`);
    return answer;
  };
  const put = async (kind: string, name: string, spec: object) => {
    const answer = await declare(kind, name, spec);
    if (!answer.ok) throw new Error(`${kind} ${name}: ${await answer.text()}`);
  };
  return {
    server,
    url,
    port: Number(new URL(url).port),
    /** The answer to a declaration, whatever it is. */
    declare,
    /** Declares, and fails when that is refused. */
    put,
    get: (path: string, headers: Record<string, string> = {}) =>
      fetch(`${url}${path}`, { headers, redirect: 'manual' }),
    /** Declares an upstream of these ports of this machine, and a route that sends everything there. */
    serve: async (ports: readonly number[], upstream: object = {}, route: object = {}) => {
      const targets = ports.map((one) => ({ url: `http://127.0.0.1:${one}` }));
      await put('upstream', 'main', { targets, networks: LOOPBACK, ...upstream });
      await put('route', 'all', { path: '/{rest...}', upstream: 'main', ...route });
    },
    metric: async (pattern: RegExp) =>
      Number(pattern.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1] ?? 0),
  };
}

let shared: Promise<Gateway> | undefined;

/**
 * The gateway of all tests of a file that ask for it. What a test declares there is gone when it ends, so that the next one
 * finds it bare. Not for tests that make clients, which shut the others out, that stop it, or that count all it has seen.
 */
export async function sharedGateway(): Promise<Gateway> {
  shared ??= forWholeFile(() => startGateway());
  const { server, url } = await shared;
  const declared = new Set<string>();
  onTestFinished(async () => {
    // What others stand on goes last.
    for (const kind of ['route', 'api', 'upstream']) {
      for (const name of [...declared].filter((one) => one.startsWith(`${kind} `)).map((one) => one.split(' ')[1])) {
        const answer = await fetch(`${server.url}/v1/${kind}s/${name}`, { method: 'DELETE' });
        if (!answer.ok && answer.status !== 404) throw new Error(`${kind} ${name} stays: ${await answer.text()}`);
      }
    }
  });
  return gatewayAt(server, url, declared);
}

/** A server in this process, closed when the test ends. */
export async function startUpstream(listener: RequestListener): Promise<{ port: number; server: HttpServer }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server };
}

/** A gateway of the caller's own before one upstream in this process. */
export async function behind(listener: RequestListener, route: object = {}, upstream: object = {}) {
  return await before(await startGateway(), listener, route, upstream);
}

/** The same with the gateway that the tests of the file share. */
export async function behindShared(listener: RequestListener, route: object = {}, upstream: object = {}) {
  return await before(await sharedGateway(), listener, route, upstream);
}

async function before(gateway: Gateway, listener: RequestListener, route: object, upstream: object) {
  const { port } = await startUpstream(listener);
  await gateway.serve([port], upstream, route);
  return gateway;
}

const SCRIPT = `
import { createServer } from 'node:http';
const [port, name] = process.argv.slice(1);
createServer((request, response) => {
  request.resume();
  setTimeout(() => response.setHeader('x-target', name).end('hello from ' + name), Number(process.env.DELAY_MS ?? 0));
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
`;

/** A server in a process of its own, which answers with its name. */
export async function spawnUpstream(
  name: string,
  port?: number,
  delayMs = 0,
): Promise<{ port: number; child: ChildProcess }> {
  const taken = port ?? (await freePort());
  const args = ['--input-type=module', '-e', SCRIPT, '--', String(taken), name];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, DELAY_MS: String(delayMs) },
  });
  let output = '';
  child.stdout?.on('data', (text: Buffer) => {
    output += text.toString();
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await waitFor(() => output.includes('ready'), { what: `upstream ${name} to listen` });
  return { port: taken, child };
}

export interface Load {
  /** Ends it; the answers by status and target, and what failed. */
  stop(): Promise<{ answers: Map<string, number>; failures: string[] }>;
  /** Answers so far. */
  count(): number;
}

/** Requests one after the other on each of `connections`, until it is stopped. */
export function load(url: string, connections: number): Load {
  const answers = new Map<string, number>();
  const failures: string[] = [];
  let stopped = false;
  let count = 0;
  const worker = async () => {
    while (!stopped) {
      try {
        const answer = await fetch(url);
        await answer.text();
        count++;
        const target = answer.headers.get('x-target') ?? '';
        answers.set(target, (answers.get(target) ?? 0) + 1);
        if (answer.status !== 200) failures.push(String(answer.status));
      } catch (error) {
        failures.push(String((error as Error).cause ?? error));
      }
    }
  };
  const workers = Array.from({ length: connections }, worker);
  return {
    count: () => count,
    stop: async () => {
      stopped = true;
      await Promise.all(workers);
      return { answers, failures };
    },
  };
}

export interface AccessRecord {
  readonly path: string;
  readonly method: string;
  readonly status: number;
  readonly code?: string;
  readonly [member: string]: unknown;
}

/** Everything recorded so far. */
export async function recorded(
  server: { readonly url: string },
  headers: Record<string, string> = {},
): Promise<AccessRecord[]> {
  const found: AccessRecord[] = [];
  for (let next = 0; ; ) {
    const place = `${server.url}/v1/topics/sys.gateway.requests/partitions/0/records?offset=${next}`;
    const answer = await fetch(place, { headers });
    if (answer.status === 404) return found;
    const page = (await answer.json()) as { records: { value: AccessRecord }[]; next: number };
    if (page.records.length === 0) return found;
    found.push(...page.records.map(({ value }) => value));
    next = page.next;
  }
}

export async function atLeast(server: { readonly url: string }, count: number): Promise<AccessRecord[]> {
  return waitFor(
    async () => {
      const found = await recorded(server);
      return found.length >= count && found;
    },
    { what: `${count} access records` },
  );
}

/** Declares clients and gives the key of each; the first one has to be an administrator, who declares the others. */
export function clients({ url }: { readonly url: string }) {
  let admin: string | undefined;
  const headers = () => ({
    'content-type': 'application/json',
    ...(admin === undefined ? {} : { authorization: `Bearer ${admin}` }),
  });
  return {
    headers,
    issue: async (name: string, spec: object): Promise<string> => {
      const put = await fetch(`${url}/v1/clients/${name}`, {
        method: 'PUT',
        headers: headers(),
        body: JSON.stringify(spec),
      });
      if (!put.ok) throw new Error(await put.text());
      const { key } = (await put.json()) as { key: string };
      admin ??= key;
      return key;
    },
  };
}
