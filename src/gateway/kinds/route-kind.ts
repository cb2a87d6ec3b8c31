/**
 * Kind `route`: which requests the gateway takes, who may make them, and the upstream they go to. What puts it into
 * effect is handed in.
 */
import { z } from 'zod';
import type { Kind, Spec } from '#resource';
import { captureSchema } from '../capture/schema.ts';
import { idempotencySchema } from '../idempotency/schema.ts';
import { loginSchema } from '../login/spec.ts';
import { validationSchema } from '../openapi/validation.ts';
import { authorizeSchema } from '../policies/authorize.ts';
import { corsSchema } from '../policies/cors.ts';
import { introspectionSchema } from '../policies/introspection.ts';
import { networksSchema } from '../policies/networks.ts';
import { rateLimitsSchema } from '../policies/rate-limits.ts';
import { responseFieldsSchema } from '../policies/response-fields.ts';
import { screeningSchema } from '../policies/screening.ts';
import { signedRequestsSchema } from '../policies/signed-requests.ts';
import { sizesSchema } from '../policies/sizes.ts';
import { tokensSchema } from '../policies/tokens.ts';
import { webhookSchema } from '../policies/webhooks.ts';
import { queueSchema } from '../queued/schema.ts';
import { accessLogSchema } from '../records/access-log.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const upstreamName = z.string().regex(/^[A-Za-z0-9._-]{1,249}$/, 'must be the name of an upstream');
const headerName = z.string().regex(/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'must be a header name in lower case');
const text = z.string().max(1_000);

const schema = z.strictObject({
  hosts: z
    .array(z.string().regex(/^(\*\.)?[a-z0-9.-]{1,253}$/, 'must be a host in lower case, or *. and a domain'))
    .max(100)
    .default([])
    .describe('Without a port; *.example.com is any host below; none: any host'),
  path: z
    .string()
    .max(1_000)
    .regex(/^(\/([A-Za-z0-9._~!$&'()*+,=:@-]+|\{[a-z][a-z0-9_]*\}))*(\/|\/\{[a-z][a-z0-9_]*\.\.\.\})?$/, {
      message: 'must be a path such as /orders/{id}/items, or /files/{path...}, which takes the rest',
    })
    .refine((path) => path.startsWith('/'), 'must begin with /')
    .refine((path) => !/\/\.{1,2}(\/|$)/.test(path), 'has no dot segments'),
  methods: z
    .array(z.string().regex(/^(?!CONNECT$)[A-Z]{1,32}$/, 'must be a method in upper case, and not CONNECT'))
    .max(32)
    .default([])
    .describe('None: any but CONNECT and TRACE'),
  headers: z.record(headerName, text).default({}).describe('The request must have these; * is any value'),
  query: z.record(text, text).default({}).describe('The request must have these parameters; * is any value'),
  upstream: upstreamName,
  canary: z
    .strictObject({
      upstream: upstreamName,
      percent: z.number().min(0).max(100).default(0).describe('This share of the requests goes to it'),
      header: z.strictObject({ name: headerName, value: text }).optional().describe('And those that have this'),
    })
    .optional(),
  shadow: z
    .strictObject({
      upstream: upstreamName,
      percent: z.number().min(0).max(100).default(100).describe('This share of the requests is copied'),
    })
    .optional()
    .describe('Copies go there too, and their answers to nobody; bodies over 64 KB are not copied'),
  rewrite: z
    .string()
    .max(1_000)
    .regex(/^(\/([A-Za-z0-9._~!$&'()*+,=:@-]+|\{[a-z][a-z0-9_]*\}))*\/?$/, 'must be a path with parameters of `path`')
    .refine((path) => path.startsWith('/') && !/\/\.{1,2}(\/|$)/.test(path), 'must be a path without dot segments')
    .optional()
    .describe('What the upstream is asked for, instead of the path as it came'),
  encoded_slashes: z.boolean().default(false).describe('%2F in the path is let through, as it is, instead of refused'),
  auth: z
    .enum(['none', 'key', 'certificate'])
    .default('none')
    .describe('key: an API key or access token of a client with scope call:<route>; certificate: its TLS certificate'),
  networks: networksSchema.optional().describe('Addresses that requests may come from'),
  cors: corsSchema.optional().describe('Web pages that may read the answers'),
  sizes: sizesSchema.optional().describe('How long and how deep requests may be'),
  jwt: tokensSchema.optional().describe('A bearer token of an issuer trusted here is needed'),
  introspection: introspectionSchema.optional().describe('A bearer token that its server vouches for is needed'),
  login: loginSchema.optional().describe('People log in at an OpenID Connect provider'),
  signature: signedRequestsSchema.optional().describe('Requests must be signed (RFC 9421)'),
  webhook: webhookSchema.optional().describe('Requests must be signed (Standard Webhooks)'),
  rate_limits: rateLimitsSchema.optional().describe('How many requests a caller may make'),
  authorize: authorizeSchema.optional().describe('What the caller must be; nobody else passes'),
  screening: screeningSchema.optional().describe('Looks for what looks like an attack'),
  api: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,249}$/, 'must be the name of an api')
    .optional()
    .describe('The API whose versions it serves'),
  response_fields: responseFieldsSchema.optional().describe('Which fields of JSON answers a caller gets to see'),
  validate: validationSchema.optional().describe('Requests and answers must fit an API description'),
  websocket: z.boolean().default(false).describe('WebSockets are let through'),
  body_bytes_max: z.int().min(0).optional().describe('Of the request'),
  headers_ms: z.int().min(1).max(HOUR_MS).default(30_000).describe('Until the upstream begins to answer'),
  idle_ms: z.int().min(1).max(DAY_MS).default(60_000).describe('Without a byte in either direction'),
  total_ms: z.int().min(1).max(DAY_MS).optional().describe('For everything'),
  access_log: accessLogSchema.optional().describe('What of its requests goes to sys.gateway.requests'),
  idempotency: idempotencySchema
    .optional()
    .describe('Unsafe requests with an Idempotency-Key reach the upstream once, and are answered the same again'),
  capture: captureSchema.optional().describe('Requests and answers are kept in the log, to be replayed and compared'),
  queue: queueSchema.optional().describe('Unsafe requests are kept in the log, answered with 202, and delivered later'),
  description: z.string().max(1_000).optional(),
});

export type RouteSpec = z.infer<typeof schema>;

/** Of routes that the gateway makes itself. */
export const ROUTE_DEFAULTS: RouteSpec = schema.parse({ path: '/', upstream: 'none' });

/** Who serves routes. */
export interface RouteTarget {
  /** Returns once every listener goes by it. @throws RESOURCE_INVALID */
  apply(name: string, spec: RouteSpec): Promise<void>;
  remove(name: string): Promise<void>;
}

export function routeKind(target: RouteTarget): Kind {
  return {
    kind: 'route',
    plural: 'routes',
    summary: 'Requests that the gateway takes, and the upstream they go to',
    schema: schema as unknown as z.ZodType<Spec>,
    apply: (name, spec) => target.apply(name, spec as unknown as RouteSpec),
    remove: (name) => target.remove(name),
  };
}
