/**
 * `/compatibility`, `/config` and `/mode`, as Confluent Schema Registry gives them. What is configured for a schema that is
 * there becomes part of its document; for one that is not there yet, and for all, it is kept by the registry.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { SchemaSpec } from '#resource';
import type { Incompatibility, Mode } from '#schema';
import type { ServerContext } from '../context.ts';
import { flag } from '../http/params.ts';
import type { Route } from '../http/route.ts';
import { checkJson } from '../http/shape.ts';
import {
  answer,
  answers,
  modeName,
  modeNamed,
  registryRoute,
  schemaBody,
  sourceOf,
  subjectParam,
} from './registry-route.ts';
import { author, versionIn } from './subject-routes.ts';

const CONFIG_BYTES_MAX = 4_096;

const subject = z.object({ subject: subjectParam });
const anyQuery = z.looseObject({});
const verboseQuery = z.looseObject({ verbose: flag.optional().describe('Tell what is in the way') });
const verdict = z.object({ is_compatible: z.boolean(), messages: z.array(z.string()).optional() });
const configBody = z.looseObject({ compatibility: modeName });
const configShape = z.object({ compatibility: modeName });
const levelShape = z.object({ compatibilityLevel: modeName });

export function configRoutes(context: ServerContext): Route[] {
  return [
    testVersionRoute(context),
    testRoute(context),
    globalRoute(context),
    setGlobalRoute(context),
    resetGlobalRoute(context),
    configRoute(context),
    setConfigRoute(context),
    resetConfigRoute(context),
    modeRoute(),
  ];
}

function testVersionRoute(context: ServerContext): Route {
  const { schemas, limits } = context;
  return registryRoute({
    method: 'POST',
    path: '/compatibility/subjects/{subject}/versions/{version}',
    summary: 'Whether a schema is compatible with one version, by the mode of the subject',
    access: 'observe',
    params: subject.extend({ version: z.string().describe('A number, or latest') }),
    query: verboseQuery,
    reads: { shape: schemaBody, maxBytes: limits.batchBytesMax },
    answers: answers('The verdict', verdict),
    handle: (exchange, { params, query, body }) => {
      const { version } = schemas.version(params.subject, versionIn(params.version));
      const source = sourceOf(checkJson(schemaBody, body));
      const mode = schemas.modes.of(params.subject, ownMode(context, params.subject));
      const found = schemas.incompatibilities(params.subject, source, mode, version);
      answer(exchange, verdictOf(found, query.verbose === true));
    },
  });
}

function testRoute(context: ServerContext): Route {
  const { schemas, limits } = context;
  return registryRoute({
    method: 'POST',
    path: '/compatibility/subjects/{subject}/versions',
    summary: 'Whether a schema could be registered, by the mode of the subject',
    access: 'observe',
    params: subject,
    query: verboseQuery,
    reads: { shape: schemaBody, maxBytes: limits.batchBytesMax },
    answers: answers('The verdict', verdict),
    handle: (exchange, { params, query, body }) => {
      const source = sourceOf(checkJson(schemaBody, body));
      const mode = schemas.modes.of(params.subject, ownMode(context, params.subject));
      answer(exchange, verdictOf(schemas.incompatibilities(params.subject, source, mode), query.verbose === true));
    },
  });
}

function verdictOf(found: readonly Incompatibility[], verbose: boolean): z.output<typeof verdict> {
  const messages = found.map(({ version, reader, path, message }) => {
    const who = reader === 'new' ? `cannot read version ${version}` : `cannot be read by version ${version}`;
    return `${who}: ${path}: ${message}`;
  });
  return { is_compatible: found.length === 0, ...(verbose ? { messages } : {}) };
}

function globalRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'GET',
    path: '/config',
    summary: 'The mode of compatibility of subjects that have none of their own',
    access: 'session',
    query: anyQuery,
    answers: answers('The mode', levelShape),
    handle: (exchange) => answer(exchange, { compatibilityLevel: nameOf(schemas.modes.global) }),
  });
}

function setGlobalRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'PUT',
    path: '/config',
    summary: 'Set the mode of compatibility of subjects that have none of their own',
    access: 'admin',
    reads: { shape: configBody, maxBytes: CONFIG_BYTES_MAX },
    answers: answers('The mode', configShape),
    handle: async (exchange, { body }) => {
      const { compatibility } = checkJson(configBody, body);
      await schemas.modes.set(undefined, modeNamed(compatibility));
      answer(exchange, { compatibility });
    },
  });
}

function resetGlobalRoute({ schemas }: ServerContext): Route {
  return registryRoute({
    method: 'DELETE',
    path: '/config',
    summary: 'Go back to the mode BACKWARD',
    access: 'admin',
    answers: answers('The mode there was', configShape),
    handle: async (exchange) => {
      const before = schemas.modes.global;
      await schemas.modes.set(undefined, null);
      answer(exchange, { compatibility: nameOf(before) });
    },
  });
}

function configRoute(context: ServerContext): Route {
  return registryRoute({
    method: 'GET',
    path: '/config/{subject}',
    summary: 'The mode of compatibility of a subject',
    access: 'session',
    params: subject,
    query: z.looseObject({ defaultToGlobal: flag.optional().describe('Where there is none, the one for all') }),
    answers: answers('The mode', levelShape),
    handle: (exchange, { params, query }) => {
      const own = configuredMode(context, params.subject);
      const mode = own ?? (query.defaultToGlobal === true ? context.schemas.modes.global : undefined);
      if (mode === undefined) throw notConfigured(params.subject);
      answer(exchange, { compatibilityLevel: nameOf(mode) });
    },
  });
}

function setConfigRoute({ schemas, resources }: ServerContext): Route {
  return registryRoute({
    method: 'PUT',
    path: '/config/{subject}',
    summary: 'Set the mode of compatibility of a subject, also of one that is not there yet',
    access: 'admin',
    params: subject,
    reads: { shape: configBody, maxBytes: CONFIG_BYTES_MAX },
    answers: answers('The mode', configShape),
    handle: async (exchange, { params, body }) => {
      const { compatibility } = checkJson(configBody, body);
      const mode = modeNamed(compatibility);
      const document = resources.find('schema', params.subject);
      if (document === undefined) await schemas.modes.set(params.subject, mode);
      else {
        const spec = { ...document.spec, compatibility: mode };
        await resources.put('schema', params.subject, spec, { by: author(exchange) });
      }
      answer(exchange, { compatibility });
    },
  });
}

function resetConfigRoute(context: ServerContext): Route {
  const { schemas, resources } = context;
  return registryRoute({
    method: 'DELETE',
    path: '/config/{subject}',
    summary: 'Let a subject go by the mode for all',
    access: 'admin',
    params: subject,
    answers: answers('The mode there was', configShape),
    handle: async (exchange, { params }) => {
      const before = configuredMode(context, params.subject);
      if (before === undefined) throw notConfigured(params.subject);
      const document = resources.find('schema', params.subject);
      if (document?.spec['compatibility'] !== undefined) {
        const { compatibility: _, ...spec } = document.spec;
        await resources.put('schema', params.subject, spec, { by: author(exchange) });
      }
      if (schemas.modes.configured(params.subject) !== undefined) await schemas.modes.set(params.subject, null);
      answer(exchange, { compatibility: nameOf(before) });
    },
  });
}

function modeRoute(): Route {
  return registryRoute({
    method: 'GET',
    path: '/mode',
    summary: 'Always READWRITE',
    access: 'session',
    query: anyQuery,
    answers: answers('The mode of the registry', z.object({ mode: z.string() })),
    handle: (exchange) => answer(exchange, { mode: 'READWRITE' }),
  });
}

function ownMode({ resources }: ServerContext, name: string): Mode | undefined {
  return (resources.find('schema', name)?.spec as SchemaSpec | undefined)?.compatibility;
}

function configuredMode(context: ServerContext, name: string): Mode | undefined {
  return ownMode(context, name) ?? context.schemas.modes.configured(name);
}

function notConfigured(name: string): SluiceError {
  return new SluiceError('SCHEMA_UNKNOWN', `${name} has no mode of compatibility of its own`, { compatibility: false });
}

function nameOf(mode: Mode): string {
  return mode.toUpperCase();
}
