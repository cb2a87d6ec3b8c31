/** Reading a partition page by page with long poll, listing partitions, and trimming. */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { Partition } from '#log';
import type { ServerContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';
import { negotiate } from '../http/media-type.ts';
import { partitionIndex, topicName, wholeNumber } from '../http/params.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { pageAnswer, partitionsAnswer } from './documents.ts';
import { PAGE_TYPES, type PageType, readPage } from './page.ts';
import { parseFrom, startOffset } from './start.ts';
import { waitForRecords } from './wait.ts';

const PAGE_BYTES = 1024 * 1024;

export function readRoutes(context: ServerContext): Route[] {
  return [recordsRoute(context), partitionsRoute(context), trimRoute(context)];
}

function recordsRoute(context: ServerContext): Route {
  const { readBytesMax, waitMsMax } = context.limits;
  return defineRoute({
    method: 'GET',
    path: '/v1/topics/{topic}/partitions/{partition}/records',
    tag: 'Records',
    summary: 'Read the records of a partition from an offset on',
    access: 'consume',
    busy: true,
    params: z.object({ topic: topicName, partition: partitionIndex }),
    query: z.strictObject({
      offset: z.string().default('earliest').describe('earliest, latest, @<epoch ms> or an offset'),
      max_bytes: wholeNumber(readBytesMax).optional().describe('Of stored batches; at least one batch is read'),
      wait_ms: wholeNumber(waitMsMax).optional().describe('How long to wait when there is nothing yet'),
    }),
    answers: {
      200: {
        description: 'Records, possibly none; next is where to go on',
        types: { ...Object.fromEntries(PAGE_TYPES.map((type) => [type, null])), 'application/json': pageAnswer },
        headers: [
          { name: 'Sluice-Next-Offset', description: 'Where the next page begins' },
          { name: 'Sluice-Durable-Offset', description: 'The end of what can be read' },
        ],
      },
    },
    handle: async (exchange, { params, query }) => {
      const type = negotiate(exchange.header('accept'), PAGE_TYPES);
      const partition = context.log.partition(params.topic, params.partition);
      const offset = startOffset(partition, parseFrom(query.offset, 'offset'));
      const wait = query.wait_ms ?? 0;
      if (wait > 0 && offset === partition.durable) await waitFor(context, exchange, partition, offset, wait);
      answerPage(exchange, partition, offset, query.max_bytes ?? Math.min(PAGE_BYTES, readBytesMax), type);
    },
  });
}

async function waitFor(
  context: ServerContext,
  exchange: Exchange,
  partition: Partition,
  offset: number,
  waitMs: number,
): Promise<void> {
  const gone = new AbortController();
  exchange.onAborted(() => gone.abort());
  await waitForRecords([{ partition, offset }], waitMs, [context.shutdown, gone.signal]);
}

function answerPage(exchange: Exchange, partition: Partition, offset: number, maxBytes: number, type: PageType): void {
  if (exchange.over) return;
  const page = readPage(partition, offset, maxBytes, type);
  exchange.setHeader('Sluice-Next-Offset', String(page.next));
  exchange.setHeader('Sluice-Durable-Offset', String(page.durable));
  exchange.bytes(200, type, page.body);
}

function partitionsRoute(context: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/topics/{topic}/partitions',
    tag: 'Topics',
    summary: 'The partitions of a topic and where each begins and ends',
    access: 'observe',
    params: z.object({ topic: topicName }),
    answers: { 200: { description: 'One entry a partition', types: { 'application/json': partitionsAnswer } } },
    handle: (exchange, { params }) => {
      const { partitions } = context.log.topic(params.topic);
      exchange.json(
        200,
        partitions.map(({ index, start, durable, bytes }) => ({ partition: index, start, durable, bytes })),
      );
    },
  });
}

function trimRoute(context: ServerContext): Route {
  return defineRoute({
    method: 'DELETE',
    path: '/v1/topics/{topic}/partitions/{partition}/records',
    tag: 'Records',
    summary: 'Forget the records below an offset',
    access: 'admin',
    params: z.object({ topic: topicName, partition: partitionIndex }),
    query: z.strictObject({ before: wholeNumber().describe('At most the durable end') }),
    answers: {
      200: { description: 'The partition as it is now', types: { 'application/json': partitionsAnswer.element } },
    },
    handle: async (exchange, { params, query }) => {
      const partition = context.log.partition(params.topic, params.partition);
      if (query.before > partition.durable) {
        throw new SluiceError('OFFSET_OUT_OF_RANGE', `the partition ends at ${partition.durable}`, {
          durable: partition.durable,
        });
      }
      await partition.trim(query.before);
      const { index, start, durable, bytes } = partition;
      exchange.json(200, { partition: index, start, durable, bytes });
    },
  });
}
