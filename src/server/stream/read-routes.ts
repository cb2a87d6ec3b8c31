/**
 * `GET` and `HEAD` of a stream: what is there from an offset on, what is there or comes within a while (long poll), and
 * events (`sse.ts`).
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { ServerContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';
import type { AnswerDeclaration, Route } from '../http/route.ts';
import { waitUntil } from '../read/wait.ts';
import { nextCursor } from './cursor.ts';
import { setCommonHeaders } from './headers.ts';
import { joinMessages } from './messages.ts';
import { offsetToken } from './offset.ts';
import { readPage } from './page.ts';
import { parseStreamPath, STREAM_ROOT, scopeSubject } from './path.ts';
import { type ReadRequest, readReadRequest } from './request.ts';
import { answerEvents } from './sse.ts';
import type { Stream } from './stream.ts';

const PAGE_BYTES = 1024 * 1024;
const NO_STORE = 'no-store';
const CACHEABLE = 'max-age=60, stale-while-revalidate=300';
const REVALIDATE = 'max-age=0, must-revalidate';

const NEXT_OFFSET = { name: 'Stream-Next-Offset', description: 'Where to go on' };
const UP_TO_DATE = { name: 'Stream-Up-To-Date', description: 'true: that is the end for now' };
const CLOSED = { name: 'Stream-Closed', description: 'true: that is the end for good' };
const CURSOR = { name: 'Stream-Cursor', description: 'To be echoed as ?cursor= by the next live read' };

const READ_ANSWERS: Record<number, AnswerDeclaration> = {
  200: {
    description: 'The bytes, or a JSON array of the messages, in the content type of the stream; or events',
    types: { '*/*': null, 'application/json': null, 'text/event-stream': null },
    headers: [NEXT_OFFSET, UP_TO_DATE, CLOSED, CURSOR, { name: 'ETag', description: 'Of what is answered' }],
  },
  204: { description: 'Nothing came while the long poll waited', headers: [NEXT_OFFSET, UP_TO_DATE, CLOSED, CURSOR] },
  304: { description: 'The same as If-None-Match' },
};

export function streamReadRoutes(context: ServerContext): Route[] {
  const path = `${STREAM_ROOT}*`;
  const tag = 'Streams';
  const subject = (exchange: Exchange): string => scopeSubject(parseStreamPath(exchange.params[0] as string));
  return [
    {
      method: 'GET',
      path,
      tag,
      subject,
      summary: 'Read a stream: what is there, a long poll, or server-sent events',
      access: 'consume',
      busy: true,
      query: z.object({
        offset: z
          .string()
          .optional()
          .describe('An offset that was answered; -1: the beginning (default); now: the end'),
        live: z.enum(['long-poll', 'sse']).optional().describe('Wait for more; needs offset'),
        cursor: z.string().optional().describe('The last Stream-Cursor'),
      }),
      headers: [{ name: 'If-None-Match', description: 'An ETag: the same is answered with 304' }],
      answers: READ_ANSWERS,
      begin: (exchange) => setCommonHeaders(context, exchange),
      run: (exchange) => read(context, exchange, readReadRequest(exchange)),
    },
    {
      method: 'HEAD',
      path,
      tag,
      subject,
      summary: 'What a stream is and where it ends',
      access: 'observe',
      busy: true,
      answers: {
        200: {
          description: 'The stream is there',
          headers: [
            NEXT_OFFSET,
            CLOSED,
            { name: 'Stream-TTL', description: 'Seconds without use after which it goes' },
            { name: 'Stream-Expires-At', description: 'When it goes' },
          ],
        },
      },
      begin: (exchange) => setCommonHeaders(context, exchange),
      run: (exchange) => describe(exchange, context.streams.get(parseStreamPath(exchange.params[0] as string))),
    },
  ];
}

function describe(exchange: Exchange, stream: Stream): void {
  const { contentType, ttlSeconds, expiresAt } = stream.document;
  exchange.setHeader('Cache-Control', NO_STORE);
  exchange.setHeader('Stream-Next-Offset', offsetToken(stream.tail));
  if (stream.closed) exchange.setHeader('Stream-Closed', 'true');
  if (ttlSeconds !== null) exchange.setHeader('Stream-TTL', String(ttlSeconds));
  if (expiresAt !== null) exchange.setHeader('Stream-Expires-At', new Date(expiresAt).toISOString());
  exchange.bytes(200, contentType, '');
}

