/**
 * A server that is a vendor's OpenAPI file: every request is held to it (path, method, parameters, body) and answered with what
 * its schemas allow, so a connector is proven against what the vendor says of its API. The files are data beside the project;
 * where they are not, tests skip and say so. OpenAPI 3 and Swagger 2.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import { parse } from 'yaml';
import { type Api, type ApiAnswer, type ApiRequest, startApi } from './api.ts';

const FOLDER = ['../../../../../shared/specs', '../../../../shared/specs', '../../../../../../shared/specs']
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find(existsSync);
const DEPTH_MAX = 6;
const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

type Json = Record<string, unknown>;

interface Operation {
  readonly method: string;
  readonly template: string;
  readonly pattern: RegExp;
  readonly declared: Json;
  readonly shared: readonly unknown[];
}

export interface SpecServer extends Api {
  /** What requests did that the file does not allow. */
  readonly violations: string[];
  /** Operations that were asked for: `get /items/{id}`. */
  readonly used: Set<string>;
}

/** True, and a line on stderr, where the file is not on this machine. */
export function lackingSpec(...files: readonly string[]): boolean {
  const missing = files.find((file) => FOLDER === undefined || !existsSync(join(FOLDER, file)));
  if (missing !== undefined) process.stderr.write(`tests skip here, they need the description of an API: ${missing}\n`);
  return missing !== undefined;
}

/** @param shape another answer than the one that was made: places of pages, ids that fit together */
export async function startSpecServer(
  files: readonly string[],
  shape: (operation: string, answer: unknown, request: ApiRequest) => unknown = (_, answer) => answer,
): Promise<SpecServer> {
  const specs = files.map((file) => new Spec(file));
  const violations: string[] = [];
  const used = new Set<string>();
  const api = await startApi((request): ApiAnswer => {
    for (const spec of specs) {
      const operation = spec.find(request);
      if (operation === undefined) continue;
      const name = `${operation.method} ${operation.template}`;
      used.add(name);
      violations.push(...spec.check(operation, request).map((one) => `${name}: ${one}`));
      const { status, body } = spec.answer(operation);
      const shaped = shape(name, body, request);
      return { status, ...(shaped === undefined ? {} : { body: shaped }) };
    }
    violations.push(`there is no ${request.method} ${request.path}`);
    return { status: 404, body: {} };
  });
  return { ...api, violations, used };
}

