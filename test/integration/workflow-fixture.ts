/** A server with workflows, and a service that its calls go to, for the tests of workflows from outside. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import type { Server } from '#kit';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly key: string | undefined;
  readonly authorization: string | undefined;
  readonly body: string;
}

export interface Service {
  readonly url: string;
  readonly seen: Seen[];
  close(): void;
}

/** Answers JSON as it is told, 200 unless said. @param scope the test's end closes it, unless the caller does */
export async function startService(
  respond: (seen: Seen, response: ServerResponse) => void = (_seen, response) => void response.end('{"ok":true}'),
  scope: 'test' | 'caller' = 'test',
): Promise<Service> {
  const seen: Seen[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '', headers } = request;
    const one = {
      method,
      url,
      key: headers['idempotency-key'] as string | undefined,
      authorization: headers.authorization,
      body: await text(request),
    };
    seen.push(one);
    response.setHeader('content-type', 'application/json');
    respond(one, response);
  };
  const server = createServer((request, response) => void take(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  if (scope === 'test') onTestFinished(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, close };
}

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
}

export async function ask<T = Record<string, unknown>>(
  { url }: Pick<Server, 'url'>,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<T>> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...type, ...headers },
    ...(body === undefined ? {} : { body: text }),
  });
  const answer = await response.text();
  return { status: response.status, body: (answer === '' ? {} : JSON.parse(answer)) as T };
}

/** Declares a workflow of these tasks. */
export async function declare(
  server: Pick<Server, 'url'>,
  name: string,
  tasks: unknown,
  more: object = {},
): Promise<void> {
  const document = { dsl: '1.0.0', namespace: 'test', name, version: '1.0.0' };
  const { status, body } = await ask(server, 'PUT', `/v1/workflows/${name}`, { document, do: tasks, ...more });
  if (status >= 300) throw new Error(JSON.stringify(body));
}

export interface Execution {
  readonly id: string;
  readonly status: string;
  readonly output?: unknown;
  readonly error?: { readonly status: number; readonly detail?: string } | null;
  readonly tasks?: readonly { readonly task: string; readonly waits: string | null }[];
  readonly duplicate?: boolean;
  readonly code?: string;
}

export async function start(
  server: Pick<Server, 'url'>,
  name: string,
  input: unknown,
  { waitMs, key }: { waitMs?: number; key?: string } = {},
): Promise<Execution> {
  const query = waitMs === undefined ? '' : `?wait_ms=${waitMs}`;
  const headers = key === undefined ? {} : { 'idempotency-key': key };
  const { body } = await ask<Execution>(server, 'POST', `/v1/workflows/${name}/executions${query}`, { input }, headers);
  return body;
}

/** Waits for its end. */
export async function endOf(server: Pick<Server, 'url'>, id: string): Promise<Execution> {
  for (;;) {
    const { body } = await ask<Execution>(server, 'GET', `/v1/executions/${id}?wait_ms=30000`);
    if (body.status !== 'running') return body;
  }
}

export interface HistoryRecord {
  readonly offset: number;
  readonly kind: string;
  readonly type?: string;
  readonly task?: string;
  readonly code?: string;
}

export async function historyOf(server: Pick<Server, 'url'>, id: string): Promise<HistoryRecord[]> {
  const records: HistoryRecord[] = [];
  for (let before: number | null | undefined; before !== null; ) {
    const path = `/v1/executions/${id}/history?limit=50${before === undefined ? '' : `&before=${before}`}`;
    const { body } = await ask<{ records: HistoryRecord[]; before: number | null }>(server, 'GET', path);
    records.unshift(...body.records);
    before = body.before;
  }
  return records;
}
