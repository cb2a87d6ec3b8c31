/**
 * JSON Schema: draft-07 (which also reads draft-06), 2019-09 and 2020-12, by `$schema`, draft-07 without one. Values are
 * checked by ajv; formats are asserted. Schemas referred to are known by the name of the reference and by their own `$id`.
 */
import { createRequire } from 'node:module';
import type * as AjvModule from 'ajv';
import type { Ajv, ErrorObject, Options } from 'ajv';
import type * as Ajv2019Module from 'ajv/dist/2019.js';
import type * as Ajv2020Module from 'ajv/dist/2020.js';
import type formats from 'ajv-formats';
import { SluiceError } from '#kernel';
import { jsonDifferences } from './json-compatibility.ts';
import { JsonDocument, type JsonNode, type JsonObject } from './json-document.ts';
import { type Difference, type Mismatch, type ParsedSchema, pointerTo, type ValueCheck } from './parsed-schema.ts';
import { invalidSchema, parseJsonText, type ResolvedSource } from './source.ts';

const require = createRequire(import.meta.url);

export type Draft = 'draft-07' | '2019-09' | '2020-12';

const DRAFTS: readonly [pattern: RegExp, draft: Draft][] = [
  [/^https?:\/\/json-schema\.org\/draft-0[67]\/schema#?$/, 'draft-07'],
  [/^https?:\/\/json-schema\.org\/draft\/2019-09\/schema#?$/, '2019-09'],
  [/^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/, '2020-12'],
];

const OPTIONS: Options = { strict: false, logger: false, allErrors: false };

interface Import {
  readonly name: string;
  readonly node: JsonNode;
}

export class JsonSchema implements ParsedSchema {
  readonly type = 'json';
  readonly #draft: Draft;
  readonly #root: JsonNode;
  readonly #imports: readonly Import[];
  #document: JsonDocument | undefined;

  /** @throws SCHEMA_INVALID */
  constructor({ text, imports }: ResolvedSource) {
    this.#root = asNode(parseJsonText(text), 'the schema');
    this.#draft = draftOf(this.#root);
    this.#imports = imports.map((one) => ({
      name: one.name,
      node: asNode(parseJsonText(one.text), one.name),
    }));
  }

  compile(): ValueCheck {
    try {
      // An instance for each schema, so that nothing of a schema outlives its check.
      const ajv = createAjv(this.#draft);
      for (const { name, node } of this.#imports) {
        const schema = withoutDraft(node);
        for (const key of new Set([name, resolvedName(name, this.#root)])) ajv.addSchema(schema, key);
      }
      const validate = ajv.compile(withoutDraft(this.#root));
      if ('$async' in validate) throw new SluiceError('SCHEMA_INVALID', '$async schemas are not taken');
      return (value) => (validate(value) ? undefined : mismatchOf(validate.errors ?? []));
    } catch (error) {
      throw invalidSchema(error);
    }
  }

  differences(writer: ParsedSchema): readonly Difference[] {
    return jsonDifferences((writer as JsonSchema).document(), this.document());
  }

  document(): JsonDocument {
    this.#document ??= new JsonDocument(this.#root, this.#draft, this.#imports);
    return this.#document;
  }
}

/** Loaded with the first schema of a draft, since a server may never have one. */
function libraryOf(draft: Draft) {
  if (draft === '2020-12') return (require('ajv/dist/2020.js') as typeof Ajv2020Module).Ajv2020;
  if (draft === '2019-09') return (require('ajv/dist/2019.js') as typeof Ajv2019Module).Ajv2019;
  return (require('ajv') as typeof AjvModule).Ajv;
}

function createAjv(draft: Draft): Ajv {
  const ajv = new (libraryOf(draft))(OPTIONS) as Ajv;
  const { default: addFormats } = require('ajv-formats') as typeof formats;
  addFormats(ajv);
  return ajv;
}

function asNode(value: unknown, what: string): JsonNode {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new SluiceError('SCHEMA_INVALID', `${what} is neither an object nor a boolean`);
}

/** @throws SCHEMA_INVALID on a draft that is not known */
function draftOf(root: JsonNode): Draft {
  const named = typeof root === 'object' ? root['$schema'] : undefined;
  if (named === undefined) return 'draft-07';
  const found = DRAFTS.find(([pattern]) => typeof named === 'string' && pattern.test(named));
  if (found !== undefined) return found[1];
  throw new SluiceError(
    'SCHEMA_INVALID',
    `$schema ${String(named)} is not one of draft-06, draft-07, 2019-09, 2020-12`,
  );
}

/** The draft is chosen already; left in, draft-06 would be looked up as a schema of its own. */
function withoutDraft(node: JsonNode): JsonNode {
  if (typeof node === 'boolean') return node;
  const { $schema: _, ...rest } = node;
  return rest;
}

/** What `name` stands for in a schema that has an absolute `$id`. */
function resolvedName(name: string, root: JsonNode): string {
  const base = typeof root === 'object' ? root['$id'] : undefined;
  return typeof base === 'string' && URL.canParse(name, base) ? new URL(name, base).href : name;
}

/** The error that is deepest in the value: of the branches of an `anyOf`, the one that fitted longest tells most. */
function mismatchOf(errors: readonly ErrorObject[]): Mismatch {
  let chosen: Mismatch = { path: '', message: 'does not fit' };
  let depth = -1;
  for (const error of errors) {
    const path = pathOf(error);
    const steps = path.split('/').length;
    if (steps < depth) continue;
    depth = steps;
    chosen = { path, message: messageOf(error) };
  }
  return chosen;
}

/** A member that is missing, or one too many, is named itself, not what it should be or is in. */
function pathOf({ instancePath, params }: ErrorObject): string {
  const { missingProperty, additionalProperty, unevaluatedProperty, propertyName } = params as Record<string, string>;
  const member = missingProperty ?? additionalProperty ?? unevaluatedProperty ?? propertyName;
  return member === undefined ? instancePath : pointerTo(instancePath, member);
}

function messageOf({ keyword, params, message }: ErrorObject): string {
  if (keyword === 'required') return 'is missing';
  if (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties') return 'is not allowed here';
  if (keyword === 'enum')
    return `must be one of ${JSON.stringify((params as { allowedValues: unknown }).allowedValues)}`;
  if (keyword === 'const') return `must be ${JSON.stringify((params as { allowedValue: unknown }).allowedValue)}`;
  return message ?? `does not fit ${keyword}`;
}
