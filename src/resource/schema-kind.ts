/**
 * Kind `schema`: what keys or values must look like. Its name is the subject of Confluent's registry, its schema the newest
 * version there. What a schema is, and which goes with which, is decided by the store that is handed in.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { StateChange } from '#log';
import type { Kind, Spec } from './document.ts';

const reference = z.strictObject({
  name: z.string().min(1).max(1_000).describe('As the schema mentions it: a $ref, a full name, the path of an import'),
  subject: z.string().min(1).max(249),
  version: z.int().positive(),
});

const schema = z.strictObject({
  type: z.enum(['json', 'avro', 'protobuf']).describe('JSON Schema, Avro or Protobuf'),
  schema: z
    .union([z.string().min(1), z.record(z.string(), z.unknown()), z.array(z.unknown()), z.boolean()])
    .describe('As text, or where it is JSON as it is'),
  compatibility: z
    .enum(['backward', 'backward_transitive', 'forward', 'forward_transitive', 'full', 'full_transitive', 'none'])
    .optional()
    .describe('What a version must be to earlier ones; where absent, what is configured, which is backward at first'),
  references: z.array(reference).default([]).describe('Schemas that this one mentions'),
  description: z.string().max(1_000).optional(),
});

export type SchemaSpec = z.infer<typeof schema>;

/** A spec as the store takes it. */
export interface DeclaredSchema {
  readonly type: SchemaSpec['type'];
  readonly text: string;
  readonly references: SchemaSpec['references'];
  readonly mode: SchemaSpec['compatibility'];
}

/** Knows what schemas are; the registry of `#schema` is one. */
export interface SchemaStore {
  /** @throws SCHEMA_INVALID, SCHEMA_INCOMPATIBLE and more: refuses what may not become the next version */
  check(subject: string, schema: DeclaredSchema): void;
  /** @throws SCHEMA_IN_USE while other schemas refer to one of the subject's versions */
  requireUnreferred(subject: string): void;
  /** What is stored with the document; undefined: with its deletion. */
  changes(subject: string, schema: DeclaredSchema | undefined): readonly StateChange[];
  committed(subject: string): void;
}

export function schemaKind(store: SchemaStore): Kind {
  return {
    kind: 'schema',
    plural: 'schemas',
    summary: 'A schema for keys or values of topics, in versions that are compatible',
    schema: schema as z.ZodType<Spec>,
    check: (name, spec, declared) => {
      if (spec !== undefined) {
        store.check(name, declaredSchema(spec));
        return;
      }
      const topic = declared
        .list('topic')
        .find(({ spec: { key_schema, value_schema } }) => key_schema === name || value_schema === name);
      if (topic !== undefined) {
        throw new SluiceError('SCHEMA_IN_USE', `topic ${topic.name} is bound to ${name}`, { by: topic.name });
      }
      store.requireUnreferred(name);
    },
    changes: (name, spec) => store.changes(name, spec === undefined ? undefined : declaredSchema(spec)),
    committed: (name) => store.committed(name),
  };
}

function declaredSchema(spec: Spec): DeclaredSchema {
  const { type, schema: given, references, compatibility } = spec as SchemaSpec;
  return { type, text: typeof given === 'string' ? given : JSON.stringify(given), references, mode: compatibility };
}
