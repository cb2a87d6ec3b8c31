/**
 * Policy `validate`: requests and answers held to an API description. What does not fit is refused, or counted only (`log`).
 * A request that does not fit is told where, by JSON pointers, ten at most; of an answer that does not fit the client
 * learns nothing but that it was so. Schemas are compiled on a thread when an operation is first asked for, and all of them
 * are looked through on the main thread when the route is declared.
 */
import { z } from 'zod';
import { type Limits, SluiceError } from '#kernel';
import { fieldOf } from '../policies/fields.ts';
import { plainBody } from '../policies/plain-body.ts';
import type { AnswerStep, BodyStep, GatewayRequest, Policy, Verdict, WholeAnswer } from '../policy.ts';
import { AnswerRules } from './answer-rules.ts';
import { Description, mediaFor, type Operation, type Parameter } from './description.ts';
import { fromPairs, type Pairs, pairsOf, readParameter, shapeOf } from './parameters.ts';
import { PathIndex } from './path-index.ts';
import { type Fault, SchemaSet } from './schemas.ts';

const mode = z.enum(['block', 'log', 'off']);
const bytes = z
  .int()
  .min(0)
  .default(1024 * 1024);

export const validationSchema = z.strictObject({
  openapi: z
    .record(z.string(), z.unknown())
    .optional()
    .describe(
      "The description, OpenAPI 3.0 or 3.1, with no reference out of it; default: that of each version of the route's api",
    ),
  base_path: z
    .string()
    .max(1_000)
    .regex(/^(\/[^/{}?#]+)*$/, 'must be the beginning of a path, such as /shop')
    .default('')
    .describe('What the paths of requests have before those of the description; of an api it is told by the api'),
  unsafe_patterns: z
    .enum(['refuse', 'ignore'])
    .default('refuse')
    .describe(
      'Patterns that could take long on some text, or are not JavaScript: the description is refused, or they are',
    ),
  requests: mode.default('block'),
  responses: mode.default('off').describe('block: an answer that does not fit becomes a 502'),
  request_bytes_max: bytes.describe('Of a body; a longer one is refused, or passes without a look with log'),
  response_bytes_max: bytes.describe('Of JSON answers; a longer one is refused, or passes without a look with log'),
});

export type ValidationSpec = z.infer<typeof validationSchema>;

export interface ValidationParts {
  readonly limits: Pick<Limits, 'gatewayPatternStepsMax' | 'gatewayBodyBytesMax' | 'recordBytesMax'>;
  /** Told of each request or answer that does not fit. */
  readonly found: (what: 'request' | 'response', refused: boolean) => void;
  /** All schemas are looked through now. */
  readonly eager: boolean;
}

const FAULTS_MAX = 10;
const JSON_TYPE = /^[a-z0-9.+-]+\/(json|[a-z0-9.+-]+\+json)$/;

/** @throws RESOURCE_INVALID where the description is not one, or a schema or pattern of it cannot be held to */
export function compileValidation(spec: ValidationSpec, parts: ValidationParts): Validation {
  const { limits } = parts;
  if (Math.max(spec.request_bytes_max, spec.response_bytes_max) > limits.gatewayBodyBytesMax) {
    throw new SluiceError(
      'RESOURCE_INVALID',
      `bodies of more than ${limits.gatewayBodyBytesMax} bytes are not collected`,
    );
  }
  if (spec.openapi === undefined) {
    throw new SluiceError('RESOURCE_INVALID', 'openapi is missing, and the route serves no api that has a document');
  }
  const description = new Description(spec.openapi);
  const setOf = (direction: 'request' | 'response') =>
    new SchemaSet(description.document, {
      direction,
      old: description.old,
      limits,
      faultsMax: FAULTS_MAX,
      ignorePatterns: spec.unsafe_patterns === 'ignore',
    });
  const validation = new Validation(spec, description, setOf('request'), setOf('response'), parts.found);
  if (parts.eager) validation.lookThrough();
  return validation;
}

/** What is known of a request: its operation, and what its path says. */
interface Met {
  readonly operation: Operation;
  readonly path: ReadonlyMap<string, string>;
}

interface PlacedFault extends Fault {
  readonly in: string;
}

export class Validation implements Policy {
  readonly name = 'validate';
  readonly body: BodyStep;
  /** For heads of answers, and for the bodies that are JSON. */
  readonly answers: readonly Policy[];
  readonly #spec: ValidationSpec;
  readonly #description: Description;
  readonly #index: PathIndex;
  readonly #schemas: SchemaSet;
  readonly #answerSchemas: SchemaSet;
  readonly #found: ValidationParts['found'];
  readonly #met = new WeakMap<GatewayRequest, Met>();

  constructor(
    spec: ValidationSpec,
    description: Description,
    schemas: SchemaSet,
    answerSchemas: SchemaSet,
    found: ValidationParts['found'],
  ) {
    this.#spec = spec;
    this.#description = description;
    this.#index = new PathIndex(description.paths);
    this.#schemas = schemas;
    this.#answerSchemas = answerSchemas;
    this.#found = found;
    const whenLonger = spec.requests === 'block' ? 'refuse' : 'pass';
    const check = (request: GatewayRequest) => this.#checkBody(request);
    this.body = { bytesMax: spec.requests === 'off' ? 0 : spec.request_bytes_max, whenLonger, always: true, check };
    this.answers = spec.responses === 'off' ? [] : this.#answerPolicies(new AnswerRules(description, answerSchemas));
  }

  /** @throws RESOURCE_INVALID at the first schema that cannot be held to */
  lookThrough(): void {
    for (const { operations } of this.#description.paths) {
      for (const { parameters, body, responses } of operations.values()) {
        for (const { schema } of [...parameters, ...(body?.content ?? [])]) if (schema) this.#schemas.take(schema);
        for (const { headers, content } of responses.values()) {
          for (const { schema } of [...headers, ...content]) if (schema) this.#answerSchemas.take(schema);
        }
      }
    }
  }

  check(request: GatewayRequest): Verdict {
    const { base_path, requests } = this.#spec;
    const inside = request.path.startsWith(`${base_path}/`);
    const found = inside ? this.#index.find(request.path.slice(base_path.length)) : undefined;
    if (found === undefined) return this.#refuse(request, new SluiceError('OPERATION_UNKNOWN'));
    const { operations } = found.item;
    const operation = operations.get(request.method) ?? (request.method === 'HEAD' ? operations.get('GET') : undefined);
    if (operation === undefined) {
      const allow = [...operations.keys()].join(', ');
      return this.#refuse(request, new SluiceError('METHOD_NOT_ALLOWED', undefined, { allow }));
    }
    const met = { operation, path: found.values };
    this.#met.set(request, met);
    if (requests === 'off') return undefined;
    return this.#conclude(request, this.#checkParameters(request, met));
  }

  #checkParameters(request: GatewayRequest, { operation, path }: Met): PlacedFault[] {
    const faults: PlacedFault[] = [];
    let query: Pairs | undefined;
    const pairs = ({ in: place, name }: Parameter): Pairs => {
      if (place === 'query') {
        query ??= pairsOf(request.query);
        return query;
      }
      if (place === 'cookie') return cookiesOf(fieldOf(request, 'cookie') ?? '');
      const value = place === 'path' ? path.get(name) : fieldOf(request, name.toLowerCase());
      return value === undefined ? [] : [[name, value]];
    };
    for (const parameter of operation.parameters) {
      if (faults.length >= FAULTS_MAX) break;
      const { in: place, name, required, schema } = parameter;
      const value = readParameter(parameter, pairs(parameter), this.#description.document);
      const found =
        value === undefined
          ? required
            ? [{ pointer: '', message: 'is missing' }]
            : []
          : schema === undefined
            ? []
            : this.#schemas.check(schema)(value);
      for (const { pointer, message } of found) {
        faults.push({ in: place, pointer: `/${name.slice(0, 100)}${pointer}`, message });
      }
    }
    return faults.slice(0, FAULTS_MAX);
  }

  #checkBody(request: GatewayRequest): Verdict {
    const met = this.#met.get(request);
    if (met === undefined || this.#spec.requests === 'off') return undefined;
    const { body } = met.operation;
    const given = plainBody(request);
    const inBody = (message: string) => [{ in: 'body', pointer: '', message }];
    if (given.length === 0) return this.#conclude(request, body?.required === true ? inBody('is missing') : []);
    if (body === undefined) return this.#conclude(request, inBody('has no place here'));
    const type = mediaType(fieldOf(request, 'content-type'));
    const media = mediaFor(body.content, type);
    if (media === undefined) return this.#refuse(request, new SluiceError('MEDIA_TYPE_UNSUPPORTED'));
    if (media.schema === undefined) return undefined;
    let value: unknown;
    if (JSON_TYPE.test(type)) {
      try {
        value = JSON.parse(given.toString('utf8'));
      } catch {
        return this.#conclude(request, inBody('is not JSON'));
      }
    } else if (type === 'application/x-www-form-urlencoded') {
      value = fromPairs(pairsOf(given.toString('utf8')), shapeOf(this.#description.document, media.schema));
    } else return undefined;
    const faults = this.#schemas.check(media.schema)(value);
    return this.#conclude(
      request,
      faults.map((fault) => ({ in: 'body', ...fault })),
    );
  }

  #conclude(request: GatewayRequest, faults: readonly PlacedFault[]): Verdict {
    const [first] = faults;
    if (first === undefined) return undefined;
    const errors = faults.map(({ in: place, pointer, message }) => ({ in: place, pointer, message }));
    const detail = `${first.in} ${first.pointer === '' ? '' : `${first.pointer} `}${first.message}`;
    return this.#refuse(request, new SluiceError('REQUEST_MISMATCH', detail, { errors }));
  }

  #refuse(request: GatewayRequest, error: SluiceError): Verdict {
    const { requests } = this.#spec;
    if (requests === 'off') return undefined;
    request.notes.set('mismatch', `${error.code}: ${error.message}`);
    this.#found('request', requests === 'block');
    return requests === 'block' ? error : undefined;
  }

  #answerPolicies(rules: AnswerRules): Policy[] {
    const { responses, response_bytes_max } = this.#spec;
    const conclude = (request: GatewayRequest, answer: WholeAnswer, fault: string | undefined) => {
      if (fault === undefined) return answer;
      request.notes.set('mismatch', `RESPONSE_MISMATCH: ${fault}`);
      this.#found('response', responses === 'block');
      return responses === 'block' ? new SluiceError('RESPONSE_MISMATCH') : answer;
    };
    const whenLonger = responses === 'block' ? 'refuse' : 'pass';
    const head: AnswerStep = {
      bytesMax: 0,
      whenLonger,
      edit: (request, answer) => {
        const operation = this.#met.get(request)?.operation;
        return operation === undefined
          ? answer
          : conclude(request, answer, rules.headFault(operation, request, answer));
      },
    };
    const body: AnswerStep = {
      bytesMax: response_bytes_max,
      whenLonger,
      wants: (request, status, headers) => {
        const operation = this.#met.get(request)?.operation;
        return operation !== undefined && rules.schemaOf(operation, status, headers) !== undefined;
      },
      edit: (request, answer) => {
        const operation = this.#met.get(request)?.operation;
        return operation === undefined ? answer : conclude(request, answer, rules.bodyFault(operation, answer));
      },
    };
    return [
      { name: 'validate-body', answer: body },
      { name: 'validate-head', answer: head },
    ];
  }
}

function cookiesOf(text: string): Pairs {
  return text.split(';').map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, Math.max(0, at)).trim(), pair.slice(at + 1).trim()] as const;
  });
}

function mediaType(field: string | undefined): string {
  return (field ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}
