/**
 * Policy `cors`: which web pages may read the answers (the Fetch standard). A preflight is answered here and goes no
 * further; other requests get their fields. Every answer varies by `Origin`, so that no cache gives one page's to another.
 * Called before authentication, since browsers send no credentials with a preflight.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import { type Decision, type Fields, type RequestView, refuse } from './request.ts';

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

/** The whole answer to a preflight; there is no error and no body. */
export interface PreflightAnswer {
  readonly allow: false;
  readonly code: null;
  readonly status: 204;
  readonly headers: Fields;
}

/** @throws CONFIG_INVALID where an origin is none, or credentials would go to all */
export function compileCors(spec: CorsSpec): Cors {
  const wrong = spec.origins.find((origin) => origin !== '*' && !ORIGIN.test(origin));
  if (wrong !== undefined) throw new SluiceError('CONFIG_INVALID', `"${wrong}" is not an origin`);
  if (spec.credentials && spec.origins.includes('*')) {
    throw new SluiceError('CONFIG_INVALID', 'credentials are not given to every origin: name them');
  }
  return new Cors(spec);
}

const VARY_ORIGIN: Fields = { vary: 'origin' };

export class Cors {
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

  check(request: RequestView): Decision | PreflightAnswer {
    const origin = request.headers.get('origin');
    const asked = request.headers.get('access-control-request-method');
    if (origin === undefined) return { allow: true, headers: VARY_ORIGIN };
    const fields = this.#fieldsFor(origin);
    const preflight = request.method === 'OPTIONS' && asked !== undefined;
    if (fields === undefined) {
      const own = isOwn(origin, request.headers.get('host'));
      if (preflight || (this.#spec.refuse_others && !own)) return refuse('ORIGIN_DENIED', VARY_ORIGIN);
      return { allow: true, headers: VARY_ORIGIN };
    }
    return preflight ? this.#preflight(fields, asked, request) : { allow: true, headers: this.#exposed(fields) };
  }

  /** Who may see the answer, undefined where the origin may not. */
  #fieldsFor(origin: string): Record<string, string> | undefined {
    const plain = origin.toLowerCase();
    const below = ([scheme, end]: readonly [string, string]) =>
      plain.startsWith(scheme) && plain.endsWith(end) && plain.length > scheme.length + end.length;
    if (this.#exact.has('*')) return { 'access-control-allow-origin': '*', ...VARY_ORIGIN };
    if (plain === 'null' || !ORIGIN.test(plain) || plain.includes('*')) return undefined;
    if (!this.#exact.has(plain) && !this.#below.some(below)) return undefined;
    const fields: Record<string, string> = { 'access-control-allow-origin': origin, ...VARY_ORIGIN };
    if (this.#spec.credentials) fields['access-control-allow-credentials'] = 'true';
    return fields;
  }

  #preflight(fields: Record<string, string>, method: string, request: RequestView): Decision | PreflightAnswer {
    const asked = (request.headers.get('access-control-request-headers') ?? '')
      .split(',')
      .map((one) => one.trim().toLowerCase())
      .filter((one) => one !== '');
    const { methods, headers, max_age_s } = this.#spec;
    if (!methods.includes(method) || asked.some((one) => !headers.includes(one))) {
      return refuse('ORIGIN_DENIED', VARY_ORIGIN);
    }
    return {
      allow: false,
      code: null,
      status: 204,
      headers: {
        ...fields,
        vary: 'origin, access-control-request-method, access-control-request-headers',
        'access-control-allow-methods': methods.join(', '),
        'access-control-allow-headers': headers.join(', '),
        'access-control-max-age': String(max_age_s),
      },
    };
  }

  #exposed(fields: Record<string, string>): Fields {
    if (this.#spec.expose.length > 0) fields['access-control-expose-headers'] = this.#spec.expose.join(', ');
    return fields;
  }
}

/** Whether the page comes from the very host it asks; browsers name the origin of a POST there too. */
function isOwn(origin: string, host: string | undefined): boolean {
  return host !== undefined && origin.toLowerCase().split('://')[1] === host.toLowerCase();
}
