/**
 * Avro, parsed by avsc. Values are checked in Avro's JSON encoding: a union's value is null or `{"branch": value}`, bytes
 * are strings of the characters 0 to 255. One thing is more lenient than that encoding: a field with a default may be
 * left out, so that producers may go on with an older version.
 */
import { createRequire } from 'node:module';
import type avro from 'avsc';
import { SluiceError } from '#kernel';
import { avroDifferences } from './avro-compatibility.ts';
import { avroCheck } from './avro-values.ts';
import type { Difference, ParsedSchema, ValueCheck } from './parsed-schema.ts';
import { invalidSchema, parseJsonText, type ResolvedSource } from './source.ts';

const require = createRequire(import.meta.url);

type Options = Parameters<typeof avro.Type.forSchema>[1];

export class AvroSchema implements ParsedSchema {
  readonly type = 'avro';
  readonly #root: avro.Type;

  /** @throws SCHEMA_INVALID */
  constructor({ text, imports }: ResolvedSource) {
    const registry = {};
    for (const one of imports) parse(one.text, registry);
    this.#root = parse(text, registry);
  }

  compile(): ValueCheck {
    return avroCheck(this.#root);
  }

  differences(writer: ParsedSchema): readonly Difference[] {
    return avroDifferences((writer as AvroSchema).#root, this.#root);
  }
}

/** Named types are added to the registry. Logical types are left as the types they stand on. */
function parse(text: string, registry: NonNullable<NonNullable<Options>['registry']>): avro.Type {
  const schema = parseJsonText(text);
  if (schema === null || (typeof schema !== 'object' && typeof schema !== 'string')) {
    throw new SluiceError('SCHEMA_INVALID', 'an Avro schema is an object, a list or the name of a type');
  }
  try {
    const { Type } = require('avsc') as typeof avro;
    return Type.forSchema(schema as avro.Schema, { registry, wrapUnions: 'always', omitRecordMethods: true });
  } catch (error) {
    throw invalidSchema(error);
  }
}
