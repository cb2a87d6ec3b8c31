/** `/subjects`: the versions of each schema, as Confluent Schema Registry gives them. */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { Document } from '#resource';
import type { SchemaSource, SchemaVersion } from '#schema';
import type { ServerContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';
import { flag } from '../http/params.ts';
import type { Route } from '../http/route.ts';
import { checkJson } from '../http/shape.ts';
import {
  answer,
  answers,
  registryRoute,
  schemaBody,
  sourceMembers,
  sourceOf,
  subjectParam,
  versionShape,
} from './registry-route.ts';

const subject = z.object({ subject: subjectParam });
const subjectVersion = z.object({ subject: subjectParam, version: z.string().describe('A number, or latest') });
/** Names that are not known are passed over: clients of different ages send different ones. */
const deletedQuery = z.looseObject({ deleted: flag.optional().describe('With what was deleted') });
const names = z.array(z.string());
const numbers = z.array(z.int());

export function subjectRoutes(context: ServerContext): Route[] {
  return [
    listRoute(context),
    versionsRoute(context),
    registerRoute(context),
    lookUpRoute(context),
    versionRoute(context),
    textRoute(context),
    referringRoute(context),
    deleteSubjectRoute(context),
    deleteVersionRoute(context),
  ];
}

function listRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'GET',
    path: '/subjects',
    summary: 'Names of the schemas',
    access: 'session',
    query: deletedQuery.extend({ subjectPrefix: z.string().optional() }),
    answers: answers('By name', names),
    handle: (exchange, { query }) => {
      const found = schemas.subjects(query.deleted === true);
      answer(
        exchange,
        found.filter((name) => name.startsWith(query.subjectPrefix ?? '')),
      );
    },
  });
}

function versionsRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'GET',
    path: '/subjects/{subject}/versions',
    summary: 'Numbers of the versions of a schema',
    access: 'session',
    params: subject,
    query: deletedQuery,
    answers: answers('Oldest first', numbers),
    handle: (exchange, { params, query }) => answer(exchange, schemas.versions(params.subject, query.deleted === true)),
  });
}

function registerRoute(context: ServerContext): Route {
  const { schemas, limits } = context;
  return registryRoute({
    method: 'POST',
    path: '/subjects/{subject}/versions',
    summary: 'Register a version; the same content again answers the number it has',
    access: 'admin',
    params: subject,
    query: z.looseObject({}),
    reads: { shape: schemaBody, maxBytes: limits.batchBytesMax },
    answers: answers('The number of the schema, which is the same in all subjects', z.object({ id: z.int() })),
    handle: async (exchange, { params, body }) => {
      const source = sourceOf(checkJson(schemaBody, body));
      const known = schemas.lookUp(params.subject, source);
      if (known === undefined) await put(context, exchange, params.subject, source);
      const registered = known ?? schemas.lookUp(params.subject, source);
      answer(exchange, { id: registered?.id });
    },
  });
}

function lookUpRoute({ schemas, limits }: ServerContext): Route {
  return registryRoute({
    method: 'POST',
    path: '/subjects/{subject}',
    summary: 'The version that has this content',
    access: 'session',
    params: subject,
    query: deletedQuery,
    reads: { shape: schemaBody, maxBytes: limits.batchBytesMax },
    answers: answers('The version', versionShape),
    handle: (exchange, { params, query, body }) => {
      const deleted = query.deleted === true;
      schemas.versions(params.subject, deleted);
      const found = schemas.lookUp(params.subject, sourceOf(checkJson(schemaBody, body)), deleted);
      if (found === undefined)
        throw new SluiceError('SCHEMA_UNKNOWN', `${params.subject} has no version of this content`);
      answer(exchange, shown(found));
    },
  });
}

function versionRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'GET',
    path: '/subjects/{subject}/versions/{version}',
    summary: 'One version of a schema',
    access: 'session',
    params: subjectVersion,
    query: deletedQuery,
    answers: answers('The version', versionShape),
    handle: (exchange, { params, query }) => {
      answer(exchange, shown(schemas.version(params.subject, versionIn(params.version), query.deleted === true)));
    },
  });
}

function textRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'GET',
    path: '/subjects/{subject}/versions/{version}/schema',
    summary: 'The text of one version',
    access: 'session',
    params: subjectVersion,
    query: deletedQuery,
    answers: answers('The text as it was registered', z.unknown()),
    handle: (exchange, { params, query }) => {
      const { text } = schemas.version(params.subject, versionIn(params.version), query.deleted === true);
      exchange.bytes(200, 'application/vnd.schemaregistry.v1+json', text);
    },
  });
}

function referringRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'GET',
    path: '/subjects/{subject}/versions/{version}/referencedby',
    summary: 'Numbers of the schemas that refer to a version',
    access: 'session',
    params: subjectVersion,
    query: z.looseObject({}),
    answers: answers('The numbers', numbers),
    handle: (exchange, { params }) => {
      const { version } = schemas.version(params.subject, versionIn(params.version));
      answer(exchange, schemas.referringTo(params.subject, version));
    },
  });
}

function deleteSubjectRoute({ schemas, resources }: ServerContext): Route {
  return registryRoute({
    method: 'DELETE',
    path: '/subjects/{subject}',
    summary: 'Delete a schema; its numbers stay readable',
    access: 'admin',
    params: subject,
    query: permanentQuery,
    answers: answers('The versions that were deleted', numbers),
    handle: async (exchange, { params, query }) => {
      refusePermanent(query);
      const versions = schemas.versions(params.subject);
      await resources.delete('schema', params.subject, { by: author(exchange) });
      answer(exchange, versions);
    },
  });
}

function deleteVersionRoute(context: ServerContext): Route {
  const { schemas, resources } = context;
  return registryRoute({
    method: 'DELETE',
    path: '/subjects/{subject}/versions/{version}',
    summary: 'Delete one version; its number stays readable',
    access: 'admin',
    params: subjectVersion,
    query: permanentQuery,
    answers: answers('The version that was deleted', z.int()),
    handle: async (exchange, { params, query }) => {
      refusePermanent(query);
      const { version } = schemas.version(params.subject, versionIn(params.version));
      await schemas.retire(params.subject, version, (before) => {
        if (before === undefined) return resources.delete('schema', params.subject, { by: author(exchange) });
        return put(context, exchange, params.subject, before);
      });
      answer(exchange, version);
    },
  });
}

const permanentQuery = z.looseObject({ permanent: flag.optional().describe('Refused: history keeps what there was') });

function refusePermanent({ permanent }: { readonly permanent?: boolean | undefined }): void {
  if (permanent !== true) return;
  throw new SluiceError('REQUEST_INVALID', 'deletion is never permanent: history keeps every version', {
    field: 'permanent',
  });
}

/** Makes `source` what the document holds; what else the document says stays. */
function put({ resources }: ServerContext, exchange: Exchange, name: string, source: SchemaSource): Promise<Document> {
  const { type, text, references } = source;
  const spec = { ...resources.find('schema', name)?.spec, type, schema: text, references };
  return resources.put('schema', name, spec, { by: author(exchange) });
}

function shown(version: SchemaVersion): object {
  const { subject: name, id, version: number } = version;
  return { subject: name, id, version: number, ...sourceMembers(version) };
}

/** @throws REQUEST_INVALID (details: `field`) */
export function versionIn(text: string): number | 'latest' {
  if (text === 'latest' || text === '-1') return 'latest';
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new SluiceError('REQUEST_INVALID', `${text} is not a version: a number from 1 on, or latest`, {
    field: 'version',
  });
}

export function author(exchange: Exchange): string | null {
  return exchange.principal.client ?? null;
}
