/** The catalogue: which connectors there are, what each can do, and what the configuration of its endpoints looks like. */
import { z } from 'zod';
import type { CatalogueEntry } from '#connector';
import type { ServerContext } from '../context.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { connectorAnswer } from './documents.ts';

const JSON_TYPE = 'application/json';

export function connectorRoutes({ endpoints: { registry } }: ServerContext): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/connectors',
      tag: 'Connectors',
      summary: 'Every connector there is, also those that cannot be used, with the reason',
      access: 'observe',
      answers: { 200: { description: 'By name', types: { [JSON_TYPE]: z.array(connectorAnswer) } } },
      handle: async (exchange) => exchange.json(200, (await registry.catalogue()).map(shown)),
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/connectors/{name}',
      tag: 'Connectors',
      summary: 'One connector, with the JSON Schema of the configuration of its endpoints',
      access: 'observe',
      params: z.object({ name: z.string() }),
      answers: { 200: { description: 'The connector', types: { [JSON_TYPE]: connectorAnswer } } },
      handle: async (exchange, { params }) => exchange.json(200, shown(await registry.describe(params.name))),
    }),
  ];
}

function shown({ name, origin, description, error }: CatalogueEntry): object {
  return { name, origin, ...description, error };
}
