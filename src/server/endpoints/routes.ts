/** Endpoints at work: how they are, checking them, what they hold, reading and writing it. */
import { z } from 'zod';
import {
  type EndpointStatus,
  fromJson,
  type Row,
  requireStream,
  type Stream,
  toJson,
  type WriteResult,
} from '#connector';
import { asSluiceError, SluiceError } from '#kernel';
import type { ServerContext } from '../context.ts';
import { wholeNumber } from '../http/params.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { checkJson } from '../http/shape.ts';
import {
  endpointAnswer,
  pageAnswer,
  readMode,
  streamsAnswer,
  writeAnswer,
  writeMode,
  writeShape,
} from './documents.ts';

const JSON_TYPE = 'application/json';
const PATH = '/v1/endpoints/{name}';
const STREAM = `${PATH}/streams/{stream}`;
const TAG = 'Endpoints';
const SAMPLE_RECORDS = 10;
const SAMPLE_RECORDS_MAX = 100;
const PAGE_RECORDS_MAX = 1_000;
const name = z.object({ name: z.string() });
const inStream = z.object({ name: z.string(), stream: z.string() });
const status = { 200: { description: 'How it is', types: { [JSON_TYPE]: endpointAnswer } } };
const page = { 200: { description: 'The records', types: { [JSON_TYPE]: pageAnswer } } };

export function endpointRoutes(context: ServerContext): Route[] {
  return [
    statusRoute(context),
    checkRoute(context),
    streamsRoute(context),
    sampleRoute(context),
    readRoute(context),
    writeRoute(context),
  ];
}

function statusRoute({ endpoints }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: `${PATH}/status`,
    tag: TAG,
    summary: 'Whether an endpoint is active, and if not why not',
    access: 'observe',
    params: name,
    answers: status,
    handle: (exchange, { params }) => exchange.json(200, shown(endpoints.get(params.name).status())),
  });
}

function checkRoute({ endpoints }: ServerContext): Route {
  return defineRoute({
    method: 'POST',
    path: `${PATH}/check`,
    tag: TAG,
    summary: 'Connect now and see; what is wrong is the reason in the answer',
    access: 'admin',
    params: name,
    answers: status,
    handle: async (exchange, { params }) => {
      const endpoint = endpoints.get(params.name);
      // The status tells it.
      await endpoint.check().catch(() => undefined);
      exchange.json(200, shown(endpoint.status()));
    },
  });
}

function streamsRoute({ endpoints }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: `${PATH}/streams`,
    tag: TAG,
    summary: 'What the system holds: tables, files, with their fields and types',
    access: 'admin',
    params: name,
    answers: { 200: { description: 'The streams', types: { [JSON_TYPE]: streamsAnswer } } },
    handle: async (exchange, { params }) => {
      const streams = await endpoints.get(params.name).discover();
      exchange.json(
        200,
        streams.map(({ primaryKey, ...stream }) => ({ ...stream, primary_key: primaryKey })),
      );
    },
  });
}

function sampleRoute(context: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: `${STREAM}/sample`,
    tag: TAG,
    summary: 'Some records, to look at',
    access: 'admin',
    params: inStream,
    query: z.object({ limit: wholeNumber(SAMPLE_RECORDS_MAX).default(SAMPLE_RECORDS) }),
    answers: page,
    handle: async (exchange, { params, query }) => {
      const stream = await streamOf(context, params.name, params.stream);
      const mode = stream.can.includes('full') ? 'full' : 'incremental';
      exchange.json(200, await onePage(context, params.name, stream, { mode, limit: Math.max(1, query.limit) }));
    },
  });
}

function readRoute(context: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: `${STREAM}/records`,
    tag: TAG,
    summary: 'A page of records, and the state to ask for the next one with',
    access: 'admin',
    params: inStream,
    query: z.object({
      mode: readMode.default('full'),
      cursor: z.string().optional().describe('Of an incremental read: the field, where there are several'),
      state: z.string().optional().describe('Of the page before, as JSON'),
      limit: wholeNumber(PAGE_RECORDS_MAX).default(PAGE_RECORDS_MAX),
    }),
    answers: page,
    handle: async (exchange, { params, query }) => {
      const stream = await streamOf(context, params.name, params.stream);
      exchange.json(200, await onePage(context, params.name, stream, { ...query, limit: Math.max(1, query.limit) }));
    },
  });
}

function writeRoute(context: ServerContext): Route {
  return defineRoute({
    method: 'POST',
    path: `${STREAM}/records`,
    tag: TAG,
    summary: 'Write records; each has a result of its own',
    access: 'admin',
    params: inStream,
    query: z.object({
      mode: writeMode.default('upsert'),
      keys: z.string().optional().describe('Fields that identify a record, with commas; default: the primary key'),
    }),
    body: { types: { [JSON_TYPE]: writeShape }, maxBytes: context.limits.requestBytesMax },
    answers: { 200: { description: 'One result for each record, in order', types: { [JSON_TYPE]: writeAnswer } } },
    handle: async (exchange, { params, query, body }) => {
      const { records } = checkJson(writeShape, body);
      const stream = await streamOf(context, params.name, params.stream);
      requireCapability(stream, query.mode);
      const keys = query.keys?.split(',') ?? [];
      const results: WriteResult[] = new Array(records.length);
      const rows: Row[] = [];
      const places: number[] = [];
      records.forEach((record, i) => {
        try {
          rows.push(fromJson(record, stream));
          places.push(i);
        } catch (error) {
          const reason = asSluiceError(error).message;
          results[i] = { ok: false, code: 'RECORD_REJECTED', reason, retryable: false };
        }
      });
      const request = { stream: stream.name, mode: query.mode, keys };
      const written = rows.length === 0 ? [] : await context.endpoints.get(params.name).write(request, rows);
      places.forEach((place, i) => {
        results[place] = written[i] as WriteResult;
      });
      exchange.json(200, { results });
    },
  });
}

/** @throws RESOURCE_UNKNOWN, ENDPOINT_STREAM_UNKNOWN */
async function streamOf({ endpoints }: ServerContext, endpoint: string, stream: string): Promise<Stream> {
  return requireStream(await endpoints.get(endpoint).discover(), stream);
}

/** @throws ENDPOINT_UNSUPPORTED */
function requireCapability(stream: Stream, capability: Stream['can'][number]): void {
  if (stream.can.includes(capability)) return;
  throw new SluiceError('ENDPOINT_UNSUPPORTED', `${stream.name} can ${stream.can.join(', ')}, not ${capability}`);
}

interface PageQuery {
  readonly mode: 'full' | 'incremental';
  readonly cursor?: string | undefined;
  readonly state?: string | undefined;
  readonly limit: number;
}

async function onePage(context: ServerContext, endpoint: string, stream: Stream, query: PageQuery): Promise<object> {
  const { mode, cursor, state, limit } = query;
  requireCapability(stream, mode);
  const pages = context.endpoints.get(endpoint).read({
    stream: stream.name,
    mode,
    ...(cursor === undefined ? {} : { cursor }),
    ...(state === undefined ? {} : { state: parseState(state) }),
    pageRecordsMax: limit,
  });
  for await (const { records, state: next } of pages) {
    return { records: records.map((record) => toJson(record, stream)), state: next };
  }
  return { records: [], state: null };
}

/** @throws REQUEST_INVALID */
function parseState(text: string) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SluiceError('REQUEST_INVALID', 'state is not JSON', { field: 'state' }, error);
  }
}

function shown({ checkedAt, checkMs, ...status }: EndpointStatus): object {
  return { ...status, checked_at: checkedAt, check_ms: checkMs };
}
