/**
 * `GET /v1/topics/{topic}/events`: records as server-sent events. The id of an event is where to go on, for every
 * partition followed: `0:123,1:77`; a browser sends it back as `Last-Event-ID`, so nothing is missed or repeated.
 *
 *    each partition in turn: chunk ──▶ events ──▶ one write ──▶ wait until the reader has taken it
 *    nothing anywhere: sleep until a partition grows; a comment every 15 s keeps the connection known to be alive
 */
import { z } from 'zod';
import { asSluiceError, SluiceError, toProblem } from '#kernel';
import type { Cursor, Partition, Topic } from '#log';
import type { ServerContext } from '../context.ts';
import type { BodyStream } from '../http/body-stream.ts';
import { negotiate } from '../http/media-type.ts';
import { topicName } from '../http/params.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { partitionAt } from '../produce/partitioner.ts';
import { recordsFrom } from './page.ts';
import { recordJson } from './record-json.ts';
import { type From, parseFrom, startOffset } from './start.ts';
import { waitForRecords } from './wait.ts';

const HEARTBEAT_MS = 15_000;
const CHUNK_BYTES = 64 * 1024;
const EVENT_STREAM = 'text/event-stream';
const HEARTBEAT = ':\n\n';

/** A partition that is followed, and where it stands. */
interface Follow {
  readonly partition: Partition;
  readonly cursor: Cursor;
}

export function eventRoutes(context: ServerContext): Route[] {
  const events = defineRoute({
    method: 'GET',
    path: '/v1/topics/{topic}/events',
    tag: 'Records',
    summary: 'Follow a topic as server-sent events',
    access: 'consume',
    params: z.object({ topic: topicName }),
    query: z.strictObject({
      from: z.string().default('latest').describe('earliest, latest or @<epoch ms>'),
      partitions: z.string().optional().describe('Indexes, separated by commas; default all'),
      last_event_id: z.string().optional().describe('In place of the header Last-Event-ID'),
    }),
    headers: [{ name: 'Last-Event-ID', description: 'The id of the last event received: go on behind it' }],
    answers: { 200: { description: 'Events, until either side ends', types: { [EVENT_STREAM]: null } } },
    handle: (exchange, { params, query }) => {
      negotiate(exchange.header('accept'), [EVENT_STREAM]);
      const topic = context.log.topic(params.topic);
      const resumed = parseEventId(exchange.header('last-event-id') ?? query.last_event_id);
      const follows = startFollowing(topic, query.partitions, parseFrom(query.from, 'from'), resumed);
      exchange.setHeader('Cache-Control', 'no-store');
      const stream = exchange.stream(200, EVENT_STREAM, HEARTBEAT);
      return stream === undefined ? undefined : follow(context, stream, follows);
    },
  });
  return [events];
}

/** The places in an event id, by partition. @throws REQUEST_INVALID */
function parseEventId(id: string | undefined): ReadonlyMap<number, number> {
  const places = new Map<number, number>();
  if (id === undefined || id === '') return places;
  for (const part of id.split(',')) {
    const match = /^(\d{1,9}):(\d{1,16})$/.exec(part);
    if (match === null) {
      throw new SluiceError('REQUEST_INVALID', 'Last-Event-ID must be partition:offset, separated by commas', {
        field: 'last_event_id',
      });
    }
    places.set(Number(match[1]), Number(match[2]));
  }
  return places;
}

/** @throws PARTITION_UNKNOWN, OFFSET_TRIMMED, OFFSET_OUT_OF_RANGE, REQUEST_INVALID */
function startFollowing(
  topic: Topic,
  named: string | undefined,
  from: From,
  resumed: ReadonlyMap<number, number>,
): Follow[] {
  const indexes = named === undefined ? topic.partitions.map(({ index }) => index) : parseIndexes(named);
  return indexes.map((index) => {
    const partition = partitionAt(topic, index);
    return { partition, cursor: partition.cursor(resumed.get(index) ?? startOffset(partition, from)) };
  });
}

function parseIndexes(text: string): number[] {
  const indexes = text.split(',').map((part) => (/^\d{1,9}$/.test(part) ? Number(part) : Number.NaN));
  if (indexes.some(Number.isNaN) || new Set(indexes).size < indexes.length) {
    throw new SluiceError('REQUEST_INVALID', 'partitions must be different indexes, separated by commas', {
      field: 'partitions',
    });
  }
  return indexes;
}

async function follow(context: ServerContext, stream: BodyStream, follows: readonly Follow[]): Promise<void> {
  const gone = new AbortController();
  stream.onClose(() => gone.abort());
  stream.write(`retry: 1000\nid: ${eventId(follows)}\n\n`);
  try {
    while (stream.open && !context.shutdown.aborted) {
      if (await sendWhatIsThere(stream, follows)) continue;
      const before = context.clock.monotonic();
      const places = follows.map(({ partition, cursor }) => ({ partition, offset: cursor.position }));
      await waitForRecords(places, HEARTBEAT_MS, [context.shutdown, gone.signal]);
      if (context.clock.monotonic() - before >= HEARTBEAT_MS) stream.write(HEARTBEAT);
      await stream.writable();
    }
  } catch (error) {
    const problem = asSluiceError(error);
    context.logger.warn({ err: problem }, 'event stream ended by an error');
    stream.write(`event: error\ndata: ${JSON.stringify(toProblem(problem))}\n\n`);
  }
  stream.end();
}

/** One chunk of each partition at most, so that a busy one does not starve the others. False: there was nothing. */
async function sendWhatIsThere(stream: BodyStream, follows: readonly Follow[]): Promise<boolean> {
  let sent = false;
  for (const current of follows) {
    const text = nextEvents(current, follows);
    if (text === undefined) continue;
    sent = true;
    stream.write(text);
    if (!(await stream.writable())) return true;
  }
  return sent;
}

function nextEvents(current: Follow, follows: readonly Follow[]): string | undefined {
  const { partition, cursor } = current;
  const from = cursor.position;
  const chunk = cursor.next(CHUNK_BYTES);
  if (chunk === null) return undefined;
  const [before, after] = otherPlaces(current, follows);
  let text = '';
  for (const record of recordsFrom(chunk.bytes, from)) {
    const data = recordJson(record, `"partition":${partition.index},`);
    text += `id: ${before}${partition.index}:${record.offset + 1}${after}\ndata: ${data}\n\n`;
  }
  return text;
}

function eventId(follows: readonly Follow[]): string {
  return follows.map(({ partition, cursor }) => `${partition.index}:${cursor.position}`).join(',');
}

/** The id's text before and behind the place of one partition: the same for all events of its chunk. */
function otherPlaces(current: Follow, follows: readonly Follow[]): [before: string, after: string] {
  const at = follows.indexOf(current);
  const before = eventId(follows.slice(0, at));
  const after = eventId(follows.slice(at + 1));
  return [before === '' ? '' : `${before},`, after === '' ? '' : `,${after}`];
}
