/**
 * A queued request as a record: its body is the value, its key decides the order, all else is one header. Written on
 * listener threads, read where it is delivered. The id is given once and stays with the request through every attempt.
 */
import { randomBytes } from 'node:crypto';
import { decodeUtf8, encodeUtf8 } from '#kernel';
import { encodeBatch, type LogRecord } from '#record';
import { callerOf } from '../caller.ts';
import type { GatewayRequest } from '../policy.ts';
import type { QueueSpec } from './schema.ts';

const TOPIC_PREFIX = 'sys.gateway.queue.';
const HEADER = 'sluice-request';
/** Tell the upstream which request this is, and which attempt. Only the gateway may say it. */
const ID_HEADER = 'x-sluice-queued-id';
const ATTEMPT_HEADER = 'x-sluice-attempt';
const TIME_HEX = 12;
const RANDOM_BYTES = 10;
const ID = /^[0-9a-f]{12}-[0-9a-f]{20}$/;
const KEY_CHARS_MAX = 1_000;

export interface QueuedRequest {
  readonly id: string;
  readonly method: string;
  /** Path and query that the upstream is asked for. */
  readonly target: string;
  /** What the client sent as Host. */
  readonly host: string;
  /** It is for the route's canary, if there still is one. */
  readonly canary: boolean;
  /** Names in lower case and values in turn. */
  readonly headers: readonly string[];
}

/** Of the queue's topic, and of the group that delivers it. */
export function queueTopic(route: string): string {
  return TOPIC_PREFIX + route;
}

/** Ordered by time, and not to be guessed. */
export function newId(now: number): string {
  return `${now.toString(16).padStart(TIME_HEX, '0')}-${randomBytes(RANDOM_BYTES).toString('hex')}`;
}

export function isId(text: string): boolean {
  return ID.test(text);
}

/** One record as a batch. */
export function encodeQueued(
  { headers, ...facts }: QueuedRequest,
  key: string | undefined,
  body: Uint8Array,
): Uint8Array {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== ID_HEADER && headers[i] !== ATTEMPT_HEADER)
      kept.push(headers[i] as string, headers[i + 1] as string);
  }
  const request = encodeUtf8(JSON.stringify({ ...facts, headers: kept }));
  return encodeBatch([
    { key: key === undefined ? null : encodeUtf8(key), value: body, headers: [{ key: HEADER, value: request }] },
  ]);
}

/** Undefined: the record is no queued request. */
export function readQueued({ headers }: LogRecord): QueuedRequest | undefined {
  const found = headers.find(({ key }) => key === HEADER)?.value;
  if (found === undefined || found === null) return undefined;
  try {
    const request = JSON.parse(decodeUtf8(found)) as QueuedRequest;
    return isId(request.id) ? request : undefined;
  } catch {
    return undefined;
  }
}

/** What the upstream is sent besides the body: the same with every attempt, apart from the number of the attempt. */
export function deliveredHeaders({ id, headers }: QueuedRequest, attempt: number): string[] {
  const all = [...headers, ID_HEADER, id, ATTEMPT_HEADER, String(attempt)];
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === 'idempotency-key') return all;
  all.push('idempotency-key', `"${id}"`);
  return all;
}

/** How the key of a request is found. @param path the route's, which names the parameters */
export function keyReader(
  { key }: Pick<QueueSpec, 'key'>,
  path: string,
): (request: GatewayRequest) => string | undefined {
  if (key === undefined) return () => undefined;
  const bounded = (text: string | null | undefined) =>
    text === null || text === undefined || text === '' ? undefined : text.slice(0, KEY_CHARS_MAX);
  if (key === 'client') return (request) => bounded(callerOf(request));
  const at = key.indexOf(':');
  const [what, name] = [key.slice(0, at), key.slice(at + 1)];
  if (what === 'header') return (request) => bounded(request.header(name.toLowerCase()));
  if (what === 'query') return ({ query }) => bounded(new URLSearchParams(query).get(name));
  if (what === 'param') {
    const index = [...path.matchAll(/\{([a-z0-9_]+)(?:\.\.\.)?\}/g)].findIndex(([, found]) => found === name);
    return ({ params }) => bounded(params[index]);
  }
  const parts = name.split('/').slice(1);
  const steps = parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  return ({ body }) => bounded(bodyKey(body, steps));
}

/** A body that is no JSON, or has nothing there, has no key: it is no reason to refuse the request. */
function bodyKey(body: Buffer | undefined, steps: readonly string[]): string | undefined {
  let found: unknown;
  try {
    found = JSON.parse(body?.toString('utf8') ?? '');
  } catch {
    return undefined;
  }
  for (const step of steps) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Record<string, unknown>)[step];
  }
  return typeof found === 'string' || typeof found === 'number' ? String(found) : undefined;
}
