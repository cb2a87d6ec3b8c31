/** The OpenAPI 3.1 document of a list of routes: made from the declarations that check the requests. */
import { z } from 'zod';
import { ERROR_TABLE } from '#kernel';
import type { AnswerDeclaration, BodyDeclaration, HeaderDeclaration, Route } from '../http/route.ts';

type Json = Record<string, unknown>;
/** A shape as it is sent to the server, where defaults may be left out, or as the server sees and answers it. */
type Side = 'input' | 'output';

const VERSION = '1';

export function openApiDocument(routes: readonly Route[]): Json {
  const schemas: Json = { Problem: problemSchema() };
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replace(/\*$/, '{rest}');
    paths[path] ??= {};
    (paths[path] as Json)[route.method.toLowerCase()] = operation(route, schemas);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice',
      version: VERSION,
      description: 'A durable event log. Errors are RFC 9457 problem documents with a stable code.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  };
}

function operation(route: Route, schemas: Json): Json {
  const answers: Json = {};
  for (const [status, answer] of Object.entries(route.answers)) answers[status] = answerObject(answer, schemas);
  answers['default'] = {
    description: 'A problem',
    content:
      route.errors === undefined
        ? { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }
        : content({ [route.errors.contentType]: route.errors.shape }, schemas),
  };
  return {
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    ...(route.access === 'open' ? { security: [] } : { security: [{ bearer: [] }, { apiKey: [] }, {}] }),
    'x-sluice-access': route.access,
    parameters: parameters(route, schemas),
    ...(route.body === undefined ? {} : { requestBody: requestBody(route.body, schemas) }),
    responses: answers,
  };
}

/** `postTopicsTopicRecords` of `POST /v1/topics/{topic}/records`. */
function operationId(route: Route): string {
  const words = route.path.replace(/^\/v\d+/, '').split(/[^A-Za-z0-9]+/);
  const named = words.filter(Boolean).map((word) => word[0]?.toUpperCase() + word.slice(1));
  return `${route.method.toLowerCase()}${named.join('')}${route.path.endsWith('*') ? 'Rest' : ''}`;
}

function parameters(route: Route, schemas: Json): Json[] {
  const names = [...route.path.matchAll(/\{(\w+)\}|\*/g)].map((match) => match[1] ?? 'rest');
  const shapes = route.params?.shape ?? {};
  const list: Json[] = names.map((name) => {
    const schema = shapes[name] === undefined ? { type: 'string' } : jsonSchema(shapes[name] as z.ZodType, schemas);
    return parameter(name, 'path', true, schema);
  });
  for (const [name, shape] of Object.entries(route.query?.shape ?? {})) {
    const schema = jsonSchema(shape as z.ZodType, schemas);
    list.push(parameter(name, 'query', !(shape as z.ZodType).safeParse(undefined).success, schema));
  }
  for (const { name, description } of route.headers ?? []) {
    list.push({ ...parameter(name, 'header', false, { type: 'string' }), description });
  }
  return list;
}

function parameter(name: string, place: string, required: boolean, schema: Json): Json {
  const { description, ...rest } = schema;
  return { name, in: place, required, ...(description === undefined ? {} : { description }), schema: rest };
}

function requestBody(body: BodyDeclaration, schemas: Json): Json {
  return { required: body.optional !== true, content: content(body.types, schemas, 'input') };
}

function answerObject(answer: AnswerDeclaration, schemas: Json): Json {
  const headers = Object.fromEntries((answer.headers ?? []).map(headerObject));
  return {
    description: answer.description,
    ...(answer.types === undefined ? {} : { content: content(answer.types, schemas) }),
    ...(answer.headers === undefined ? {} : { headers }),
  };
}

function headerObject({ name, description }: HeaderDeclaration): [string, Json] {
  return [name, { description, schema: { type: 'string' } }];
}

function content(types: Readonly<Record<string, z.ZodType | null>>, schemas: Json, io: Side = 'output'): Json {
  const entries = Object.entries(types).map(([type, shape]) => {
    return [type, shape === null ? {} : { schema: jsonSchema(shape, schemas, io) }];
  });
  return Object.fromEntries(entries);
}

/** The schema in place; parts with an id move to `schemas`, and are referred to. */
function jsonSchema(shape: z.ZodType, schemas: Json, io: Side = 'output'): Json {
  const { $schema, $defs, ...schema } = z.toJSONSchema(shape, {
    io,
    reused: 'inline',
    unrepresentable: 'any',
  }) as Json;
  for (const [id, definition] of Object.entries(($defs ?? {}) as Json)) schemas[id] = relinked(definition);
  const { id, ...body } = relinked(schema) as Json;
  if (typeof id !== 'string') return body;
  schemas[id] = body;
  return { $ref: `#/components/schemas/${id}` };
}

/** References to `#/$defs/…` point to the components of the document. */
function relinked(value: unknown): unknown {
  const text = JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/');
  return JSON.parse(text);
}

function problemSchema(): Json {
  return {
    type: 'object',
    description: 'RFC 9457. Further members depend on the code, e.g. field, start, expected.',
    required: ['type', 'title', 'status', 'code', 'detail', 'retryable'],
    properties: {
      type: { type: 'string' },
      title: { type: 'string' },
      status: { type: 'integer' },
      code: { type: 'string', enum: Object.keys(ERROR_TABLE) },
      detail: { type: 'string' },
      retryable: { type: 'boolean', description: 'Whether trying again can help' },
    },
  };
}
