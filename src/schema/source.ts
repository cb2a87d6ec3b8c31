/**
 * The text of a schema and what it refers to. Two sources are the same schema when their fingerprints are equal: white
 * space, the order of members and, in Protobuf, comments do not count. Used by the registry and the three languages.
 */
import { createHash } from 'node:crypto';
import { SluiceError } from '#kernel';
import { protobufjs } from './protobufjs.ts';

export const SCHEMA_TYPES = ['json', 'avro', 'protobuf'] as const;
export type SchemaType = (typeof SCHEMA_TYPES)[number];

/** Another schema, by the name under which this one's text mentions it. */
export interface Reference {
  /** JSON Schema: a `$ref`; Avro: a full name; Protobuf: the path of an import. */
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

export interface SchemaSource {
  readonly type: SchemaType;
  readonly text: string;
  readonly references: readonly Reference[];
}

export interface ImportedSource {
  readonly name: string;
  readonly text: string;
}

/** A source with the texts it refers to, however far: what stands earlier does not need what stands later. */
export interface ResolvedSource {
  readonly type: SchemaType;
  readonly text: string;
  readonly imports: readonly ImportedSource[];
}

/** Hex; equal for the same schema. @throws SCHEMA_INVALID when the text cannot be parsed at all */
export function fingerprintOf({ type, text, references }: SchemaSource): string {
  const content = type === 'protobuf' ? protobufTokens(text) : sorted(parseJsonText(text));
  const named = references.map(({ name, subject, version }) => [name, subject, version]);
  return createHash('sha256')
    .update(JSON.stringify([type, content, named]))
    .digest('hex');
}

/** What walks over a schema goes down as deep as it is. */
const NESTING_MAX = 200;

/** @throws SCHEMA_INVALID */
export function parseJsonText(text: string): unknown {
  if (nestingOf(text) > NESTING_MAX) throw new SluiceError('SCHEMA_INVALID', 'the schema is nested too deeply');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SluiceError('SCHEMA_INVALID', `the schema is not JSON: ${(error as Error).message}`, {}, error);
  }
}

/** @throws SCHEMA_INVALID carrying the library's words */
export function invalidSchema(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  return new SluiceError('SCHEMA_INVALID', (error as Error).message, {}, error);
}

/** How many brackets are open at most; those within strings count too, which no real schema comes to feel. */
function nestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if (character === '}' || character === ']') depth--;
  }
  return deepest;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, member]): [string, unknown] => [name, sorted(member)]);
  return entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

function protobufTokens(text: string): string[] {
  const tokens: string[] = [];
  try {
    const tokenizer = protobufjs().tokenize(text, false);
    for (let token = tokenizer.next(); token !== null; token = tokenizer.next()) tokens.push(token);
  } catch (error) {
    throw invalidSchema(error);
  }
  return tokens;
}
