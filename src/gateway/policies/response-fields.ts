/**
 * Policy `response_fields`: which fields of JSON answers a caller gets to see, whatever the upstream sends (OWASP API3). A
 * list of what is allowed, places that are taken out, replaced or masked, for everybody or by client or scope. Asked of
 * every answer of the route, whatever its status; what cannot be looked into is refused unless that is allowed.
 */
import { z } from 'zod';
import { type Limits, SluiceError } from '#kernel';
import type { AnswerStep, GatewayRequest, Policy, Verdict, WholeAnswer } from '../policy.ts';
import { hasScopes } from './bearer.ts';
import { endOf, type PathNode, pathNode, rewriteJson } from './json-rewrite.ts';

const path = z
  .string()
  .max(1_000)
  .regex(/^(\/([^/~]|~[01])*)+$/, 'must be a JSON pointer such as /items/*/price, in which * is every member or item');

const rulesSchema = z.strictObject({
  allow: z.array(path).max(1_000).optional().describe('Only these, and what is in them'),
  redact: z
    .array(
      z.strictObject({
        path,
        with: z
          .union([z.string().max(1_000), z.number(), z.boolean(), z.null()])
          .optional()
          .describe('Stands there instead'),
        mask: z
          .int()
          .min(0)
          .max(100)
          .optional()
          .describe('So many last characters of a text are left, the others are *'),
      }),
    )
    .max(1_000)
    .default([])
    .describe('Taken out, where neither with nor mask is there'),
});

export const responseFieldsSchema = rulesSchema.extend({
  clients: z
    .record(z.string().max(249), rulesSchema)
    .default({})
    .describe('By name of the client, instead of the above'),
  scopes: z.record(z.string().max(256), rulesSchema).default({}).describe('By scope, the first that the caller has'),
  others: z.enum(['refuse', 'pass']).default('refuse').describe('Answers with a body that is not JSON'),
  bytes_max: z
    .int()
    .min(1)
    .default(1024 * 1024)
    .describe('A longer answer is refused'),
});

export type ResponseFieldsSpec = z.infer<typeof responseFieldsSchema>;

interface Rules {
  readonly allow: PathNode | undefined;
  readonly change: PathNode | undefined;
}

const JSON_TYPE = /^\s*[a-z0-9.+-]+\/(json|[a-z0-9.+-]+\+json)\s*(;|$)/i;
/** Of the answer as it was. */
const OUTDATED = new Set(['etag', 'content-md5', 'digest', 'content-digest', 'repr-digest', 'accept-ranges']);

/** @throws CONFIG_INVALID where a place is to be replaced and masked, or answers are longer than is ever collected */
export function compileResponseFields(
  spec: ResponseFieldsSpec,
  limits: Pick<Limits, 'gatewayBodyBytesMax'>,
): ResponseFields {
  if (spec.bytes_max > limits.gatewayBodyBytesMax) {
    throw new SluiceError(
      'CONFIG_INVALID',
      `answers of more than ${limits.gatewayBodyBytesMax} bytes are not collected`,
    );
  }
  return new ResponseFields(spec);
}

export class ResponseFields implements Policy {
  readonly name = 'response-fields';
  readonly answer: AnswerStep;
  readonly #others: 'refuse' | 'pass';
  readonly #everybody: Rules;
  readonly #clients: ReadonlyMap<string, Rules>;
  readonly #scopes: ReadonlyMap<string, Rules>;

  constructor(spec: ResponseFieldsSpec) {
    this.#others = spec.others;
    this.#everybody = rulesOf(spec);
    this.#clients = new Map(Object.entries(spec.clients).map(([name, rules]) => [name, rulesOf(rules)]));
    this.#scopes = new Map(Object.entries(spec.scopes).map(([name, rules]) => [name, rulesOf(rules)]));
    const edit = (request: GatewayRequest, answer: WholeAnswer) => this.#edit(request, answer);
    // With `pass`, what is not JSON need not be collected.
    const wants = (_: GatewayRequest, __: number, headers: WholeAnswer['headers']) => {
      const type = valueIn(headers, 'content-type');
      // It may never end, so it is not collected to be refused.
      if (spec.others === 'refuse' && /^\s*text\/event-stream/i.test(type)) throw refused('is a stream of events');
      return spec.others === 'refuse' || JSON_TYPE.test(type);
    };
    this.answer = { bytesMax: spec.bytes_max, whenLonger: 'refuse', edit, wants };
  }

  /** A part of an answer cannot be looked into. */
  check(request: GatewayRequest): Verdict {
    request.spent.add('range');
    return undefined;
  }

  #edit(request: GatewayRequest, answer: WholeAnswer): WholeAnswer | SluiceError {
    const { headers, body } = answer;
    if (body.length === 0) return answer;
    const encoding = valueIn(headers, 'content-encoding').trim().toLowerCase();
    const text = JSON_TYPE.test(valueIn(headers, 'content-type')) ? body.toString('utf8') : undefined;
    if (text === undefined) return this.#others === 'pass' ? answer : refused('is not JSON');
    if (encoding !== '' && encoding !== 'identity') return refused('is compressed although that was not asked for');
    try {
      JSON.parse(text);
      const { allow, change } = this.#rulesFor(request);
      const rewritten = Buffer.from(rewriteJson(text, allow, change));
      return { ...answer, headers: current(headers), body: rewritten };
    } catch {
      return refused('is called JSON and is not, or is nested too deeply');
    }
  }

  #rulesFor({ client, claims }: GatewayRequest): Rules {
    const own = client === undefined ? undefined : this.#clients.get(client.name);
    if (own !== undefined) return own;
    for (const [scope, rules] of this.#scopes) {
      if (client?.scopes.includes(scope) === true || (claims !== undefined && hasScopes(claims, [scope]))) return rules;
    }
    return this.#everybody;
  }
}

function rulesOf({ allow, redact }: z.infer<typeof rulesSchema>): Rules {
  const allowed = allow === undefined ? undefined : pathNode();
  if (allowed !== undefined) for (const pointer of allow ?? []) endOf(allowed, pointer);
  const change = redact.length === 0 ? undefined : pathNode();
  for (const one of redact) {
    if (one.with !== undefined && one.mask !== undefined) {
      throw new SluiceError('CONFIG_INVALID', `${one.path} is replaced or masked, not both`);
    }
    const instead = JSON.stringify(one.with);
    const { mask } = one;
    endOf(change as PathNode, one.path).instead =
      mask === undefined ? () => instead as string | undefined : (text) => masked(text, mask);
  }
  return { allow: allowed, change };
}

/** What is no text has no last characters. */
function masked(text: string, left: number): string {
  if (!text.startsWith('"')) return 'null';
  const characters = [...(JSON.parse(text) as string)];
  const hidden = characters.length - left;
  // A text that is no longer than what may be left is hidden all.
  return JSON.stringify(characters.map((one, i) => (i < hidden || hidden <= 0 ? '*' : one)).join(''));
}

function current(headers: WholeAnswer['headers']): WholeAnswer['headers'] {
  const kept: (string | Buffer)[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (!OUTDATED.has(String(headers[i]))) kept.push(headers[i] as string, headers[i + 1] as string);
  }
  return kept;
}

function valueIn(headers: WholeAnswer['headers'], name: string): string {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return String(headers[i + 1]);
  return '';
}

function refused(why: string): SluiceError {
  return new SluiceError('UPSTREAM_ANSWER_INVALID', `the upstream's answer ${why}, so nothing of it may pass here`);
}
