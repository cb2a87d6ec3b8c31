/**
 * Dead letters by the topic they come from: what there is, one of them with its record and why it died, sending records
 * again, letting letters go. Who may consume the topic may look and let go; who may also produce to it may send again.
 */
import { z } from 'zod';
import type { BoxedLetter } from '#log';
import type { ServerContext } from '../context.ts';
import { topicName, wholeNumber } from '../http/params.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { checkJson } from '../http/shape.ts';
import { recordJson } from '../read/record-json.ts';
import { boxesAnswer, letterAnswer, lettersAnswer, resentAnswer } from './documents.ts';

const JSON_TYPE = 'application/json';
const TAG = 'Dead letters';
const PAGE = 100;
const PAGE_MAX = 1_000;
const RETRY_IDS_MAX = 64;
const RETRY_BYTES_MAX = 8_192;

const topic = z.object({ topic: topicName });
const letter = topic.extend({ id: wholeNumber().describe('Of the dead letter') });
const source = z.string().optional().describe('Only letters from there: group:NAME or processor:NAME');

export function deadRoutes(context: ServerContext): Route[] {
  return [
    boxesRoute(context),
    pageRoute(context),
    letterRoute(context),
    retryRoute(context),
    retryAllRoute(context),
    dropRoute(context),
    dropAllRoute(context),
  ];
}

function boxesRoute({ dead }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/dead',
    tag: TAG,
    summary: 'Topics that have dead letters',
    access: 'observe',
    answers: { 200: { description: 'By topic', types: { [JSON_TYPE]: boxesAnswer } } },
    handle: (exchange) => exchange.json(200, dead.list()),
  });
}

function pageRoute({ dead }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/dead/{topic}',
    tag: TAG,
    summary: 'The dead letters of a topic, oldest first',
    access: 'consume',
    params: topic,
    query: z.strictObject({
      from: wholeNumber().optional().describe('The id to begin with'),
      limit: wholeNumber(PAGE_MAX).optional().describe(`Letters at most; default ${PAGE}`),
      source,
    }),
    answers: { 200: { description: 'A page of them', types: { [JSON_TYPE]: lettersAnswer } } },
    handle: (exchange, { params, query }) => {
      const { letters, next } = dead.page(params.topic, query.from ?? 0, query.limit ?? PAGE, { source: query.source });
      exchange.bytes(200, JSON_TYPE, `{"letters":[${letters.map(letterJson).join(',')}],"next":${next}}`);
    },
  });
}

function letterRoute({ dead }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/dead/{topic}/{id}',
    tag: TAG,
    summary: 'A dead letter: the record, and why it was given up',
    access: 'consume',
    params: letter,
    answers: { 200: { description: 'The letter', types: { [JSON_TYPE]: letterAnswer } } },
    handle: (exchange, { params }) => {
      exchange.bytes(200, JSON_TYPE, letterJson(dead.show(params.topic, params.id)));
    },
  });
}

function retryRoute({ dead }: ServerContext): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/dead/{topic}/{id}/retry',
    tag: TAG,
    summary: 'Append the record to its topic again; the letter is done with the same commit',
    access: 'consume',
    params: letter,
    answers: { 200: { description: 'Where it is now', types: { [JSON_TYPE]: resentAnswer } } },
    handle: async (exchange, { params }) => {
      exchange.principal.require('produce', params.topic);
      const [resent] = await dead.retry(params.topic, [params.id]);
      exchange.json(200, resent);
    },
  });
}

const retryShape = z.strictObject({
  ids: z.array(z.int().min(0)).min(1).max(RETRY_IDS_MAX).optional().describe('Those letters, all or none'),
  source,
});

function retryAllRoute({ dead }: ServerContext): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/dead/{topic}/retry',
    tag: TAG,
    summary: 'Append the records of several letters, or of all, to their topic again, in order',
    access: 'consume',
    params: topic,
    body: { types: { [JSON_TYPE]: retryShape }, maxBytes: RETRY_BYTES_MAX, optional: true },
    answers: { 200: { description: 'How many', types: { [JSON_TYPE]: z.object({ retried: z.int() }) } } },
    handle: async (exchange, { params, body }) => {
      exchange.principal.require('produce', params.topic);
      const { ids, source: only } = body.length === 0 ? {} : checkJson(retryShape, body);
      const retried =
        ids === undefined
          ? await dead.retryAll(params.topic, { source: only })
          : (await dead.retry(params.topic, ids)).length;
      exchange.json(200, { retried });
    },
  });
}

function dropRoute({ dead }: ServerContext): Route {
  return defineRoute({
    method: 'DELETE',
    path: '/v1/dead/{topic}/{id}',
    tag: TAG,
    summary: 'Let a dead letter go',
    access: 'consume',
    params: letter,
    answers: { 204: { description: 'It is gone' } },
    handle: async (exchange, { params }) => {
      await dead.drop(params.topic, [params.id]);
      exchange.empty(204);
    },
  });
}

function dropAllRoute({ dead }: ServerContext): Route {
  return defineRoute({
    method: 'DELETE',
    path: '/v1/dead/{topic}',
    tag: TAG,
    summary: 'Let all dead letters of a topic go',
    access: 'consume',
    params: topic,
    query: z.strictObject({ source }),
    answers: { 200: { description: 'How many', types: { [JSON_TYPE]: z.object({ dropped: z.int() }) } } },
    handle: async (exchange, { params, query }) => {
      exchange.json(200, { dropped: await dead.dropAll(params.topic, { source: query.source }) });
    },
  });
}

/** The record is written as every other, its value as its bytes stand. */
function letterJson({ key, value, headers, timestamp, ...facts }: BoxedLetter): string {
  const record = recordJson({ offset: facts.offset, timestamp, key, value, headers });
  return `${JSON.stringify(facts).slice(0, -1)},"record":${record}}`;
}
