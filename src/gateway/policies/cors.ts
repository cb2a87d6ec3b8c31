/**
 * Policy `cors`: which web pages may read the answers (the Fetch standard). A preflight is answered here and goes no
 * further; other requests get their fields. Every answer varies by `Origin`, so that no cache gives one page's to another.
 * Called before authentication, since browsers send no credentials with a preflight.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { AnswerStep, GatewayRequest, Policy, Verdict, WholeAnswer } from '../policy.ts';
import { fieldOf } from './fields.ts';

const name = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/);
const ORIGIN = /^(https?|[a-z][a-z0-9+.-]*):\/\/(\*\.)?[a-z0-9.:[\]-]+$/;

export const corsSchema = z.strictObject({
  origins: z
    .array(z.string().min(1).max(256).toLowerCase())
    .min(1)
    .max(1_000)
    .describe('`https://app.example`, `https://*.example` for what is below, `*` for all, `null` is never taken'),
  methods: z.array(name).min(1).default(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
  headers: z.array(name.toLowerCase()).default(['content-type', 'authorization', 'x-api-key']),
  expose: z.array(name).default([]).describe('Fields of answers that pages may read'),
  credentials: z.boolean().default(false),
  max_age_s: z.int().min(0).max(86_400).default(600),
  refuse_others: z.boolean().default(false).describe('Refuse requests of other origins, not only their pages'),
});

export type CorsSpec = z.infer<typeof corsSchema>;

/** @throws CONFIG_INVALID where an origin is none, or credentials would go to all */
export function compileCors(spec: CorsSpec): Cors {
  const wrong = spec.origins.find((origin) => origin !== '*' && !ORIGIN.test(origin));
  if (wrong !== undefined) throw new SluiceError('CONFIG_INVALID', `"${wrong}" is not an origin`);
  if (spec.credentials && spec.origins.includes('*')) {
    throw new SluiceError('CONFIG_INVALID', 'credentials are not given to every origin: name them');
  }
  return new Cors(spec);
}

const NOTHING = Buffer.alloc(0);

export class Cors implements Policy {
  readonly name = 'cors';
  /** What the upstream says about origins would contradict what is said here. */
  readonly answer: AnswerStep = { bytesMax: 0, whenLonger: 'pass', edit: (_, answer) => withoutCors(answer) };
  readonly #spec: CorsSpec;
  readonly #exact: ReadonlySet<string>;
  /** Scheme and what the host must end with, such as `https://` and `.example`. */
  readonly #below: readonly (readonly [string, string])[];

  constructor(spec: CorsSpec) {
    this.#spec = spec;
    this.#exact = new Set(spec.origins);
    this.#below = spec.origins
      .filter((origin) => origin.includes('*.'))
      .map((origin) => origin.split('*') as [string, string]);
  }

  check(request: GatewayRequest): Verdict {
    const origin = fieldOf(request, 'origin');
    const asked = fieldOf(request, 'access-control-request-method');
    const preflight = origin !== undefined && request.method === 'OPTIONS' && asked !== undefined;
    const fields = origin === undefined ? undefined : this.#fieldsFor(origin);
    if (preflight && fields !== undefined) {
      const answer = this.#preflight(fields, asked, request);
      if (answer !== undefined) return answer;
    }
    request.answerHeaders.push('vary', 'origin');
    if (origin === undefined) return undefined;
    if (preflight) return new SluiceError('ORIGIN_DENIED');
    if (fields === undefined) {
      const own = isOwn(origin, fieldOf(request, 'host'));
      return this.#spec.refuse_others && !own ? new SluiceError('ORIGIN_DENIED') : undefined;
    }
    request.answerHeaders.push(...fields);
    if (this.#spec.expose.length > 0) {
      request.answerHeaders.push('access-control-expose-headers', this.#spec.expose.join(', '));
    }
    return undefined;
  }

  /** Who may see the answer, undefined where the origin may not. */
  #fieldsFor(origin: string): string[] | undefined {
    const plain = origin.toLowerCase();
    const below = ([scheme, end]: readonly [string, string]) =>
      plain.startsWith(scheme) && plain.endsWith(end) && plain.length > scheme.length + end.length;
    if (this.#exact.has('*')) return ['access-control-allow-origin', '*'];
    if (plain === 'null' || !ORIGIN.test(plain) || plain.includes('*')) return undefined;
    if (!this.#exact.has(plain) && !this.#below.some(below)) return undefined;
    const fields = ['access-control-allow-origin', origin];
    if (this.#spec.credentials) fields.push('access-control-allow-credentials', 'true');
    return fields;
  }

  /** Undefined where it asks for more than there is. */
  #preflight(fields: readonly string[], method: string, request: GatewayRequest): WholeAnswer | undefined {
    const asked = (fieldOf(request, 'access-control-request-headers') ?? '')
      .split(',')
      .map((one) => one.trim().toLowerCase())
      .filter((one) => one !== '');
    const { methods, headers, max_age_s } = this.#spec;
    if (!methods.includes(method) || asked.some((one) => !headers.includes(one))) return undefined;
    return {
      status: 204,
      headers: [
        ...fields,
        'vary',
        'origin, access-control-request-method, access-control-request-headers',
        'access-control-allow-methods',
        methods.join(', '),
        'access-control-allow-headers',
        headers.join(', '),
        'access-control-max-age',
        String(max_age_s),
      ],
      body: NOTHING,
    };
  }
}

function withoutCors(answer: WholeAnswer): WholeAnswer {
  const { headers } = answer;
  const kept: (string | Buffer)[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (!String(headers[i]).startsWith('access-control-')) kept.push(headers[i] as string, headers[i + 1] as string);
  }
  return kept.length === headers.length ? answer : { ...answer, headers: kept };
}

/** Whether the page comes from the very host it asks; browsers name the origin of a POST there too. */
function isOwn(origin: string, host: string | undefined): boolean {
  return host !== undefined && origin.toLowerCase().split('://')[1] === host.toLowerCase();
}
