/**
 * Arrays of two JSON Schemas: element by element, as objects are property by property, with what is said of the
 * elements behind the listed ones as their content model.
 */
import type { JsonComparison, Located } from './json-compatibility.ts';
import type { JsonNode, JsonObject } from './json-document.ts';
import type { Place } from './json-parts.ts';
import { lowerBound, narrowed, upperBound } from './json-scalar-rules.ts';
import type { Difference } from './parsed-schema.ts';

interface ArrayPart extends Place {
  readonly node: JsonObject;
}

interface Elements {
  readonly listed: readonly Located[];
  readonly remaining: Located;
}

export function arrayDifferences(comparison: JsonComparison, written: ArrayPart, read: ArrayPart): Difference[] {
  const [before, now] = [elementsOf(written), elementsOf(read)];
  const differences: Difference[] = [];
  for (let i = 0; i < Math.max(before.listed.length, now.listed.length); i++) {
    differences.push(...comparison.nodes(before.listed[i] ?? before.remaining, now.listed[i] ?? now.remaining));
  }
  differences.push(
    ...comparison.nodes(before.remaining, now.remaining),
    ...upperBound(written.node, read, 'maxItems'),
    ...lowerBound(written.node, read, 'minItems', 0),
    ...contained(comparison, written, read),
  );
  if (read.node['uniqueItems'] === true && written.node['uniqueItems'] !== true) {
    differences.push(narrowed(read, 'uniqueItems', undefined, true));
  }
  return differences;
}

/** Draft-07 lists elements in `items`, and `additionalItems` follow; 2020-12 in `prefixItems`, and `items` follow. */
function elementsOf({ node, document, path }: ArrayPart): Elements {
  const listKeyword = Array.isArray(node['prefixItems']) ? 'prefixItems' : 'items';
  const list = node[listKeyword];
  const listed = Array.isArray(list) ? list : [];
  const followers = ['items', 'additionalItems', 'unevaluatedItems'];
  const keyword = followers.find((one) => node[one] !== undefined && !Array.isArray(node[one])) ?? 'items';
  const rest = Array.isArray(node[keyword]) ? undefined : node[keyword];
  return {
    listed: listed.map((one, i) => ({ node: one as JsonNode, document, path: `${path}/${listKeyword}/${i}` })),
    remaining: { node: (rest ?? true) as JsonNode, document, path: `${path}/${keyword}` },
  };
}

function contained(comparison: JsonComparison, written: ArrayPart, read: ArrayPart): Difference[] {
  if (read.node['contains'] === undefined) return [];
  if (written.node['contains'] === undefined) return [narrowed(read, 'contains', undefined, read.node['contains'])];
  const at = ({ node, document, path }: ArrayPart): Located => ({
    node: node['contains'] as JsonNode,
    document,
    path: `${path}/contains`,
  });
  return [
    ...comparison.nodes(at(written), at(read)),
    ...lowerBound(written.node, { ...read, node: { minContains: 1, ...read.node } }, 'minContains', 1),
    ...upperBound(written.node, read, 'maxContains'),
  ];
}
