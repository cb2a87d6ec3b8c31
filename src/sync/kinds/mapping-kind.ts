/**
 * Kind `mapping`: what becomes of a record on its way from a source to a target. Transformations change it, `fields` pick and
 * rename what goes on, rules say what must hold of it then; a record that does not fit is rejected, with the reason.
 */
import { z } from 'zod';
import { DEFAULT_LIMITS, SluiceError } from '#kernel';
import type { Kind, Spec } from '#resource';
import { faultOf, transformationsSchema } from '#transform';

const TYPES = [
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
  'bytes',
] as const;

const fieldName = z.string().min(1).max(200);
const bound = z.union([z.number(), z.string().min(1)]);

const field = z.strictObject({
  from: fieldName.describe('Of the record, after the transformations'),
  to: fieldName.optional().describe('As it is called at the target; default: as before'),
  type: z.enum(TYPES).optional().describe('What it is turned into; what does not fit is rejected'),
});

const rule = z.discriminatedUnion('rule', [
  z.strictObject({ rule: z.literal('required'), field: fieldName }).describe('It is there, and not null'),
  z.strictObject({ rule: z.literal('type'), field: fieldName, type: z.enum(TYPES) }),
  z.strictObject({
    rule: z.literal('range'),
    field: fieldName,
    min: bound.optional().describe('A number, or a text such as a date'),
    max: bound.optional(),
  }),
  z.strictObject({
    rule: z.literal('pattern'),
    field: fieldName,
    pattern: z
      .string()
      .min(1)
      .max(1_000)
      .superRefine((pattern, context) => {
        const fault = faultOf(pattern, '', DEFAULT_LIMITS);
        if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
      }),
  }),
  z
    .strictObject({ rule: z.literal('unique'), field: fieldName })
    .describe('No other record of the target has this value'),
  z
    .strictObject({ rule: z.literal('reference'), field: fieldName, stream: z.string().min(1), key: fieldName })
    .describe('A stream of the target has a record with this value in its field `key`'),
  z
    .strictObject({ rule: z.literal('expression'), expression: z.string().min(1).max(10_000) })
    .describe('A JSONata expression of the record that is true'),
]);

const schema = z.strictObject({
  transformations: transformationsSchema.optional().describe('Named transformations, applied in order'),
  fields: z.array(field).min(1).max(1_000).optional().describe('Without them every field goes on as it is'),
  rest: z.enum(['drop', 'keep']).default('drop').describe('What becomes of fields that `fields` does not name'),
  rules: z.array(rule).max(200).default([]).describe('What must hold of the record as it is written'),
  description: z.string().max(1_000).optional(),
});

export type MappingSpec = z.infer<typeof schema>;
export type Rule = z.infer<typeof rule>;

/** Who uses mappings: a job that does begins anew when its mapping changes. */
export interface MappingTarget {
  /** @throws TRANSFORM_INVALID */
  checkMapping(spec: MappingSpec): void;
  useMapping(name: string, spec: MappingSpec): void;
  removeMapping(name: string): void;
  /** It is on the disk. */
  mappingChanged(name: string): void;
}

export function mappingKind(target: MappingTarget): Kind {
  return {
    kind: 'mapping',
    plural: 'mappings',
    summary: 'What becomes of records on their way from a source to a target, and what must hold of them',
    schema: schema as unknown as z.ZodType<Spec>,
    check: (name, spec, declared) => {
      if (spec !== undefined) return target.checkMapping(spec as unknown as MappingSpec);
      requireUnused(name, declared.list('sync-job'));
    },
    apply: async (name, spec) => target.useMapping(name, spec as unknown as MappingSpec),
    remove: async (name) => target.removeMapping(name),
    committed: (name) => target.mappingChanged(name),
  };
}

function requireUnused(name: string, jobs: readonly { readonly name: string; readonly spec: Spec }[]): void {
  const user = jobs.find(({ spec }) => {
    const { mapping, streams } = spec as { mapping?: string; streams?: readonly { mapping?: string }[] };
    return mapping === name || streams?.some((stream) => stream.mapping === name) === true;
  });
  if (user === undefined) return;
  throw new SluiceError('RESOURCE_IN_USE', `sync job ${user.name} uses mapping ${name}`);
}
