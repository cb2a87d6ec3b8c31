/** A small API for one test: each request goes to a function, and is remembered. Gone with the test. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterwards } from '../cleanup.ts';

export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** Of a JSON body; undefined for another. */
  readonly json: unknown;
}

export interface ApiAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON unless it is text or bytes. */
  readonly body?: unknown;
  /** The connection breaks off instead. */
  readonly cut?: true;
}

export interface Api {
  readonly url: string;
  readonly requests: ApiRequest[];
}

export async function startApi(answer: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>): Promise<Api> {
  const requests: ApiRequest[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const url = new URL(incoming.url ?? '/', 'http://api');
    const text = Buffer.concat(chunks).toString('utf8');
    const isJson = incoming.headers['content-type']?.includes('json') === true && text !== '';
    const request = {
      method: incoming.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers as Record<string, string>,
      text,
      json: isJson ? (JSON.parse(text) as unknown) : undefined,
    };
    requests.push(request);
    const { status = 200, headers = {}, body, cut } = await answer(request);
    if (cut === true) return void incoming.socket.destroy();
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    const type = raw ? 'text/plain' : 'application/json';
    outgoing.writeHead(status, { 'content-type': type, ...headers });
    outgoing.end(body === undefined ? undefined : raw ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterwards(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}
