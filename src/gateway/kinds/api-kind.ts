/**
 * Kind `api`: what callers see of routes: its versions, how a caller names one, what changed from each to the next, when
 * each one ends, and its OpenAPI document. What puts it into effect is handed in.
 */
import { z } from 'zod';
import type { Kind, Spec } from '#resource';
import { transformationsSchema } from '#transform';

const VERSIONS_MAX = 50;
const CHANGES_MAX = 100;

const versionName = z
  .string()
  .regex(/^([1-9]\d{0,5}|\d{4}-\d\d-\d\d)$/, 'must be a number such as "2", or a date such as "2026-03-01"');
const headerName = z.string().regex(/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'must be a header name in lower case');
const name = z.string().regex(/^[A-Za-z0-9_.-]{1,100}$/, 'has 1 to 100 letters, digits, _, . and -');
const template = z
  .string()
  .max(1_000)
  .regex(/^(\/([A-Za-z0-9._~!$&'()*+,;=:@%-]+|\{[a-z][a-z0-9_]*\}))*(\/|\/\{[a-z][a-z0-9_]*\.\.\.\})?$/, {
    message: 'must be a path such as /orders/{id}, or /files/{path...}, which takes the rest',
  })
  .refine((path) => path.startsWith('/'), 'must begin with /');
const operation = z
  .string()
  .max(1_000)
  .regex(/^(\*|[A-Z]{1,32}) \/\S*$/, 'must be such as "GET /orders/{id}", or * for any method');
const link = z
  .string()
  .max(1_000)
  .regex(/^(https?:\/\/|\/)[\x21\x23-\x3b\x3d\x3f-\x7e]+$/, 'must be a URL, or a path that begins with /');

/** Epoch milliseconds of a date (its midnight, UTC) or a date with time and zone. */
const instant = z
  .union([z.iso.date(), z.iso.datetime({ offset: true })], 'must be such as 2026-03-01 or 2026-03-01T12:00:00Z')
  .describe('A date, which begins at midnight UTC, or a time with its zone');

const change = z.strictObject({
  summary: z.string().min(1).max(300).describe('One sentence for the changelog'),
  details: z.string().max(5_000).optional().describe('What callers do about it, for the migration guide'),
  operations: z
    .array(operation)
    .min(1)
    .max(100)
    .optional()
    .describe('Those it concerns, as the older version calls them; none: all'),
  path: z
    .strictObject({ from: template, to: template })
    .optional()
    .describe('Where the older and where the newer version has them; parameters go by name'),
  query: transformationsSchema.optional().describe('On the parameters of the query as one object, older to newer'),
  request: z.strictObject({ up: transformationsSchema.describe('On JSON bodies, older to newer') }).optional(),
  response: z
    .strictObject({
      down: transformationsSchema.describe('On JSON bodies, newer to older'),
      statuses: z
        .array(z.enum(['2xx', '3xx', '4xx', '5xx']))
        .min(1)
        .default(['2xx']),
    })
    .optional(),
  openapi_down: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('JSON Merge Patch (RFC 7396) that makes the newer OpenAPI document into the older one'),
});

const brownout = z
  .strictObject({ from: instant, until: instant })
  .refine(({ from, until }) => Date.parse(from) < Date.parse(until), 'must begin before it ends');

const version = z
  .strictObject({
    version: versionName,
    changes: z.array(change).max(CHANGES_MAX).default([]).describe('From the version before it to this one'),
    openapi: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('Its OpenAPI 3.1 document; older ones without follow from the next newer one and its `openapi_down`'),
    deprecated: instant.optional(),
    sunset: instant.optional().describe('From then on it is answered with 410'),
    deprecation_link: link.optional().describe('Where people read about it; else the page under /docs'),
    sunset_link: link.optional(),
    brownouts: z.array(brownout).max(100).default([]).describe('It answers 503 in these times'),
  })
  .refine(({ deprecated, sunset }) => !deprecated || !sunset || Date.parse(deprecated) <= Date.parse(sunset), {
    message: 'must not come before deprecated',
    path: ['sunset'],
  });

const schema = z
  .strictObject({
    title: z.string().min(1).max(200),
    description: z.string().max(5_000).optional(),
    versions: z.array(version).min(1).max(VERSIONS_MAX).describe('Oldest first; the last is what the upstream speaks'),
    named_by: z
      .strictObject({
        header: headerName.default('api-version').describe('Also tells the version in answers'),
        media_type: name.nullable().default('version').describe('A parameter in Accept or Content-Type'),
        query: name.nullable().default('api-version'),
        path: z.boolean().default(false).describe('As the first part of the path: /v2/… or /2026-03-01/…'),
      })
      .prefault({})
      .describe('Where callers name a version; the first that is there counts'),
    pins: z.record(z.string().max(249), versionName).default({}).describe('Versions of clients that name none'),
    default: versionName.optional().describe('For everybody else; the oldest where this is left out'),
    base_path: z
      .string()
      .max(500)
      .regex(/^(\/[A-Za-z0-9._~-]+)*$/, 'must be such as /shop, without a slash at its end')
      .default('')
      .describe('What comes before the paths of operations and OpenAPI documents'),
    docs: z.enum(['public', 'none']).default('public').describe('Whether the gateway shows it under /docs'),
    accepted_breaks: z
      .array(z.string().max(1_000))
      .max(100)
      .default([])
      .describe('Breaks, as they were told, that are meant'),
  })
  .superRefine((api, context) => {
    const refuse = (message: string, path: (string | number)[]) => context.addIssue({ code: 'custom', message, path });
    const names = api.versions.map((one) => one.version);
    if (new Set(names.map((one) => one.includes('-'))).size > 1) refuse('are all numbers or all dates', ['versions']);
    for (let i = 1; i < names.length; i++) {
      if (!isBefore(names[i - 1] as string, names[i] as string)) {
        refuse('must be newer than the one before', ['versions', i, 'version']);
      }
    }
    if (api.default !== undefined && !names.includes(api.default)) refuse('is not a version', ['default']);
    for (const [client, pinned] of Object.entries(api.pins)) {
      if (!names.includes(pinned)) refuse(`${pinned} is not a version`, ['pins', client]);
    }
    if ((api.versions[0]?.changes.length ?? 0) > 0) {
      refuse('the oldest version has nothing before it to change', ['versions', 0, 'changes']);
    }
  });

function isBefore(a: string, b: string): boolean {
  return a.includes('-') || b.includes('-') ? a < b : Number(a) < Number(b);
}

export type ApiSpec = z.infer<typeof schema>;
export type VersionSpec = ApiSpec['versions'][number];
export type ChangeSpec = VersionSpec['changes'][number];

/** Who serves APIs. */
export interface ApiTarget {
  /** @param before what is declared now @throws RESOURCE_INVALID, API_BREAKS_CALLERS */
  check(name: string, spec: ApiSpec, before: ApiSpec | undefined): void;
  /** Returns once every listener goes by it. @throws RESOURCE_INVALID */
  apply(name: string, spec: ApiSpec): Promise<void>;
  /** @throws RESOURCE_IN_USE */
  remove(name: string): Promise<void>;
}

export function apiKind(target: ApiTarget): Kind {
  return {
    kind: 'api',
    plural: 'apis',
    summary: 'Versions of an API: how callers name one, what changed between them, when they end, their documents',
    schema: schema as unknown as z.ZodType<Spec>,
    check: (name, spec, declared) => {
      if (spec === undefined) return;
      const before = declared.find('api', name)?.spec;
      target.check(name, spec as unknown as ApiSpec, before as unknown as ApiSpec | undefined);
    },
    apply: (name, spec) => target.apply(name, spec as unknown as ApiSpec),
    remove: (name) => target.remove(name),
  };
}
