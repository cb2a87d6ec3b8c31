/**
 * Calls of HTTP services. Redirections are not followed. Unsafe requests carry the key of the effect as `Idempotency-Key`, so
 * that a service that knows it does nothing twice when a crash makes the call come again. Called by the effect runner.
 */
import { Agent, request as send } from 'undici';
import type { HttpRequest } from '../engine/effect.ts';
import { Fault, problem } from '../engine/fault.ts';
import { type Authenticator, authorizationOf } from './authorization.ts';
import type { Doer, EffectContext } from './runner.ts';

export interface HttpOptions {
  readonly answerBytesMax: number;
  readonly connectionsMax: number;
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);
const DETAIL_CHARS = 500;
const MULTIPLE_CHOICES = 300;
const BAD_REQUEST = 400;

export function httpDoer(
  { answerBytesMax, connectionsMax }: HttpOptions,
  authenticator: Authenticator,
): Doer<HttpRequest> {
  const dispatcher = new Agent({ connections: connectionsMax, pipelining: 1 });
  return async (request, context) => {
    const headers = headersOf(request, context);
    const authorization = await authorizationOf(request.authentication, authenticator, context.signal);
    if (authorization !== null) headers['authorization'] = authorization;
    let answer: Awaited<ReturnType<typeof send>>;
    try {
      answer = await send(request.uri, {
        dispatcher,
        method: request.method as 'GET',
        headers,
        body: bodyOf(request),
        signal: context.signal,
        // The runner bounds the whole of it.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
    } catch (error) {
      throw unreachable(request, error);
    }
    const { statusCode } = answer;
    const bytes = await readBody(answer.body, answerBytesMax);
    const type = String(answer.headers['content-type'] ?? '');
    if (statusCode < 200 || statusCode >= (request.redirect ? BAD_REQUEST : MULTIPLE_CHOICES)) {
      const detail = `${request.method} ${withoutQuery(request.uri)} answered ${statusCode}`;
      const said =
        type.includes('json') || type.startsWith('text/') ? `: ${bytes.toString().slice(0, DETAIL_CHARS)}` : '';
      throw new Fault(problem('communication', statusCode, `${detail}${said}`));
    }
    return outputOf(request, statusCode, answer.headers, type, bytes);
  };
}

function headersOf(request: HttpRequest, { key }: EffectContext): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) headers[name.toLowerCase()] = value;
  if (hasBody(request))
    headers['content-type'] ??= typeof request.body === 'string' ? 'text/plain' : 'application/json';
  if (!SAFE.has(request.method)) headers['idempotency-key'] ??= key;
  headers['user-agent'] ??= 'sluice';
  return headers;
}

function hasBody({ body, method }: HttpRequest): boolean {
  return body !== undefined && body !== null && method !== 'GET' && method !== 'HEAD';
}

function bodyOf(request: HttpRequest): string | null {
  if (!hasBody(request)) return null;
  return typeof request.body === 'string' ? request.body : JSON.stringify(request.body);
}

async function readBody(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Fault(problem('communication', 502, `the answer has more than ${bytesMax} bytes`));
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function outputOf(
  request: HttpRequest,
  statusCode: number,
  headers: Readonly<Record<string, unknown>>,
  type: string,
  bytes: Buffer,
): unknown {
  if (request.output === 'raw') return bytes.toString('base64');
  const content = contentOf(type, bytes);
  if (request.output === 'content') return content;
  const { method, uri } = request;
  return { request: { method, uri: withoutQuery(uri), headers: {} }, statusCode, headers, content };
}

function contentOf(type: string, bytes: Buffer): unknown {
  if (bytes.length === 0) return null;
  const text = bytes.toString();
  if (!type.includes('json')) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Fault(problem('communication', 502, `the answer is not JSON, though it says so: ${String(error)}`));
  }
}

/** What is in a query may be a secret. */
function withoutQuery(uri: string): string {
  const at = uri.indexOf('?');
  return at === -1 ? uri : uri.slice(0, at);
}

function unreachable(request: HttpRequest, error: unknown): Fault {
  if (error instanceof Fault) return error;
  const { code, message } = error as { code?: string; message?: string };
  const malformed = code === 'ERR_INVALID_URL' || code === 'UND_ERR_INVALID_ARG';
  const why = `${request.method} ${withoutQuery(request.uri)}: ${message ?? code ?? 'it failed'}`;
  return new Fault(malformed ? problem('configuration', 400, why) : problem('communication', 503, why));
}
