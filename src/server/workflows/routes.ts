/** Runs of workflows: starting them, looking at them, and what an operator does to one. */
import { z } from 'zod';
import type { Principal } from '../auth/principal.ts';
import type { ServerContext } from '../context.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { checkJson, checkShape, parseJson } from '../http/shape.ts';
import { cancelBody, eventBody, executionAnswer, historyAnswer, listAnswer, startBody } from './documents.ts';
import { operateRoutes } from './operate-routes.ts';
import type { ExecutionAnswer, ExecutionCommand, WorkflowService } from './service.ts';

const JSON_TYPE = 'application/json';
const EVENT_TYPE = 'application/cloudevents+json';
const TAG = 'Workflows';
const BODY_BYTES_MAX = 256 * 1024;
const PAGE_MAX = 1_000;
/** What a key must be allowed to produce to. */
const BUS_TOPIC = 'sys.workflow.bus';
const ID_PATH = '/v1/executions/{id}';
const id = z.object({ id: z.string() });
const answers = { 200: { description: 'How it is', types: { [JSON_TYPE]: executionAnswer } } };

export function workflowRoutes(context: ServerContext): Route[] {
  const { workflows } = context;
  if (workflows === undefined) return [];
  return [
    startRoute(context, workflows),
    listRoute(workflows),
    getRoute(context, workflows),
    historyRoute(workflows),
    eventRoute(workflows),
    publishRoute(workflows),
    actionRoute(workflows, 'pause', 'Begin no further task until it is resumed'),
    actionRoute(workflows, 'resume', 'Go on'),
    cancelRoute(workflows),
    ...operateRoutes(workflows),
  ];
}

function startRoute({ limits }: ServerContext, workflows: WorkflowService): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/workflows/{name}/executions',
    tag: TAG,
    summary: 'Start a run; it is durable when this is answered',
    access: 'admin',
    busy: true,
    params: z.object({ name: z.string() }),
    query: z.object({
      wait_ms: z.coerce.number().int().min(0).max(limits.waitMsMax).optional().describe('Wait for its end, so long'),
    }),
    headers: [{ name: 'Idempotency-Key', description: 'Another start with it is the same start' }],
    body: { types: { [JSON_TYPE]: startBody }, maxBytes: BODY_BYTES_MAX, optional: true },
    answers: {
      200: { description: 'It is over, or was started before', types: { [JSON_TYPE]: executionAnswer } },
      202: { description: 'It is under way', types: { [JSON_TYPE]: executionAnswer } },
    },
    handle: async (exchange, { params, query, body }) => {
      const { input, labels } = body.length === 0 ? {} : checkJson(startBody, body);
      const key = exchange.header('idempotency-key');
      const by = exchange.principal.client ?? 'http';
      const started = await workflows.start(params.name, { input, labels, key, by, waitMs: query.wait_ms });
      exchange.setHeader('Location', `/v1/executions/${started.id}`);
      exchange.json(isOpen(started) && started.duplicate !== true ? 202 : 200, started);
    },
  });
}

function isOpen({ status }: ExecutionAnswer): boolean {
  return status === 'running' || status === 'paused';
}

function listRoute(workflows: WorkflowService): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/executions',
    tag: TAG,
    summary: 'Runs: open ones first, then those that are over, the newest first',
    access: 'observe',
    query: z.object({
      workflow: z.string().optional(),
      status: z.enum(['running', 'paused', 'completed', 'faulted', 'cancelled']).optional(),
      since: z.coerce.number().int().min(0).default(0).describe('Begun then or later, epoch milliseconds'),
      until: z.coerce.number().int().min(0).default(Number.MAX_SAFE_INTEGER),
      label: z.string().optional().describe('name=value, several with commas between'),
      limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(100),
      after: z.string().optional().describe('`next` of the page before'),
    }),
    answers: { 200: { description: 'A page', types: { [JSON_TYPE]: listAnswer } } },
    handle: async (exchange, { query }) => {
      const { workflow = null, status = null, since, until, label, limit, after = null } = query;
      const labels = Object.fromEntries((label ?? '').split(',').filter(Boolean).map(pairOf));
      exchange.json(200, await workflows.list({ workflow, status, since, until, labels, limit, after }));
    },
  });
}