function read(context: ServerContext, exchange: Exchange, request: ReadRequest): void | Promise<void> {
  const stream = context.streams.get(parseStreamPath(exchange.params[0] as string));
  const from = request.from === 'now' ? stream.tail : request.from;
  if (from > stream.tail) {
    throw new SluiceError('REQUEST_INVALID', 'the offset is beyond the end of the stream', {
      field: 'offset',
      next_offset: offsetToken(stream.tail),
    });
  }
  context.streams.touch(stream);
  if (request.live === 'sse') return answerEvents(context, exchange, stream, from, request.cursor);
  if (request.live === 'long-poll') return poll(context, exchange, stream, from, request.cursor);
  if (request.from === 'now') answerEnd(exchange, stream);
  else answerPage(context, exchange, stream, from);
  return undefined;
}

/** No message, whatever is there: only where the end is. */
function answerEnd(exchange: Exchange, stream: Stream): void {
  setPlace(exchange, stream, stream.tail);
  exchange.setHeader('Cache-Control', NO_STORE);
  exchange.bytes(200, stream.document.contentType, joinMessages(stream.isJson, []));
}

async function poll(
  context: ServerContext,
  exchange: Exchange,
  stream: Stream,
  from: number,
  cursor: string | undefined,
): Promise<void> {
  const gone = new AbortController();
  exchange.onAborted(() => gone.abort());
  const release = stream.hold(context.clock);
  const more = (): boolean => stream.tail > from || stream.closed || stream.gone;
  await waitUntil(more, [(check) => stream.onChange(check)], context.limits.streamWaitMs, [
    context.shutdown,
    gone.signal,
  ]);
  release();
  if (exchange.over) return;
  if (stream.gone) throw goneError(context, stream);
  exchange.setHeader('Stream-Cursor', String(nextCursor(context.clock.now(), cursor)));
  if (stream.tail > from) {
    // The cursor makes the address another one the next time.
    answerPage(context, exchange, stream, from, CACHEABLE);
    return;
  }
  setPlace(exchange, stream, from);
  exchange.setHeader('Cache-Control', NO_STORE);
  exchange.empty(204);
}

/** Why a stream that was there is no more, also where another one has taken its path. */
function goneError({ streams }: ServerContext, { path, forks }: Stream): SluiceError {
  const code = forks > 0 && streams.has(path) ? 'STREAM_GONE' : 'STREAM_UNKNOWN';
  return new SluiceError(code, `the stream ${path} was deleted while it was read`);
}

/** @param atEndCaching how long a page may be kept that ends where the stream does; others can never become another answer */
function answerPage(
  context: ServerContext,
  exchange: Exchange,
  stream: Stream,
  from: number,
  atEndCaching = REVALIDATE,
): void {
  const { body, next } = readPage(stream, from, Math.min(PAGE_BYTES, context.limits.readBytesMax));
  const atEnd = next === stream.tail;
  const { id, contentType } = stream.document;
  const etag = `"${id}:${from}:${next}${atEnd && stream.closed ? ':c' : ''}"`;
  setPlace(exchange, stream, next);
  exchange.setHeader('ETag', etag);
  const audience = context.keys.required ? 'private' : 'public';
  exchange.setHeader('Cache-Control', `${audience}, ${atEnd ? atEndCaching : CACHEABLE}`);
  if (isNamed(exchange.header('if-none-match'), etag)) exchange.empty(304);
  else exchange.bytes(200, contentType, body);
}

function setPlace(exchange: Exchange, stream: Stream, next: number): void {
  exchange.setHeader('Stream-Next-Offset', offsetToken(next));
  if (next !== stream.tail) return;
  exchange.setHeader('Stream-Up-To-Date', 'true');
  if (stream.closed) exchange.setHeader('Stream-Closed', 'true');
}

/** Whether an `If-None-Match` names the tag. */
function isNamed(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((part) => part.trim().replace(/^W\//, '') === etag);
}
