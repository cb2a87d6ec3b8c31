/**
 * Objects of two JSON Schemas. What a schema says of a property that it does not list decides most of it (its content
 * model): anything (open), nothing (closed, `additionalProperties: false`), or what a schema or a pattern says (partially
 * open). A listed property is compared with what the other side says of that name, listed or not.
 */
import type { JsonComparison, Located } from './json-compatibility.ts';
import type { JsonNode, JsonObject } from './json-document.ts';
import type { Place } from './json-parts.ts';
import { lowerBound, upperBound } from './json-scalar-rules.ts';
import { type Difference, pointerTo } from './parsed-schema.ts';

interface ObjectPart extends Place {
  readonly node: JsonObject;
}

export function objectDifferences(comparison: JsonComparison, written: ObjectPart, read: ObjectPart): Difference[] {
  return [
    ...properties(comparison, written, read),
    ...patterns(comparison, written, read),
    ...comparison.nodes(remaining(written), remaining(read)),
    ...required(written, read),
    ...upperBound(written.node, read, 'maxProperties'),
    ...lowerBound(written.node, read, 'minProperties', 0),
    ...comparison.nodes(under(written, 'propertyNames'), under(read, 'propertyNames')),
    ...requiredTogether(written, read),
    ...dependentSchemas(comparison, written, read),
  ];
}

function properties(comparison: JsonComparison, written: ObjectPart, read: ObjectPart): Difference[] {
  const names = new Set([...namesIn(written.node, 'properties'), ...namesIn(read.node, 'properties')]);
  const differences: Difference[] = [];
  for (const name of names) {
    const [before, now] = [saidOf(written, name), saidOf(read, name)];
    const listed = has(read, 'properties', name);
    for (const one of now) {
      const found = before.length === 1 ? comparison.nodes(before[0] as Located, one) : comparison.all(before, one);
      if (found.length === 0) continue;
      if (listed && isOpenAt(written, name)) {
        const message = 'a property is described that could be anything before, since the schema was open';
        differences.push({ path: one.path, message });
      } else if (!listed && one.node === false) {
        differences.push({
          path: pointerTo(`${read.path}/properties`, name),
          message: 'a property is gone and the schema is closed',
        });
      } else {
        differences.push(...found);
      }
    }
  }
  return differences;
}

/** A pattern that only one side has is compared with what the other says of properties it does not list. */
function patterns(comparison: JsonComparison, written: ObjectPart, read: ObjectPart): Difference[] {
  const before = membersOf(written.node, 'patternProperties');
  const now = membersOf(read.node, 'patternProperties');
  const differences: Difference[] = [];
  for (const pattern of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const left = Object.hasOwn(before, pattern) ? member(written, 'patternProperties', pattern) : remaining(written);
    const right = Object.hasOwn(now, pattern) ? member(read, 'patternProperties', pattern) : remaining(read);
    differences.push(...comparison.nodes(left, right));
  }
  return differences;
}

/** Names nobody describes are passed over, as in Confluent's registry. A default makes up for what is missing. */
function required(written: ObjectPart, read: ObjectPart): Difference[] {
  const before = new Set(listIn(written.node, 'required'));
  const described = membersOf(read.node, 'properties');
  const differences: Difference[] = [];
  for (const name of listIn(read.node, 'required')) {
    if (before.has(name) || !Object.hasOwn(described, name) || hasDefault(described[name], read)) continue;
    differences.push({
      path: pointerTo(`${read.path}/required`, name),
      message: `${name} is required, which it was not`,
    });
  }
  return differences;
}

function hasDefault(node: JsonNode | undefined, { document }: Place): boolean {
  if (typeof node !== 'object') return false;
  if ('default' in node) return true;
  const target = typeof node['$ref'] === 'string' ? document.resolve(node['$ref'], node) : undefined;
  return typeof target === 'object' && 'default' in target;
}

function requiredTogether(written: ObjectPart, read: ObjectPart): Difference[] {
  const before = dependencies(written, 'dependentRequired', Array.isArray);
  const differences: Difference[] = [];
  for (const [name, { node, path }] of dependencies(read, 'dependentRequired', Array.isArray)) {
    const had = before.get(name)?.node as readonly string[] | undefined;
    const added = (node as readonly string[]).filter((one) => had?.includes(one) !== true);
    if (added.length > 0) differences.push({ path, message: `${name} now needs ${added.join(', ')} beside it` });
  }
  return differences;
}

function dependentSchemas(comparison: JsonComparison, written: ObjectPart, read: ObjectPart): Difference[] {
  const isSchema = (value: unknown) => !Array.isArray(value);
  const before = dependencies(written, 'dependentSchemas', isSchema);
  const differences: Difference[] = [];
  for (const [name, { node, path }] of dependencies(read, 'dependentSchemas', isSchema)) {
    const had = before.get(name);
    const right = { document: read.document, path, node: node as JsonNode };
    const left = { document: written.document, path: had?.path ?? '', node: (had?.node ?? true) as JsonNode };
    differences.push(...comparison.nodes(left, right));
  }
  return differences;
}

/** Of the newer keyword, and of the older `dependencies` what is of its kind. */
function dependencies({ node, path }: ObjectPart, keyword: string, isOfKind: (value: unknown) => boolean) {
  const found = new Map<string, { readonly node: unknown; readonly path: string }>();
  for (const from of ['dependencies', keyword]) {
    for (const [name, value] of Object.entries(membersOf(node, from))) {
      if (isOfKind(value)) found.set(name, { node: value, path: pointerTo(`${path}/${from}`, name) });
    }
  }
  return found;
}

/** All that holds for a property: its description, or the patterns it matches, or what remains. */
function saidOf(part: ObjectPart, name: string): Located[] {
  const matching = matchingPatterns(part, name).map((pattern) => member(part, 'patternProperties', pattern));
  if (has(part, 'properties', name)) return [member(part, 'properties', name), ...matching];
  return matching.length > 0 ? matching : [remaining(part)];
}

function isOpenAt(part: ObjectPart, name: string): boolean {
  const [only, ...others] = saidOf(part, name);
  return others.length === 0 && only?.node === true && !has(part, 'properties', name);
}

function matchingPatterns({ node }: ObjectPart, name: string): string[] {
  return Object.keys(membersOf(node, 'patternProperties')).filter((pattern) => new RegExp(pattern, 'u').test(name));
}

/** What is said of properties that nothing else speaks of. */
function remaining(part: ObjectPart): Located {
  return under(
    part,
    part.node['additionalProperties'] === undefined ? 'unevaluatedProperties' : 'additionalProperties',
  );
}

function under({ node, document, path }: ObjectPart, keyword: string): Located {
  return { node: (node[keyword] ?? true) as JsonNode, document, path: `${path}/${keyword}` };
}

function member({ node, document, path }: ObjectPart, keyword: string, name: string): Located {
  return { node: membersOf(node, keyword)[name] as JsonNode, document, path: pointerTo(`${path}/${keyword}`, name) };
}

function membersOf(node: JsonObject, keyword: string): Readonly<Record<string, JsonNode>> {
  const members = node[keyword];
  return typeof members === 'object' && members !== null ? (members as Record<string, JsonNode>) : {};
}

function has({ node }: ObjectPart, keyword: string, name: string): boolean {
  return Object.hasOwn(membersOf(node, keyword), name);
}

function namesIn(node: JsonObject, keyword: string): string[] {
  return Object.keys(membersOf(node, keyword));
}

function listIn(node: JsonObject, keyword: string): readonly string[] {
  const list = node[keyword];
  return Array.isArray(list) ? list : [];
}
