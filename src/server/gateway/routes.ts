/** What people ask of the gateway's records: what a client has used of its plan, and who calls which version of an API. */
import { z } from 'zod';
import type { ServerContext } from '../context.ts';
import { defineRoute, type Route } from '../http/route.ts';

const JSON_TYPE = 'application/json';
const DAY_MS = 86_400_000;
const WEEK_DAYS = 7;

const period = z.enum(['hour', 'day', 'month']);
const usageAnswer = z.object({
  client: z.string(),
  plan: z.string().nullable(),
  quotas: z.array(
    z.object({
      period,
      requests: z.int(),
      used: z.int(),
      remaining: z.int(),
      from: z.int().describe('Epoch milliseconds'),
      until: z.int(),
    }),
  ),
  past: z.array(z.object({ period, from: z.int(), used: z.int() })).describe('Periods that are over'),
});
const apiUsageAnswer = z.object({
  since: z.int(),
  rows: z.array(
    z.object({
      api: z.string(),
      version: z.string(),
      client: z.string().nullable(),
      requests: z.number().describe('An estimate where a route records a share only'),
      last_at: z.int(),
      deprecated_fields: z.record(z.string(), z.number()),
    }),
  ),
  records: z.int().describe('That were looked at'),
  lost: z.int().describe('Records that could not be kept'),
  complete: z.boolean().describe('False: there were more than are looked at'),
});

export function gatewayRoutes(context: ServerContext): Route[] {
  return [clientUsageRoute(context), apiUsageRoute(context)];
}

function clientUsageRoute({ resources, gateway }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/clients/{name}/usage',
    tag: 'Gateway',
    summary: 'What a client has used of its plan; a client may ask about itself',
    access: 'session',
    params: z.object({ name: z.string() }),
    answers: { 200: { description: 'Its use', types: { [JSON_TYPE]: usageAnswer } } },
    handle: (exchange, { params: { name } }) => {
      if (exchange.principal.client !== name) exchange.principal.require('observe');
      const plan = resources.get('client', name).spec['plan'] ?? null;
      exchange.json(200, { client: name, plan, ...(gateway?.usage(name) ?? { quotas: [], past: [] }) });
    },
  });
}

function apiUsageRoute({ clock, gateway }: ServerContext): Route {
  return defineRoute({
    method: 'GET',
    path: '/v1/gateway/usage',
    tag: 'Gateway',
    summary: 'Who calls which version of an API, and which deprecated field, from the records of requests',
    access: 'observe',
    query: z.strictObject({
      api: z.string().max(249).optional(),
      since: z
        .string()
        .regex(/^\d{1,15}$/, 'must be epoch milliseconds')
        .optional()
        .describe('Epoch milliseconds; a week ago where absent'),
    }),
    answers: { 200: { description: 'The calls', types: { [JSON_TYPE]: apiUsageAnswer } } },
    handle: async (exchange, { query }) => {
      const since = query.since === undefined ? clock.now() - WEEK_DAYS * DAY_MS : Number(query.since);
      const none = { rows: [], records: 0, lost: 0, complete: true };
      const found = await gateway?.apiUsage({ api: query.api, since });
      exchange.json(200, { since, ...(found ?? none) });
    },
  });
}