class Spec {
  readonly #document: Json;
  readonly #ajv = formats.default(
    new Ajv({ strict: false, validateSchema: false, allErrors: true, coerceTypes: false, logger: false }),
  );
  readonly #operations: Operation[] = [];
  readonly #checks = new Map<unknown, ValidateFunction>();

  constructor(file: string) {
    const text = readFileSync(join(FOLDER as string, file), 'utf8');
    this.#document = plain((file.endsWith('.json') ? JSON.parse(text) : parse(text)) as unknown) as Json;
    this.#ajv.addSchema({ ...this.#document, $id: 'spec' }, 'spec');
    const base = basePath(this.#document);
    for (const [path, item] of Object.entries(this.#document['paths'] as Json)) {
      for (const method of METHODS) {
        const declared = (item as Json)[method] as Json | undefined;
        if (declared === undefined) continue;
        const source = `${base}${path}`.replace(/[.+*?^$()|[\]]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+');
        const shared = ((item as Json)['parameters'] ?? []) as unknown[];
        this.#operations.push({ method, template: path, pattern: new RegExp(`^${source}/?$`), declared, shared });
      }
    }
    // A path without parameters goes before one with them.
    this.#operations.sort((a, b) => a.template.split('{').length - b.template.split('{').length);
  }

  find({ method, path }: ApiRequest): Operation | undefined {
    return this.#operations.find((one) => one.method === method.toLowerCase() && one.pattern.test(path));
  }

  check({ declared, shared }: Operation, { query, json, text, headers }: ApiRequest): string[] {
    const found: string[] = [];
    const parameters = [...((declared['parameters'] ?? []) as unknown[]), ...shared].map(
      (one) => this.#resolved(one) as Json,
    );
    const named = parameters.filter((one) => one['in'] === 'query');
    const bare = (name: string) => name.replace(/\[.*$/, '');
    for (const name of new Set(query.keys())) {
      const known = named.find((one) => one['name'] === name || bare(String(one['name'])) === bare(name));
      if (known === undefined) found.push(`it knows no parameter ${name}`);
      else found.push(...this.#checkText(known, query.getAll(name)).map((why) => `${name} ${why}`));
    }
    for (const one of parameters) {
      const name = String(one['name']);
      if (one['required'] !== true) continue;
      if (one['in'] === 'query' && !query.has(name)) found.push(`it needs the parameter ${name}`);
      const ours = ['content-type', 'accept', 'authorization'].includes(name.toLowerCase());
      if (one['in'] === 'header' && !ours && headers[name.toLowerCase()] === undefined)
        found.push(`it needs the header ${name}`);
    }
    const bodySchema = this.#bodySchema(declared, parameters, headers['content-type'] ?? '');
    if (bodySchema === undefined) {
      if (text !== '' && declared['requestBody'] === undefined) found.push('it takes no body');
      return found;
    }
    const form =
      headers['content-type']?.includes('form') === true ? Object.fromEntries(new URLSearchParams(text)) : undefined;
    if (json === undefined && form === undefined) return text === '' ? found : [...found, 'its body is no JSON'];
    return form === undefined ? [...found, ...this.#violations(bodySchema, json)] : found;
  }

  answer({ declared }: Operation): { status: number; body: unknown } {
    const responses = declared['responses'] as Json;
    const status = Object.keys(responses).find((one) => /^2/.test(one)) ?? 'default';
    const response = this.#resolved(responses[status]) as Json | undefined;
    const schema = schemaIn(response?.['content']) ?? response?.['schema'];
    const number = /^\d+$/.test(status) ? Number(status) : 200;
    return { status: number, body: schema === undefined ? undefined : this.#made(schema, 0) };
  }

  #checkText(parameter: Json, given: readonly string[]): string[] {
    const schema = this.#resolved(parameter['schema'] ?? parameter) as Json;
    const item = schema['type'] === 'array' ? (this.#resolved(schema['items'] ?? {}) as Json) : schema;
    const values = schema['type'] === 'array' ? given.flatMap((one) => one.split(',')) : given;
    return values.flatMap((value) => {
      const type = item['type'];
      if ((type === 'integer' || type === 'number') && Number.isNaN(Number(value))) return [`is no ${type}: ${value}`];
      if (type === 'boolean' && !/^(true|false)$/.test(value)) return [`is no boolean: ${value}`];
      const allowed = item['enum'] as unknown[] | undefined;
      if (allowed !== undefined && !allowed.map(String).includes(value)) return [`may not be ${value}`];
      const most = item['maximum'];
      return typeof most === 'number' && Number(value) > most ? [`is more than ${most}`] : [];
    });
  }

  #bodySchema(declared: Json, parameters: readonly Json[], type: string): unknown {
    const body = this.#resolved(declared['requestBody']) as Json | undefined;
    if (body !== undefined) return schemaIn(body['content'], type);
    return parameters.find((one) => one['in'] === 'body')?.['schema'];
  }

  #violations(schema: unknown, value: unknown): string[] {
    let check = this.#checks.get(schema);
    if (check === undefined) {
      check = this.#ajv.compile(rooted(schema) as object);
      this.#checks.set(schema, check);
    }
    if (check(value)) return [];
    return (check.errors ?? []).map(({ instancePath, message }) => `body${instancePath} ${message}`);
  }

  #resolved(value: unknown): unknown {
    const reference = (value as Json | undefined)?.['$ref'];
    if (typeof reference !== 'string') return value;
    const names = reference
      .replace(/^#\//, '')
      .split('/')
      .map((one) => decodeURIComponent(one).replaceAll('~1', '/').replaceAll('~0', '~'));
    return this.#resolved(names.reduce<unknown>((at, name) => (at as Json | undefined)?.[name], this.#document));
  }

  /** A value that the schema allows: everything it names, as far as it does not go on for ever. */
  #made(given: unknown, depth: number): unknown {
    const schema = (this.#resolved(given) ?? {}) as Json;
    const {
      type,
      properties,
      items,
      allOf,
      anyOf,
      oneOf,
      enum: allowed,
      example,
      format,
    } = schema as { [name: string]: Json & unknown[] };
    if (Array.isArray(allowed) && allowed.length > 0) return allowed[0];
    if (schema['const'] !== undefined) return schema['const'];
    if (Array.isArray(allOf)) {
      const parts = [...allOf, { properties, type: 'object' }].map((part) => this.#made(part, depth));
      return Object.assign({}, ...parts.filter((part) => typeof part === 'object'));
    }
    const [first] = (anyOf ?? oneOf ?? []) as unknown[];
    if (first !== undefined && properties === undefined) return this.#made(first, depth);
    const kind = Array.isArray(type) ? (type as unknown[]).find((one) => one !== 'null') : type;
    if (kind === 'object' || properties !== undefined) {
      if (depth > DEPTH_MAX) return {};
      const made = Object.entries((properties ?? {}) as Json).map(
        ([name, inner]) => [name, this.#made(inner, depth + 1)] as const,
      );
      return Object.fromEntries(made);
    }
    if (kind === 'array') return depth > DEPTH_MAX ? [] : [this.#made(items, depth + 1)];
    if (kind === 'boolean') return true;
    if (kind === 'integer' || kind === 'number') return Math.max(Number(schema['minimum'] ?? 1), 1);
    if (kind === undefined) return example ?? 'x';
    return textOf(String(format ?? ''), typeof example === 'string' ? example : undefined);
  }
}

function textOf(format: string, example: string | undefined): string {
  if (format === 'date-time') return '2026-11-25T01:02:03.456Z';
  if (format === 'date') return '2026-11-25';
  if (format === 'uri') return 'https://example.com/x';
  if (format === 'uuid') return 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6';
  return example ?? 'x';
}

function schemaIn(content: unknown, type = 'json'): unknown {
  const entries = Object.entries((content ?? {}) as Json);
  const wanted = type.split(';')[0] ?? '';
  const found =
    entries.find(([name]) => name === wanted) ?? entries.find(([name]) => name.includes('json')) ?? entries[0];
  return (found?.[1] as Json | undefined)?.['schema'];
}

/** The part of the path that is in front of all others. */
function basePath(document: Json): string {
  const base = document['basePath'];
  if (typeof base === 'string') return base.replace(/\/$/, '');
  const [server] = (document['servers'] ?? []) as { url: string }[];
  return (server?.url ?? '')
    .replace(/^https?:\/\/[^/]*/, '')
    .replace(/\{[^}]*\}/g, '[^/]+')
    .replace(/\/$/, '');
}

/** Without what ajv cannot read: `nullable` beside no type, booleans where numbers belong. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name, inner]) => {
    if (name === 'nullable') return 'type' in value;
    if (name === 'exclusiveMinimum' || name === 'exclusiveMaximum') return typeof inner === 'number';
    return !(
      name === 'required' &&
      typeof inner === 'boolean' &&
      ('type' in value || '$ref' in value) &&
      !('in' in value)
    );
  });
  return Object.fromEntries(entries.map(([name, inner]) => [name, plain(inner)]));
}

function rooted(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"spec#/')) as unknown;
}
