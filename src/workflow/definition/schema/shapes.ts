/** How the JSON Schema of documents is put together: objects that say all their fields, and choices that say by which key. */

export type Schema = Readonly<Record<string, unknown>>;
export type Fields = Readonly<Record<string, Schema>>;

export const ANY: Schema = {};
export const TEXT: Schema = { type: 'string' };
export const FLAG: Schema = { type: 'boolean' };
export const WHOLE: Schema = { type: 'integer', minimum: 0 };
export const MAP: Schema = { type: 'object' };
export const NAME_TEXT: Schema = { type: 'string', minLength: 1, maxLength: 256 };

export function ref(name: string): Schema {
  return { $ref: `#/$defs/${name}` };
}

/** An object with these fields and no other. */
export function object(fields: Fields, required: readonly string[] = [], more: Schema = {}): Schema {
  return { type: 'object', properties: fields, required, additionalProperties: false, ...more };
}

/** An object with exactly one of these fields. */
export function oneKey(fields: Fields): Schema {
  return object(fields, [], { minProperties: 1, maxProperties: 1 });
}

export function list(items: Schema, more: Schema = {}): Schema {
  return { type: 'array', items, ...more };
}

export function mapOf(values: Schema): Schema {
  return { type: 'object', additionalProperties: values, propertyNames: NAME_TEXT };
}

/** An ordered list of named things: objects of one key each. */
export function namedList(values: Schema, more: Schema = {}): Schema {
  return list({ type: 'object', minProperties: 1, maxProperties: 1, additionalProperties: values }, more);
}

export function oneOf(...names: string[]): Schema {
  return { enum: names };
}

/** Text, or what the schema says. */
export function textOr(schema: Schema): Schema {
  return { if: { type: 'string' }, else: schema };
}

/** The first schema whose key is there; where none is, none fits. */
export function byKey(choices: readonly (readonly [key: string, schema: Schema])[]): Schema {
  const none: Schema = { not: {} };
  return choices.reduceRight<Schema>(
    (rest, [key, schema]) => ({ if: { required: [key] }, then: schema, else: rest }),
    none,
  );
}

/** Exactly one of the keys must be there. */
export function exactlyOne(...keys: string[]): Schema {
  return { oneOf: keys.map((key) => ({ required: [key] })) };
}
