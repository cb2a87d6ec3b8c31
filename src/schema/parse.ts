/** From a source to a schema of its language. */
import { AvroSchema } from './avro-schema.ts';
import { JsonSchema } from './json-schema.ts';
import type { ParsedSchema } from './parsed-schema.ts';
import { ProtobufSchema } from './protobuf-schema.ts';
import type { ResolvedSource } from './source.ts';

/** @throws SCHEMA_INVALID */
export function parseSchema(source: ResolvedSource): ParsedSchema {
  switch (source.type) {
    case 'json':
      return new JsonSchema(source);
    case 'avro':
      return new AvroSchema(source);
    case 'protobuf':
      return new ProtobufSchema(source);
  }
}
