/**
 * The paths of declared things, the same for every kind: `/v1/{kinds}/{name}`, its history, and going back. The version
 * travels as ETag and If-Match, so that two people who change the same thing notice.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { Document, Kind } from '#resource';
import type { ServerContext } from '../context.ts';
import type { Exchange } from '../http/exchange.ts';
import { flag } from '../http/params.ts';
import { defineRoute, type Route } from '../http/route.ts';
import { checkJson, parseJson } from '../http/shape.ts';
import { requireAdminLeft } from './admins.ts';
import { changeAnswer, documentAnswer, historyAnswer } from './documents.ts';

const JSON_TYPE = 'application/json';
const ROLLBACK_BYTES_MAX = 1_024;
/** Specs of kinds that tell who may do what are for administrators only. */
const ADMIN_KINDS = new Set(['client']);

const name = z.object({ name: z.string() });
const ifMatchHeader = { name: 'If-Match', description: 'The version that must be the current one' };
const etagHeader = { name: 'ETag', description: 'The version' };

export function resourceRoutes(context: ServerContext): Route[] {
  return context.resources
    .kinds()
    .flatMap((kind) => [
      listRoute(context, kind),
      getRoute(context, kind),
      putRoute(context, kind),
      deleteRoute(context, kind),
      historyRoute(context, kind),
      rollbackRoute(context, kind),
    ]);
}

/** Where the kind's routes stand in the documentation. */
function tagOf(kind: Kind): string {
  return (kind.plural[0] as string).toUpperCase() + kind.plural.slice(1);
}

function readAccess(kind: Kind): 'admin' | 'observe' {
  return ADMIN_KINDS.has(kind.kind) ? 'admin' : 'observe';
}

function listRoute({ resources }: ServerContext, kind: Kind): Route {
  return defineRoute({
    method: 'GET',
    path: `/v1/${kind.plural}`,
    tag: tagOf(kind),
    summary: `List ${kind.plural}. ${kind.summary}`,
    access: readAccess(kind),
    answers: { 200: { description: 'By name', types: { [JSON_TYPE]: z.array(documentAnswer) } } },
    handle: (exchange) => exchange.json(200, resources.list(kind.kind).map(shown)),
  });
}

function getRoute({ resources }: ServerContext, kind: Kind): Route {
  return defineRoute({
    method: 'GET',
    path: `/v1/${kind.plural}/{name}`,
    tag: tagOf(kind),
    summary: `Look at one of ${kind.plural}`,
    access: 'session',
    params: name,
    headers: [{ name: 'If-None-Match', description: 'Answers 304 while this is the version' }],
    answers: {
      200: { description: 'As it is', types: { [JSON_TYPE]: documentAnswer }, headers: [etagHeader] },
      304: { description: 'Still the version that was named' },
    },
    handle: (exchange, { params }) => {
      exchange.principal.require(readAccess(kind), kind.kind === 'topic' ? params.name : '');
      const document = resources.get(kind.kind, params.name);
      if (versionIn(exchange, 'if-none-match') === document.version) {
        exchange.setHeader('ETag', etag(document));
        exchange.empty(304);
      } else {
        answer(exchange, 200, document);
      }
    },
  });
}

function putRoute(context: ServerContext, kind: Kind): Route {
  const { resources, limits } = context;
  return defineRoute({
    method: 'PUT',
    path: `/v1/${kind.plural}/{name}`,
    tag: tagOf(kind),
    summary: `Create or change one of ${kind.plural}; the body is the whole spec`,
    access: 'admin',
    params: name,
    query: z.strictObject({ dry_run: flag.optional().describe('Only tell what would change') }),
    headers: [ifMatchHeader, { name: 'If-None-Match', description: '* where there must be none yet' }],
    body: { types: { [JSON_TYPE]: kind.schema }, maxBytes: limits.batchBytesMax / 2, optional: true },
    answers: {
      200: {
        description: 'Changed, unchanged, or with dry_run the changes',
        types: { [JSON_TYPE]: z.union([documentAnswer, changeAnswer]) },
        headers: [etagHeader],
      },
      201: { description: 'Created', types: { [JSON_TYPE]: documentAnswer }, headers: [etagHeader] },
    },
    handle: async (exchange, { params, query, body }) => {
      const spec = body.length === 0 ? {} : parseJson(body);
      const ifMatch = exchange.header('if-none-match') === '*' ? 0 : versionIn(exchange, 'if-match');
      const checked = resources.check(kind.kind, params.name, spec);
      if (kind.kind === 'client') requireAdminLeft(resources, params.name, checked);
      if (query.dry_run === true) {
        exchange.json(200, { changes: resources.preview(kind.kind, params.name, spec, ifMatch) });
        return;
      }
      const isNew = resources.find(kind.kind, params.name) === undefined;
      const document = await resources.put(kind.kind, params.name, spec, { by: author(exchange), ifMatch });
      const key = isNew && kind.kind === 'client' ? await context.keys.issue(params.name, null) : undefined;
      answer(exchange, isNew ? 201 : 200, document, key === undefined ? {} : { key: key.key });
    },
  });
}

