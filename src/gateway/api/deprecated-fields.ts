/**
 * Which parts of a request its version calls deprecated: parameters and fields of JSON bodies that the OpenAPI document
 * marks `deprecated: true`. So the access records tell who still uses them. Compiled once an operation.
 */
import type { GatewayRequest } from '../policy.ts';
import {
  contentOf,
  entriesOf,
  isJson,
  isNode,
  listOf,
  type Node,
  type OpenApi,
  operationsOf,
  resolve,
} from './open-api.ts';
import { compileTemplate, type PathMatch } from './templates.ts';

const DEPTH_MAX = 12;
const FIELDS_MAX = 200;
const SCHEMAS_MAX = 2_000;
const TOLD_MAX = 20;
/** In a path, each element of a list. */
const EACH = '[]';

export interface DeprecatedParts {
  readonly query: readonly string[];
  readonly headers: readonly string[];
  /** Paths of fields. */
  readonly body: readonly (readonly string[])[];
}

interface OperationParts {
  readonly method: string;
  readonly matches: PathMatch;
  readonly parts: DeprecatedParts;
}

/** Finds what is deprecated in the operation that a request is for; undefined where nothing is. */
export type DeprecatedLookup = (method: string, path: string) => DeprecatedParts | undefined;

export function compileDeprecated(document: OpenApi | undefined): DeprecatedLookup {
  const found: OperationParts[] = [];
  for (const { method, path, node, parameters } of document === undefined ? [] : operationsOf(document)) {
    const named = (place: string) =>
      parameters.filter((one) => one.in === place && one.deprecated).map((one) => one.name);
    const body: string[][] = [];
    for (const [type, schema] of contentOf(resolve(document as OpenApi, node['requestBody']))) {
      if (isJson(type)) collect(document as OpenApi, schema, [], body, { left: SCHEMAS_MAX });
    }
    const parts = { query: named('query'), headers: named('header'), body };
    const some = parts.query.length + parts.headers.length + body.length > 0;
    if (some) found.push({ method, matches: compileTemplate(path), parts });
  }
  return (method, path) => found.find((one) => one.method === method && one.matches(path) !== undefined)?.parts;
}

/** @param room how many more schemas are looked at */
function collect(
  document: OpenApi,
  schema: unknown,
  path: readonly string[],
  found: string[][],
  room: { left: number },
): void {
  if (path.length > DEPTH_MAX || !isNode(schema) || room.left-- <= 0) return;
  const node = resolve(document, schema);
  for (const part of [...listOf(node['allOf']), ...listOf(node['oneOf']), ...listOf(node['anyOf'])]) {
    collect(document, part, [...path, ''], found, room);
  }
  if (isNode(node['items'])) collect(document, node['items'], [...path, EACH], found, room);
  for (const [name, value] of entriesOf(node['properties'])) {
    if (found.length >= FIELDS_MAX) return;
    const field = [...path, name];
    if (isDeprecated(document, value)) found.push(field.filter((part) => part !== ''));
    else collect(document, value, field, found, room);
  }
}

function isDeprecated(document: OpenApi, schema: unknown): boolean {
  return isNode(schema) && (schema['deprecated'] === true || resolve(document, schema)['deprecated'] === true);
}

/** Those that a request uses, such as `query:limit` and `body:customer.name`; at most some of them. */
export function usedParts(parts: DeprecatedParts, request: GatewayRequest, body: unknown): string[] {
  const used = parts.headers.filter((name) => request.header(name) !== undefined).map((name) => `header:${name}`);
  const query = parts.query.length === 0 ? undefined : new URLSearchParams(request.query);
  for (const name of parts.query) if (query?.has(name)) used.push(`query:${name}`);
  for (const path of parts.body) {
    if (isThere(body, path, 0)) used.push(`body:${path.join('.').replaceAll(`.${EACH}`, EACH)}`);
  }
  return used.slice(0, TOLD_MAX);
}

function isThere(value: unknown, path: readonly string[], at: number): boolean {
  const part = path[at];
  if (part === undefined) return value !== undefined;
  if (part === EACH) return Array.isArray(value) && value.some((one) => isThere(one, path, at + 1));
  return isNode(value) && Object.hasOwn(value, part) && isThere((value as Node)[part], path, at + 1);
}