function pairOf(text: string): [string, string] {
  const at = text.indexOf('=');
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function getRoute({ limits }: ServerContext, workflows: WorkflowService): Route {
  return defineRoute({
    method: 'GET',
    path: ID_PATH,
    tag: TAG,
    summary: 'A run: its state, the tasks under way, its output or error',
    access: 'observe',
    params: id,
    query: z.object({
      wait_ms: z.coerce.number().int().min(0).max(limits.waitMsMax).optional().describe('Wait for its end, so long'),
    }),
    answers,
    handle: async (exchange, { params, query }) => {
      const { wait_ms: waitMs } = query;
      exchange.json(200, await (waitMs === undefined ? workflows.get(params.id) : workflows.end(params.id, waitMs)));
    },
  });
}

function historyRoute(workflows: WorkflowService): Route {
  return defineRoute({
    method: 'GET',
    path: `${ID_PATH}/history`,
    tag: TAG,
    summary: 'What happened in a run: commands, events and rejections, the newest page, oldest first',
    access: 'observe',
    params: id,
    query: z.object({
      limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_MAX),
      before: z.coerce.number().int().min(0).optional().describe('`before` of the page with what is newer'),
    }),
    answers: { 200: { description: 'A page', types: { [JSON_TYPE]: historyAnswer } } },
    handle: async (exchange, { params, query }) => {
      exchange.json(200, await workflows.history(params.id, query.limit, query.before));
    },
  });
}

function eventRoute(workflows: WorkflowService): Route {
  return defineRoute({
    method: 'POST',
    path: `${ID_PATH}/events`,
    tag: TAG,
    summary: 'Hand an event to a run; where nothing in it listens yet, it is kept',
    access: 'admin',
    params: id,
    body: { types: { [JSON_TYPE]: eventBody, [EVENT_TYPE]: eventBody }, maxBytes: BODY_BYTES_MAX },
    answers,
    handle: async (exchange, { params, body }) => {
      const event = checkShape(eventBody, parseJson(body));
      exchange.json(200, await workflows.act({ type: 'event', id: params.id, event, by: nameOf(exchange.principal) }));
    },
  });
}

function publishRoute(workflows: WorkflowService): Route {
  return defineRoute({
    method: 'POST',
    path: '/v1/events',
    tag: TAG,
    summary: 'Publish a CloudEvent for tasks that listen and workflows that are started by events',
    access: 'produce',
    subject: () => BUS_TOPIC,
    busy: true,
    body: { types: { [JSON_TYPE]: eventBody, [EVENT_TYPE]: eventBody }, maxBytes: BODY_BYTES_MAX },
    answers: { 200: { description: 'It is durable', types: { [JSON_TYPE]: z.object({ offset: z.int() }) } } },
    handle: async (exchange, { body }) => {
      exchange.json(200, { offset: await workflows.publish(checkShape(eventBody, parseJson(body))) });
    },
  });
}

function actionRoute(workflows: WorkflowService, action: 'pause' | 'resume', summary: string): Route {
  return commandRoute(workflows, action, summary, (at, by) => ({ type: action, id: at, by }));
}

function cancelRoute(workflows: WorkflowService): Route {
  return commandRoute(
    workflows,
    'cancel',
    'End it without an outcome; what is under way is given up',
    (at, by, body) => {
      const { reason } = body.length === 0 ? {} : checkJson(cancelBody, body);
      return { type: 'cancel', id: at, reason: reason ?? null, by };
    },
  );
}

function commandRoute(
  workflows: WorkflowService,
  action: string,
  summary: string,
  commandOf: (id: string, by: string | null, body: Uint8Array) => ExecutionCommand,
): Route {
  return defineRoute({
    method: 'POST',
    path: `${ID_PATH}/${action}`,
    tag: TAG,
    summary,
    access: 'admin',
    params: id,
    body: { types: { [JSON_TYPE]: cancelBody }, maxBytes: BODY_BYTES_MAX, optional: true },
    answers,
    handle: async (exchange, { params, body }) => {
      exchange.json(200, await workflows.act(commandOf(params.id, nameOf(exchange.principal), body)));
    },
  });
}

function nameOf({ client }: Principal): string | null {
  return client ?? null;
}