function deleteRoute({ resources }: ServerContext, kind: Kind): Route {
  return defineRoute({
    method: 'DELETE',
    path: `/v1/${kind.plural}/{name}`,
    tag: tagOf(kind),
    summary: `Delete one of ${kind.plural}`,
    access: 'admin',
    params: name,
    headers: [ifMatchHeader],
    answers: { 204: { description: 'Deleted' } },
    handle: async (exchange, { params }) => {
      if (kind.kind === 'client') requireAdminLeft(resources, params.name, undefined);
      await resources.delete(kind.kind, params.name, {
        by: author(exchange),
        ifMatch: versionIn(exchange, 'if-match'),
      });
      exchange.empty(204);
    },
  });
}

function historyRoute({ resources }: ServerContext, kind: Kind): Route {
  return defineRoute({
    method: 'GET',
    path: `/v1/${kind.plural}/{name}/history`,
    tag: tagOf(kind),
    summary: 'Every version there was, who made it and what it changed; oldest first',
    access: readAccess(kind),
    params: name,
    answers: { 200: { description: 'The versions', types: { [JSON_TYPE]: historyAnswer } } },
    handle: (exchange, { params }) => {
      exchange.json(200, resources.history(kind.kind, params.name));
    },
  });
}

function rollbackRoute({ resources }: ServerContext, kind: Kind): Route {
  const shape = z.strictObject({ version: z.int().positive() });
  return defineRoute({
    method: 'POST',
    path: `/v1/${kind.plural}/{name}/rollback`,
    tag: tagOf(kind),
    summary: 'Make the spec of an earlier version the newest one',
    access: 'admin',
    params: name,
    headers: [ifMatchHeader],
    body: { types: { [JSON_TYPE]: shape }, maxBytes: ROLLBACK_BYTES_MAX },
    answers: {
      200: { description: 'The new version', types: { [JSON_TYPE]: documentAnswer }, headers: [etagHeader] },
    },
    handle: async (exchange, { params, body }) => {
      const { version } = checkJson(shape, body);
      const earlier = resources.history(kind.kind, params.name).find((entry) => entry.version === version);
      if (kind.kind === 'client' && earlier?.spec) requireAdminLeft(resources, params.name, earlier.spec);
      const options = { by: author(exchange), ifMatch: versionIn(exchange, 'if-match') };
      answer(exchange, 200, await resources.rollback(kind.kind, params.name, version, options));
    },
  });
}

function answer(exchange: Exchange, status: number, document: Document, more: Record<string, string> = {}): void {
  exchange.setHeader('ETag', etag(document));
  exchange.json(status, { ...shown(document), ...more });
}

function shown({ createdAt, updatedAt, ...document }: Document): object {
  return { ...document, created_at: createdAt, updated_at: updatedAt };
}

function etag(document: Document): string {
  return `"${document.version}"`;
}

function author(exchange: Exchange): string | null {
  return exchange.principal.client ?? null;
}

/** The version in a header: `"3"` or `3`; `*` says nothing. @throws REQUEST_INVALID (details: `field`) */
function versionIn(exchange: Exchange, header: string): number | undefined {
  const text = exchange.header(header);
  if (text === undefined || text === '*') return undefined;
  const version = /^(?:W\/)?"?(\d{1,15})"?$/.exec(text)?.[1];
  if (version !== undefined) return Number(version);
  throw new SluiceError('REQUEST_INVALID', `${header} must be a version`, { field: header });
}
