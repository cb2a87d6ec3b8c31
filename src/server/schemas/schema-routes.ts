/** `/schemas`: schemas by their numbers, as Confluent Schema Registry gives them; what deserializers ask for. */
import { z } from 'zod';
import type { ServerContext } from '../context.ts';
import { flag, wholeNumber } from '../http/params.ts';
import type { Route } from '../http/route.ts';
import {
  answer,
  answers,
  REGISTRY_TYPE,
  registryRoute,
  sourceMembers,
  TYPE_NAMES,
  versionShape,
} from './registry-route.ts';

const ID_MAX = 2 ** 31 - 1;
const id = z.object({ id: wholeNumber(ID_MAX).describe('Number of a schema') });
const anyQuery = z.looseObject({});
const deletedQuery = z.looseObject({ deleted: flag.optional().describe('With what was deleted') });

export function schemaRoutes(context: ServerContext): Route[] {
  return [typesRoute(), schemaRoute(context), textRoute(context), subjectsRoute(context), usesRoute(context)];
}

function typesRoute(): Route {
  return registryRoute({
    method: 'GET',
    path: '/schemas/types',
    summary: 'The languages of schemas',
    access: 'session',
    query: anyQuery,
    answers: answers('Their names', z.array(z.string())),
    handle: (exchange) => answer(exchange, TYPE_NAMES),
  });
}

function schemaRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'GET',
    path: '/schemas/ids/{id}',
    summary: 'The schema of a number',
    access: 'session',
    params: id,
    query: anyQuery,
    answers: answers('The schema', versionShape.omit({ subject: true, id: true, version: true })),
    handle: (exchange, { params }) => answer(exchange, sourceMembers(schemas.schema(params.id))),
  });
}

function textRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'GET',
    path: '/schemas/ids/{id}/schema',
    summary: 'The text of the schema of a number',
    access: 'session',
    params: id,
    query: anyQuery,
    answers: answers('The text as it was registered', z.unknown()),
    handle: (exchange, { params }) => exchange.bytes(200, REGISTRY_TYPE, schemas.schema(params.id).text),
  });
}

function subjectsRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'GET',
    path: '/schemas/ids/{id}/subjects',
    summary: 'The subjects that have a schema among their versions',
    access: 'session',
    params: id,
    query: deletedQuery,
    answers: answers('Their names', z.array(z.string())),
    handle: (exchange, { params, query }) => {
      schemas.schema(params.id);
      const found = schemas.uses(params.id, query.deleted === true).map(({ subject }) => subject);
      answer(exchange, [...new Set(found)]);
    },
  });
}

function usesRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'GET',
    path: '/schemas/ids/{id}/versions',
    summary: 'The versions that have the schema of a number',
    access: 'session',
    params: id,
    query: deletedQuery,
    answers: answers('Subjects and versions', z.array(z.object({ subject: z.string(), version: z.int() }))),
    handle: (exchange, { params, query }) => {
      schemas.schema(params.id);
      answer(exchange, schemas.uses(params.id, query.deleted === true));
    },
  });
}
