/**
 * The Durable Streams protocol under `/v1/stream/`: a stream is an address to which bytes or JSON messages are appended
 * and from which they are read, from any offset on, as often as wanted. Making, appending, closing and deleting are
 * here, reading is in `read-routes.ts`.
 */
import type { ServerContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';
import type { BodyDeclaration, HeaderDeclaration, Route } from '../http/route.ts';
import type { AppendOutcome } from './append-draft.ts';
import { answerPreflight, setCommonHeaders } from './headers.ts';
import { offsetToken } from './offset.ts';
import { parseStreamPath, parseStreamReference, STREAM_ROOT, scopeSubject } from './path.ts';
import { streamReadRoutes } from './read-routes.ts';
import { readAppendRequest, readCreateRequest, readForkRequest } from './request.ts';

const TAG = 'Streams';
const PATH = `${STREAM_ROOT}*`;
const CLOSED: HeaderDeclaration = { name: 'Stream-Closed', description: 'true: nothing will follow' };
const NEXT_OFFSET: HeaderDeclaration = { name: 'Stream-Next-Offset', description: 'Where the stream ends now' };

export function streamRoutes(context: ServerContext): Route[] {
  return [
    createRoute(context),
    appendRoute(context),
    ...streamReadRoutes(context),
    preflightRoute(context),
    deleteRoute(context),
  ];
}

function createRoute(context: ServerContext): Route {
  return {
    method: 'PUT',
    path: PATH,
    tag: TAG,
    subject: (exchange) => scopeSubject(pathOf(exchange)),
    summary: 'Make a stream, or a fork of one; the same request again changes nothing',
    access: 'produce',
    headers: [
      { name: 'Stream-TTL', description: 'Seconds without a read or write after which the stream goes' },
      { name: 'Stream-Expires-At', description: 'When the stream goes, as of RFC 3339' },
      { ...CLOSED, description: 'true: the body is all there will be' },
      { name: 'Stream-Forked-From', description: 'Path of the stream whose messages it begins with' },
      { name: 'Stream-Fork-Offset', description: 'Where it leaves that stream; default its end' },
      { name: 'Stream-Fork-Sub-Offset', description: 'Messages (JSON) or bytes past that offset' },
    ],
    body: body(context),
    answers: {
      200: { description: 'The stream was there, as asked for', headers: [NEXT_OFFSET, CLOSED] },
      201: {
        description: 'Made',
        headers: [NEXT_OFFSET, CLOSED, { name: 'Location', description: 'Its address' }],
      },
    },
    begin: (exchange) => setCommonHeaders(context, exchange),
    run: (exchange) => {
      exchange.readBody(context.limits.requestBytesMax, (bytes) =>
        exchange.settle(() => create(context, exchange, bytes.slice())),
      );
    },
  };
}

async function create(context: ServerContext, exchange: Exchange, bytes: Uint8Array): Promise<void> {
  const { streams } = context;
  const fork = readForkRequest(exchange, sourceOf(context, exchange));
  const { stream, created } = await streams.create(pathOf(exchange), readCreateRequest(exchange, bytes, fork));
  if (created) exchange.setHeader('Location', addressOf(context, exchange));
  exchange.setHeader('Stream-Next-Offset', offsetToken(stream.tail));
  if (stream.closed) exchange.setHeader('Stream-Closed', 'true');
  exchange.bytes(created ? 201 : 200, stream.document.contentType, '');
}

/** The path that is to be forked. @throws FORBIDDEN to those who may not read it */
function sourceOf({ streams }: ServerContext, exchange: Exchange): string | undefined {
  const reference = exchange.header('stream-forked-from');
  if (reference === undefined) return undefined;
  const paths = parseStreamReference(reference);
  const source = paths.find((path) => streams.has(path)) ?? (paths[0] as string);
  exchange.principal.require('consume', scopeSubject(source));
  return source;
}

function addressOf({ scheme }: ServerContext, exchange: Exchange): string {
  const forwarded = exchange.header('x-forwarded-proto');
  const outer = forwarded === 'http' || forwarded === 'https' ? forwarded : scheme;
  return `${outer}://${exchange.header('host')}${exchange.path}`;
}

function appendRoute(context: ServerContext): Route {
  return {
    method: 'POST',
    path: PATH,
    tag: TAG,
    subject: (exchange) => scopeSubject(pathOf(exchange)),
    summary: 'Append to a stream, close it, or both at once',
    access: 'produce',
    busy: true,
    headers: [
      { ...CLOSED, description: 'true: the stream is closed behind the body, which may be empty then' },
      { name: 'Stream-Seq', description: 'Must sort above the last one of the stream, byte by byte' },
      { name: 'Producer-Id', description: 'Name of an idempotent producer; the request is stored once' },
      { name: 'Producer-Epoch', description: 'Fences holders of a lower epoch' },
      { name: 'Producer-Seq', description: 'Number of the request within its epoch, from 0' },
    ],
    body: body(context),
    answers: {
      200: { description: 'Stored, for an idempotent producer', headers: [NEXT_OFFSET, CLOSED, ...PRODUCER] },
      204: { description: 'Stored; or closed; or stored before', headers: [NEXT_OFFSET, CLOSED, ...PRODUCER] },
    },
    begin: (exchange) => setCommonHeaders(context, exchange),
    run: (exchange) => {
      exchange.readBody(context.limits.requestBytesMax, (bytes) =>
        exchange.settle(async () => {
          const request = readAppendRequest(exchange, bytes.slice());
          const outcome = await context.streams.append(pathOf(exchange), request);
          answerAppend(exchange, outcome, request.body.length > 0);
        }),
      );
    },
  };
}

const PRODUCER: readonly HeaderDeclaration[] = [
  { name: 'Producer-Epoch', description: 'The epoch of the producer' },
  { name: 'Producer-Seq', description: 'The last of its requests that is stored' },
];

function answerAppend(exchange: Exchange, outcome: AppendOutcome, hasBody: boolean): void {
  const { next, closed, producer, duplicate } = outcome;
  exchange.setHeader('Stream-Next-Offset', offsetToken(next));
  if (closed) exchange.setHeader('Stream-Closed', 'true');
  if (producer !== undefined) {
    exchange.setHeader('Producer-Epoch', String(producer.epoch));
    exchange.setHeader('Producer-Seq', String(producer.sequence));
  }
  exchange.empty(producer === undefined || duplicate || !hasBody ? 204 : 200);
}

function deleteRoute(context: ServerContext): Route {
  return {
    method: 'DELETE',
    path: PATH,
    tag: TAG,
    subject: (exchange) => scopeSubject(pathOf(exchange)),
    summary: 'Delete a stream; what forks have inherited of it stays with them',
    access: 'produce',
    answers: { 204: { description: 'It is no more' } },
    begin: (exchange) => setCommonHeaders(context, exchange),
    run: async (exchange) => {
      await context.streams.delete(pathOf(exchange));
      exchange.empty(204);
    },
  };
}

function preflightRoute(context: ServerContext): Route {
  return {
    method: 'OPTIONS',
    path: PATH,
    tag: TAG,
    summary: 'What browsers ask before they send a request of another origin',
    access: 'open',
    answers: { 204: { description: 'What may be sent' } },
    run: (exchange) => answerPreflight(context, exchange),
  };
}

function body({ limits }: ServerContext): BodyDeclaration {
  return { types: { 'application/json': null, '*/*': null }, maxBytes: limits.requestBytesMax, optional: true };
}

/** @throws REQUEST_INVALID, ROUTE_UNKNOWN */
function pathOf(exchange: Exchange): string {
  return parseStreamPath(exchange.params[0] as string);
}
