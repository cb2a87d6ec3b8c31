/** OpenAPI documents with one operation, for tests of what becomes of it. */
import { breaksBetween } from '../../../src/gateway/api/breaks.ts';

export interface Parts {
  readonly parameters?: unknown[];
  readonly request?: unknown;
  readonly required?: boolean;
  readonly response?: unknown;
  readonly schemas?: Record<string, unknown>;
  readonly security?: unknown;
  readonly more?: object;
}

/** A document with one operation, made of these. */
export function documentOf({ parameters = [], request, required, response, schemas = {}, security, more = {} }: Parts) {
  const json = (schema: unknown) => ({ content: { 'application/json': { schema } } });
  return {
    openapi: '3.1.0',
    info: { title: 't', version: '1' },
    components: {
      schemas,
      securitySchemes: {
        key: { type: 'apiKey', in: 'header', name: 'x-key' },
        key2: { type: 'apiKey', in: 'header', name: 'x-key' },
        oauth: { type: 'oauth2', flows: {} },
      },
    },
    paths: {
      '/a/{id}': {
        post: {
          parameters,
          ...(request !== undefined && { requestBody: { ...json(request), required: required ?? true } }),
          responses: { 200: { description: 'ok', ...(response !== undefined && json(response)) } },
          ...(security !== undefined && { security }),
        },
      },
      ...more,
    },
  };
}

export const told = (before: Parts, after: Parts) =>
  breaksBetween(documentOf(before), documentOf(after)).map(({ rule, at }) => [rule, at]);

export const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });
export const text = { type: 'string' };
export const query = (name: string, more: object = {}) => ({ name, in: 'query', schema: text, ...more });
export const AT = 'POST /a/{id}';
