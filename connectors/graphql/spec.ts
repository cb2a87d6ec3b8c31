/** The configuration of connector `graphql`. */
import { z } from 'zod';
import { declaredAuth, declaredWebhooks, httpSettings } from '#connector';

const text = z.string().min(1).max(100_000);
const inAnswer = z.string().max(200).describe('Dotted path in the answer, from `data` on');
const fieldType = z.enum([
  'string',
  'int32',
  'int64',
  'decimal',
  'float',
  'boolean',
  'timestamp',
  'date',
  'json',
  'string[]',
]);

const mutation = z.strictObject({
  mutation: text,
  variable: z.string().max(100).default('input').describe('Which variable gets the record; empty: each field is one'),
  body: z.enum(['all', 'rest', 'keys']).default('all').describe('Which fields it gets; rest: not the keys'),
  keys: z.boolean().default(false).describe('The keys are variables of their own beside it'),
});

const stream = z.strictObject({
  query: text.describe('With variables for the size and the cursor of a page'),
  records: inAnswer,
  page: inAnswer.optional().describe('Where its `pageInfo` is; absent: there is one page'),
  size_variable: z.string().default('first'),
  cursor_variable: z.string().default('after'),
  page_max: z.int().min(1).max(1_000).default(100),
  variables: z.record(z.string(), z.unknown()).default({}),
  key: z.array(z.string().min(1)).max(16).default([]),
  fields: z.record(z.string(), z.union([fieldType, z.strictObject({ type: fieldType, from: z.string() })])).default({}),
  incremental: z
    .strictObject({
      cursor: z.string().min(1),
      kind: z.enum(['datetime', 'counter']).default('datetime'),
      variable: z.string().optional().describe('Gets where to begin'),
      order: z.enum(['ascending', 'newest first']).optional(),
    })
    .optional(),
  one: z
    .strictObject({ query: text, record: inAnswer })
    .optional()
    .describe('One record; the fields of its key are variables'),
  insert: mutation.optional(),
  update: mutation.optional(),
  upsert: mutation.optional(),
  delete: mutation.optional(),
});

export const graphqlSpec = z.strictObject({
  ...httpSettings(),
  auth: declaredAuth.describe('How requests prove who sends them'),
  headers: z.record(z.string(), z.string()).default({}).describe('Sent with every request'),
  check: text.default('{ __typename }').describe('A query that shows whether we are let in'),
  streams: z.record(z.string().regex(/^[\w.-]{1,100}$/), stream).describe('What can be read and written, by name'),
  budgets: z
    .array(z.strictObject({ requests: z.int().min(1), per_ms: z.int().min(1) }))
    .max(16)
    .default([])
    .describe('How many requests the account may make, held over all connections'),
  webhooks: declaredWebhooks.optional().describe('What the API sends by itself'),
});

export type StreamConfig = z.infer<typeof stream>;
export type MutationConfig = z.infer<typeof mutation>;
