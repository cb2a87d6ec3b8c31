/** The configuration of connector `rest`: what can be declared of an API. */
import { z } from 'zod';
import { declaredAuth, declaredWebhooks, httpSettings } from '#connector';

const path = z.string().max(1_000).describe('Below `url`; {name} is a field, encoded');
const inBody = z.string().max(200).describe('Dotted path in the answer');
const texts = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const method = z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);
const place = z.union([
  z.strictObject({ query: z.string().min(1) }),
  z.strictObject({ json: z.string().min(1) }),
  z.strictObject({ header: z.string().min(1) }),
]);
const size = z.intersection(place, z.looseObject({ max: z.int().min(1).max(100_000) }));
const fieldType = z.enum([
  'string',
  'int32',
  'int64',
  'decimal',
  'float',
  'boolean',
  'timestamp',
  'datetime',
  'date',
  'time',
  'json',
]);

const paging = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('link'), size: size.optional() }),
  z.strictObject({
    kind: z.literal('cursor'),
    next: inBody,
    more: inBody.optional(),
    send: z.union([place, z.literal('url')]),
    size: size.optional(),
  }),
  z.strictObject({
    kind: z.enum(['page', 'offset']),
    send: place,
    first: z.int().min(0).optional(),
    size,
    total: inBody.optional(),
  }),
]);

const incremental = z.strictObject({
  cursor: z.string().min(1).describe('A field that only grows'),
  kind: z.enum(['datetime', 'counter']).default('datetime'),
  from: z.string().optional().describe('Query parameter that asks for records from there on'),
  to: z.string().optional().describe('Query parameter for the end of a window'),
  format: z.enum(['as it is', 'date', 'epoch_s', 'epoch_ms']).default('as it is'),
  query: texts.default({}).describe('Further parameters of incremental reads: the order'),
  order: z.enum(['ascending', 'newest first']).optional(),
  start: z.union([z.string(), z.number()]).optional(),
  look_back_ms: z.int().min(0).optional(),
  slice_ms: z.int().min(1_000).optional(),
});

const write = z.strictObject({
  method: method.default('POST'),
  path,
  query: texts.default({}),
  body: z.enum(['all', 'rest', 'keys', 'none']).default('all').describe('Which fields are sent; rest: not the keys'),
  wrap: z.string().max(200).optional().describe('Where in the body the record is'),
  form: z.boolean().default(false).describe('As a form instead of JSON'),
  idempotency_header: z.string().optional(),
  missing: z.enum(['reject', 'done']).optional(),
  batch: z
    .strictObject({
      max: z.int().min(1).max(10_000),
      results: inBody.optional().describe('List with a result for each record; absent: all or none'),
      error: z.string().optional().describe('Path in a result that has a text when the record was refused'),
    })
    .optional()
    .describe('Many records in one request: the body, or `wrap` in it, is a list'),
});

const streamSpec = z.strictObject({
  path,
  method: method.default('GET'),
  query: texts.default({}),
  body: z.unknown().optional().describe('JSON of the request'),
  records: inBody.default('').describe('Where the list of records is; empty: the answer is the list'),
  decode: z.enum(['json', 'ndjson', 'csv', 'xml']).optional(),
  key: z.array(z.string().min(1)).max(16).default([]),
  fields: z
    .record(z.string(), z.union([fieldType, z.strictObject({ type: fieldType, from: z.string() })]))
    .default({})
    .describe('Types; those that are not named are found out from some records'),
  paging: paging.optional(),
  incremental: incremental.optional(),
  partitions: z
    .union([
      z.strictObject({ parent: z.string(), values: z.record(z.string(), z.string()) }),
      z.strictObject({
        list: z
          .array(z.record(z.string(), z.union([z.string(), z.number()])))
          .min(1)
          .max(10_000),
      }),
    ])
    .optional()
    .describe('One read for each record of another stream, or of a list'),
  one: z.strictObject({ path, record: inBody.default('') }).optional(),
  insert: write.optional(),
  update: write.optional(),
  upsert: z.union([write, z.literal('update or insert')]).optional(),
  delete: write.optional(),
  append: write.optional(),
});

export const restSpec = z.strictObject({
  ...httpSettings(),
  auth: declaredAuth.describe('How requests prove who sends them'),
  headers: z.record(z.string(), z.string()).default({}).describe('Sent with every request'),
  check: z
    .strictObject({ path, method: method.default('GET'), query: texts.default({}) })
    .describe('A request that shows whether we are let in'),
  streams: z.record(z.string().regex(/^[\w.-]{1,100}$/), streamSpec).describe('What can be read and written, by name'),
  budgets: z
    .array(z.strictObject({ requests: z.int().min(1), per_ms: z.int().min(1), methods: z.array(method).optional() }))
    .max(16)
    .default([])
    .describe('How many requests the account may make, held over all connections'),
  rules: z
    .array(
      z.strictObject({
        status: z.int().min(100).max(599).optional(),
        text: z.string().min(1).optional().describe('Found in the answer'),
        then: z.enum(['ignore', 'retry', 'limited', 'refresh', 'refused', 'reject', 'missing', 'fail']),
      }),
    )
    .max(64)
    .default([])
    .describe('What answers mean that are no success, before the usual meaning'),
  webhooks: declaredWebhooks.optional().describe('What the API sends by itself'),
});

export type RestConfig = z.infer<typeof restSpec>;
export type StreamConfig = z.infer<typeof streamSpec>;
export type WriteConfig = z.infer<typeof write>;
