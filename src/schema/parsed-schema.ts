/**
 * What the three languages have in common: a parsed schema can be compared with another one of its language, and
 * compiled to a check of values. Parsing is what a comparison needs; compiling is done once for each version in use.
 */
import type { SchemaType } from './source.ts';

/** Why a value does not fit. */
export interface Mismatch {
  /** JSON pointer (RFC 6901) into the value; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

/** Undefined when the value, as `JSON.parse` gives it, fits. */
export type ValueCheck = (value: unknown) => Mismatch | undefined;

/** Something that a reader with one schema cannot read of what was written with another. */
export interface Difference {
  /** Where in the reader's schema, e.g. `#/properties/total`. */
  readonly path: string;
  readonly message: string;
}

export interface ParsedSchema {
  readonly type: SchemaType;
  /** @throws SCHEMA_INVALID */
  compile(): ValueCheck;
  /** What of values written with `writer`, a schema of the same language, this one may fail to read; empty: nothing. */
  differences(writer: ParsedSchema): readonly Difference[];
}

/** `path` with one more step, escaped as a JSON pointer is. */
export function pointerTo(path: string, step: string | number): string {
  return `${path}/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** A mismatch found inside a member or an element, seen from the whole. */
export function inside(step: string | number, { path, message }: Mismatch): Mismatch {
  return { path: pointerTo('', step) + path, message };
}
