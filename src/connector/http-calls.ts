/**
 * HTTP for connectors whose system is not one of the declarative runtime: connections of its own that end with it, bounded in
 * time, and its failures as coded errors. Bodies come as they are taken.
 */
import type { Agent } from 'undici';
import { SluiceError } from '#kernel';

const CONNECT_MS = 5_000;
const ANSWER_MS = 20_000;
const TEXT_BYTES_MAX = 16 * 1024 * 1024;
const RETRY_MS = 1_000;
const MESSAGE_CHARS = 300;

export interface HttpCall {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE' | 'PATCH';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
  text(): Promise<string>;
  /** Lets go of a body that nobody wants. */
  discard(): Promise<void>;
}

export class HttpCalls {
  readonly #agent: Agent;

  private constructor(agent: Agent) {
    this.#agent = agent;
  }

  /** The library is loaded by those who call. */
  static async open({ verifyTls = true, answerMs = ANSWER_MS } = {}): Promise<HttpCalls> {
    const { Agent } = await import('undici');
    const connect = { timeout: CONNECT_MS, rejectUnauthorized: verifyTls };
    return new HttpCalls(new Agent({ connect, headersTimeout: answerMs, bodyTimeout: answerMs }));
  }

  /** @throws ENDPOINT_UNREACHABLE; what an answer's status means is the caller's */
  async call({ method, url, headers, body, signal }: HttpCall): Promise<HttpAnswer> {
    const { origin, pathname, search } = new URL(url);
    const path = `${pathname}${search}`;
    const options = { origin, path, method, headers: headers ?? {}, body: body ?? null };
    try {
      const answer = await this.#agent.request({ ...options, ...(signal === undefined ? {} : { signal }) });
      const { statusCode: status, headers: given, body: stream } = answer;
      return {
        status,
        headers: given,
        body: coded(stream, origin),
        text: () => textOf(coded(stream, origin)),
        discard: () => stream.dump(),
      };
    } catch (error) {
      throw unreachable(error, origin);
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }
}

/** What a status that is no success means; what the body says goes with it. */
export async function statusError({ status, headers, text }: HttpAnswer): Promise<SluiceError> {
  const said = (await text().catch(() => '')).replace(/\s+/g, ' ').slice(0, MESSAGE_CHARS);
  const message = `it answers ${status}${said === '' ? '' : `: ${said}`}`;
  if (status === 401 || status === 403) return new SluiceError('ENDPOINT_REFUSED', message);
  if (status === 429 || status === 503) {
    const seconds = Number(headers['retry-after']);
    const wait = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : RETRY_MS;
    return new SluiceError('ENDPOINT_RATE_LIMITED', message, { retry_after_ms: wait });
  }
  if (status >= 500) return new SluiceError('ENDPOINT_UNREACHABLE', message);
  return new SluiceError('ENDPOINT_FAILED', message, { status });
}

async function* coded(body: AsyncIterable<Uint8Array>, origin: string): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw unreachable(error, origin);
  }
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > TEXT_BYTES_MAX) throw new SluiceError('ENDPOINT_FAILED', `its answer has over ${TEXT_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function unreachable(error: unknown, origin: string): unknown {
  if (error instanceof SluiceError || (error as Error).name === 'AbortError') return error;
  const { message, cause } = error as Error;
  const inner = cause === undefined || cause === null ? '' : `: ${(cause as Error).message}`;
  return new SluiceError('ENDPOINT_UNREACHABLE', `${origin}: ${message}${inner}`);
}
