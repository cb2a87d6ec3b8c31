/**
 * Queued routes of the gateway: how their queues are, what became of one request, and pausing them. A pause is a change of
 * the route, so it has a version, a history and a way back like any other.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { ServerContext } from '../context.ts';
import { defineRoute, type Route } from '../http/route.ts';

const JSON_TYPE = 'application/json';
const TAG = 'Gateway';

/** What the gateway tells of its queues. */
export interface GatewayQueues {
  list(): readonly QueueAnswer[];
  /** @throws QUEUED_UNKNOWN */
  status(id: string): QueuedAnswer;
}

const queueAnswer = z
  .object({
    route: z.string(),
    state: z.enum(['delivering', 'paused']),
    backlog: z.int().describe('Requests not yet delivered, those under way included'),
    under_way: z.int(),
    delivered: z.int().describe('Since the server started, as the two that follow'),
    failed_attempts: z.int(),
    dead: z.int(),
  })
  .meta({ id: 'GatewayQueue' });

const queuedAnswer = z
  .object({
    id: z.string(),
    route: z.string(),
    client: z.string().nullable(),
    state: z.enum(['queued', 'retrying', 'delivered', 'dead']),
    attempts: z.int(),
    status: z.int().nullable().describe('Of the last answer'),
    reason: z.string().nullable().describe('Why the last attempt failed'),
    queued_at: z.int().describe('Epoch milliseconds, as the next'),
    updated_at: z.int(),
  })
  .meta({ id: 'QueuedRequest' });

type QueueAnswer = z.infer<typeof queueAnswer>;
type QueuedAnswer = z.infer<typeof queuedAnswer>;

export function queueRoutes(context: ServerContext): Route[] {
  const { queues } = context;
  if (queues === undefined) return [];
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/gateway/queues',
      tag: TAG,
      summary: 'The queues of queued routes',
      access: 'observe',
      answers: { 200: { description: 'One for each such route', types: { [JSON_TYPE]: z.array(queueAnswer) } } },
      handle: (exchange) => exchange.json(200, queues.list()),
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/gateway/queued/{id}',
      params: z.object({ id: z.string() }),
      tag: TAG,
      summary: 'What became of a queued request',
      access: 'observe',
      answers: { 200: { description: 'As far as it has come', types: { [JSON_TYPE]: queuedAnswer } } },
      handle: (exchange, { params }) => exchange.json(200, queues.status(params.id)),
    }),
    pauseRoute(context, 'pause', true, 'Take requests, and deliver none'),
    pauseRoute(context, 'resume', false, 'Deliver again'),
  ];
}

function pauseRoute({ resources }: ServerContext, action: string, paused: boolean, summary: string): Route {
  return defineRoute({
    method: 'POST',
    path: `/v1/gateway/queues/{route}/${action}`,
    tag: TAG,
    summary,
    access: 'admin',
    params: z.object({ route: z.string() }),
    answers: {
      200: {
        description: 'The version of the route from now on',
        types: { [JSON_TYPE]: z.object({ route: z.string(), version: z.int(), paused: z.boolean() }) },
      },
    },
    handle: async (exchange, { params }) => {
      const { route } = params;
      const { spec, version } = resources.get('route', route);
      const { queue } = spec;
      if (typeof queue !== 'object' || queue === null) {
        throw new SluiceError('RESOURCE_INVALID', `route ${route} has no queue`, { field: 'queue' });
      }
      const by = exchange.principal.client ?? null;
      const changed = await resources.put(
        'route',
        route,
        { ...spec, queue: { ...queue, paused } },
        { by, ifMatch: version },
      );
      exchange.json(200, { route, version: changed.version, paused });
    },
  });
}
