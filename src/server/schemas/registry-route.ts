/**
 * What the paths of the schema registry have in common: they are those of Confluent Schema Registry, with its media types,
 * its error numbers and its keys in Basic authentication, so that serializers made for it can be used.
 */
import { z } from 'zod';
import { type SluiceError, toProblem } from '#kernel';
import { MODES, type Mode, type Reference, SCHEMA_TYPES, type SchemaSource, type SchemaType } from '#schema';
import type { Exchange } from '../http/exchange.ts';
import { type CheckedDeclaration, defineRoute, type ErrorForm, type None, type Route } from '../http/route.ts';

export const REGISTRY_TYPE = 'application/vnd.schemaregistry.v1+json';
const BODY_TYPES = [REGISTRY_TYPE, 'application/vnd.schemaregistry+json', 'application/json'];

const TYPES: Readonly<Record<SchemaType, string>> = { avro: 'AVRO', json: 'JSON', protobuf: 'PROTOBUF' };
export const TYPE_NAMES = SCHEMA_TYPES.map((type) => TYPES[type]);

export const subjectParam = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,249}$/, 'a subject has 1 to 249 characters of A-Z a-z 0-9 . _ -')
  .describe('Name of a schema: 1 to 249 of A-Z a-z 0-9 . _ -');

const reference = z.object({ name: z.string(), subject: z.string(), version: z.int().positive() });

/** A schema as clients send it. What they send besides (metadata, a version) is passed over. */
export const schemaBody = z
  .looseObject({
    schema: z.string(),
    schemaType: z.enum(TYPE_NAMES).nullish().describe('AVRO where absent'),
    references: z.array(reference).nullish(),
    ruleSet: z.null().optional().describe('Rules are not run here, so they are refused'),
  })
  .meta({ id: 'RegistrySchema' });

export const versionShape = z.object({
  subject: z.string(),
  id: z.int(),
  version: z.int(),
  schema: z.string(),
  schemaType: z.string().optional().describe('Absent for Avro'),
  references: z.array(reference).optional(),
});

export const modeName = z.enum(MODES.map((mode) => mode.toUpperCase()));

type Declaration<P extends z.ZodObject, Q extends z.ZodObject> = Omit<
  CheckedDeclaration<P, Q>,
  'tag' | 'errors' | 'takesBasic' | 'body'
> & {
  readonly reads?: { readonly shape: z.ZodType; readonly maxBytes: number };
};

export function registryRoute<P extends z.ZodObject = None, Q extends z.ZodObject = None>(
  declaration: Declaration<P, Q>,
): Route {
  const { reads, ...rest } = declaration;
  const body = reads && {
    types: Object.fromEntries(BODY_TYPES.map((type) => [type, reads.shape])),
    maxBytes: reads.maxBytes,
  };
  return defineRoute({
    ...rest,
    ...(body === undefined ? {} : { body }),
    tag: 'Schema registry',
    errors: REGISTRY_ERRORS,
    takesBasic: true,
  } as CheckedDeclaration<P, Q>);
}

/** An answer of status 200, in the registry's media type. */
export function answers(description: string, shape: z.ZodType): Route['answers'] {
  return { 200: { description, types: { [REGISTRY_TYPE]: shape } } };
}

export function answer(exchange: Exchange, value: unknown): void {
  exchange.bytes(200, REGISTRY_TYPE, JSON.stringify(value));
}

export function sourceOf({ schema, schemaType, references }: z.output<typeof schemaBody>): SchemaSource {
  const type = SCHEMA_TYPES.find((one) => TYPES[one] === schemaType) ?? 'avro';
  return { type, text: schema, references: references ?? [] };
}

/** Members for the type and the references, which are left out where Confluent leaves them out. */
export function sourceMembers({ type, text, references }: SchemaSource): {
  schema: string;
  schemaType?: string;
  references?: readonly Reference[];
} {
  return {
    schema: text,
    ...(type === 'avro' ? {} : { schemaType: TYPES[type] }),
    ...(references.length === 0 ? {} : { references }),
  };
}

export function modeNamed(name: string): Mode {
  return name.toLowerCase() as Mode;
}

const REGISTRY_ERRORS: ErrorForm = {
  contentType: REGISTRY_TYPE,
  shape: z.object({ error_code: z.int(), message: z.string() }).meta({ id: 'RegistryError' }),
  body: (error) => {
    const number = errorNumber(error);
    // Numbers of five digits begin with their status.
    const status = number > 999 ? Math.floor(number / 100) : number;
    return { status, value: { error_code: number, message: toProblem(error).detail } };
  },
};

/** The number Confluent's registry gives such an error. */
function errorNumber({ code, status, details }: SluiceError): number {
  switch (code) {
    case 'SCHEMA_UNKNOWN':
      if ('compatibility' in details) return 40408;
      if ('version' in details) return 40402;
      return 'subject' in details ? 40401 : 40403;
    case 'SCHEMA_INVALID':
      return 42201;
    case 'SCHEMA_IN_USE':
      return 42206;
    case 'RESOURCE_INVALID':
    case 'REQUEST_INVALID':
      return FIELD_NUMBERS[String(details['field'])] ?? 422;
    case 'STORE_FAILED':
    case 'DISK_FULL':
      return 50001;
    default:
      return status;
  }
}

const FIELD_NUMBERS: Readonly<Record<string, number>> = {
  schema: 42201,
  schemaType: 42201,
  references: 42201,
  version: 42202,
  compatibility: 42203,
  permanent: 42205,
  subject: 42208,
  ruleSet: 42210,
};
