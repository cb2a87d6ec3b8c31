/** Schemas: their three languages, compatibility of versions, and the registry of what has which number. */
export { type Incompatibility, MODES, type Mode } from './compatibility.ts';
export type { Mismatch, ValueCheck } from './parsed-schema.ts';
export { checkKey, checkValue } from './record-check.ts';
export { SchemaRegistry, type SchemaVersion } from './registry.ts';
export { type Reference, SCHEMA_TYPES, type SchemaSource, type SchemaType } from './source.ts';
