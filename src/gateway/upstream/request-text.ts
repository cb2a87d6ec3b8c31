/**
 * A request as it is written to a target. Nothing in its head may end a line before its time: whatever a policy or a client
 * put there, the target reads one request. Pure; called by an attempt.
 */
import type { Readable } from 'node:stream';
import { SluiceError } from '#kernel';
import type { CarriedRequest } from './carried.ts';

export interface ComposedRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Names in lower case and values in turn, Host among them. Of a stream whose length is known, `content-length` too. */
  readonly headers: readonly string[];
  /** Null: none. A stream is sent in chunks where its length is not told. */
  readonly body: Uint8Array | Readable | null;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const PATH = /^\/[\x21-\x7e\x80-\xff]*$/;
const REFUSED = /[^\t\x20-\x7e\x80-\xff]/;
/** A server may wait for a body to these unless it is told that there is none. */
const EXPECT_BODY = new Set(['POST', 'PUT', 'PATCH']);

const KEPT_END = 'connection: keep-alive\r\n\r\n';
/** The connection is not used on after it, as the answer reader has it. */
const LAST_END = 'connection: close\r\n\r\n';

/** @throws REQUEST_MALFORMED */
export function writtenRequest({ method, path, headers, body }: ComposedRequest): CarriedRequest {
  // CONNECT would make something else of the connection.
  if (!TOKEN.test(method) || method === 'CONNECT') throw refused('its method');
  if (!PATH.test(path)) throw refused('its path');
  let head = `${method} ${path} HTTP/1.1\r\n`;
  let measured = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (!TOKEN.test(name) || REFUSED.test(value)) throw refused(`the header ${JSON.stringify(name)}`);
    if (name === 'content-length') measured = true;
    head += `${name}: ${value}\r\n`;
  }
  const chunked = body !== null && !(body instanceof Uint8Array) && !measured;
  if (chunked) head += 'transfer-encoding: chunked\r\n';
  else if (body instanceof Uint8Array) head += `content-length: ${body.length}\r\n`;
  else if (body === null && EXPECT_BODY.has(method)) head += 'content-length: 0\r\n';
  head += method === 'HEAD' ? LAST_END : KEPT_END;
  return { method, head, body, chunked };
}

function refused(what: string): SluiceError {
  return new SluiceError('REQUEST_MALFORMED', `the request is not passed on: ${what} is not as it may be`);
}
