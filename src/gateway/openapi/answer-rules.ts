/** What an API description says of answers: statuses, headers, media types, JSON bodies. Called by the policy `validate`. */
import type { GatewayRequest, WholeAnswer } from '../policy.ts';
import { type Description, mediaFor, type Operation, ruleFor } from './description.ts';
import { readParameter } from './parameters.ts';
import type { SchemaSet } from './schemas.ts';

const JSON_TYPE = /^[a-z0-9.+-]+\/(json|[a-z0-9.+-]+\+json)$/;

type Headers = readonly (string | Buffer)[];

export class AnswerRules {
  readonly #description: Description;
  readonly #schemas: SchemaSet;

  constructor(description: Description, schemas: SchemaSet) {
    this.#description = description;
    this.#schemas = schemas;
  }

  /** What is wrong with the head of an answer, for the record and not for the client. */
  headFault(operation: Operation, { method }: GatewayRequest, { status, headers }: WholeAnswer): string | undefined {
    const rule = ruleFor(operation, status);
    if (rule === undefined) return `status ${status} is not described`;
    for (const parameter of rule.headers) {
      const { name, required, schema } = parameter;
      const given = headerOf(headers, name.toLowerCase());
      if (given === undefined) {
        if (required) return `header ${name} is missing`;
        continue;
      }
      const value = readParameter(parameter, [[name, given]], this.#description.document);
      const [fault] = schema === undefined ? [] : this.#schemas.check(schema)(value);
      if (fault !== undefined) return `header ${name} ${fault.message}`;
    }
    const bodiless = method === 'HEAD' || status === 204 || status === 304;
    if (bodiless || rule.content.length === 0) return undefined;
    if (encodingOf(headers) !== '') return 'the body is compressed although that was not asked for';
    const type = typeOf(headers);
    return mediaFor(rule.content, type) === undefined ? `media type ${type || 'none'} is not described` : undefined;
  }

  /** The schema that the body is held to; undefined where it is not JSON or nothing is said of it. */
  schemaOf(operation: Operation, status: number, headers: Headers): string | undefined {
    const type = typeOf(headers);
    const rule = ruleFor(operation, status);
    return rule === undefined || !JSON_TYPE.test(type) ? undefined : mediaFor(rule.content, type)?.schema;
  }

  bodyFault(operation: Operation, { status, headers, body }: WholeAnswer): string | undefined {
    const schema = this.schemaOf(operation, status, headers);
    if (schema === undefined) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(body.toString('utf8'));
    } catch {
      return 'body is not JSON';
    }
    const [fault] = this.#schemas.check(schema)(value);
    return fault === undefined ? undefined : `body ${fault.pointer} ${fault.message}`;
  }
}

function headerOf(headers: Headers, name: string): string | undefined {
  let found: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    found = found === undefined ? String(headers[i + 1]) : `${found}, ${String(headers[i + 1])}`;
  }
  return found;
}

function typeOf(headers: Headers): string {
  return (headerOf(headers, 'content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

function encodingOf(headers: Headers): string {
  const coding = (headerOf(headers, 'content-encoding') ?? '').trim().toLowerCase();
  return coding === 'identity' ? '' : coding;
}
