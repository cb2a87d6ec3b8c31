/**
 * A JSON Schema taken apart, so that two can be compared: a list of parts that must all hold, each of one kind. That is
 * where `type: [a, b]`, `anyOf` and `oneOf` become the same thing, a sum, and `allOf` and `$ref` vanish.
 *
 *   {type: [string, null], maxLength: 3, enum: [a, b]}  ─▶  sum(string with maxLength 3 | null)  and  values(a, b)
 *
 * A schema without `type` is of the type that its keywords speak of, as in Confluent's registry.
 */
import { SluiceError } from '#kernel';
import type { JsonDocument, JsonNode, JsonObject } from './json-document.ts';

export type JsonType = 'array' | 'boolean' | 'integer' | 'null' | 'number' | 'object' | 'string';

/** A keyword's worth of schema, with the document it stands in and its place there. */
export interface Place {
  readonly document: JsonDocument;
  /** `#/properties/total`. */
  readonly path: string;
}

export type Part =
  /** Values of one type, held to the keywords of `node` that speak of it. */
  | (Place & { readonly kind: 'typed'; readonly type: JsonType; readonly node: JsonObject })
  | (Place & { readonly kind: 'values'; readonly values: readonly unknown[] })
  | (Place & { readonly kind: 'sum'; readonly branches: readonly (readonly Part[])[] })
  | (Place & { readonly kind: 'not'; readonly node: JsonNode })
  /** What is only ever equal to itself: conditions, and references that lead outside. */
  | (Place & { readonly kind: 'opaque'; readonly text: string })
  /** Fits nothing: the schema `false`. */
  | (Place & { readonly kind: 'nothing' });

const FAMILIES: Readonly<Record<'array' | 'number' | 'object' | 'string', readonly string[]>> = {
  string: ['maxLength', 'minLength', 'pattern', 'format'],
  number: ['maximum', 'minimum', 'exclusiveMaximum', 'exclusiveMinimum', 'multipleOf'],
  object: [
    'properties',
    'patternProperties',
    'additionalProperties',
    'unevaluatedProperties',
    'propertyNames',
    'required',
    'maxProperties',
    'minProperties',
    'dependencies',
    'dependentRequired',
    'dependentSchemas',
  ],
  array: [
    'items',
    'prefixItems',
    'additionalItems',
    'unevaluatedItems',
    'contains',
    'minContains',
    'maxContains',
    'maxItems',
    'minItems',
    'uniqueItems',
  ],
};
/** References that lead to references that lead back; ajv takes them, and such a schema says nothing. */
const REFS_MAX = 50;

/** The parts of a node; none where everything fits. */
export function partsOf(node: JsonNode, { document, path }: Place, refs = 0): Part[] {
  const place = { document, path };
  if (node === true) return [];
  if (node === false || refs > REFS_MAX) return [{ kind: 'nothing', ...place }];
  if (--document.partsLeft < 0) throw new SluiceError('SCHEMA_INVALID', 'the schema unfolds into too many parts');
  const parts: Part[] = [];
  for (const keyword of ['$ref', '$dynamicRef', '$recursiveRef']) {
    const ref = node[keyword];
    if (typeof ref !== 'string') continue;
    const target = document.resolve(ref, node);
    if (target === undefined) parts.push({ kind: 'opaque', text: ref, ...place });
    else parts.push(...partsOf(target, place, refs + 1));
    if (document.refStandsAlone) return parts;
  }
  const typed = typesOf(node).map((type): Part => ({ kind: 'typed', type, node, ...place }));
  if (typed.length === 1) parts.push(...typed);
  else if (typed.length > 1) parts.push({ kind: 'sum', branches: typed.map((part) => [part]), ...place });
  if ('const' in node) parts.push({ kind: 'values', values: [node['const']], document, path: `${path}/const` });
  if (Array.isArray(node['enum'])) {
    parts.push({ kind: 'values', values: node['enum'], document, path: `${path}/enum` });
  }
  for (const keyword of ['anyOf', 'oneOf']) {
    if (!Array.isArray(node[keyword])) continue;
    const branches = branchesOf(node, keyword, place, refs);
    parts.push({ kind: 'sum', branches, document, path: `${path}/${keyword}` });
  }
  if (Array.isArray(node['allOf'])) parts.push(...branchesOf(node, 'allOf', place, refs).flat());
  if ('not' in node) parts.push({ kind: 'not', node: node['not'] as JsonNode, document, path: `${path}/not` });
  if ('if' in node) {
    const text = JSON.stringify([node['if'], node['then'], node['else']]);
    parts.push({ kind: 'opaque', text, document, path: `${path}/if` });
  }
  return parts;
}

function branchesOf(node: JsonObject, keyword: string, { document, path }: Place, refs: number): Part[][] {
  return (node[keyword] as JsonNode[]).map((branch, i) =>
    partsOf(branch, { document, path: `${path}/${keyword}/${i}` }, refs + 1),
  );
}

function typesOf(node: JsonObject): JsonType[] {
  const { type } = node;
  if (typeof type === 'string') return [type as JsonType];
  if (Array.isArray(type)) return type as JsonType[];
  return (Object.keys(FAMILIES) as (keyof typeof FAMILIES)[]).filter((family) =>
    FAMILIES[family].some((keyword) => keyword in node),
  );
}

/** Whether the keywords of a typed part let every value of the type through. */
export function isUnbound({ type, node }: Part & { kind: 'typed' }): boolean {
  if (type === 'boolean' || type === 'null') return true;
  const family = type === 'integer' ? 'number' : type;
  return !FAMILIES[family].some((keyword) => keyword in node);
}

export function typeOfValue(value: unknown): JsonType {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value as JsonType;
}
