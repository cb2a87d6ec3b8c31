/**
 * What the gateway reads of OpenAPI 3.1 documents: operations with their parameters and bodies, with references inside the
 * document followed. Everything is looked at before it is used, since a document is what somebody wrote. Pure.
 */

export type Node = Readonly<Record<string, unknown>>;
export type OpenApi = Node;

export const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const;
const REFERENCES_MAX = 20;

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Fields of an object; none of anything else. */
export function entriesOf(value: unknown): [name: string, value: unknown][] {
  return isNode(value) ? Object.entries(value) : [];
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** What a JSON pointer such as `#/components/schemas/Order` points to; undefined where there is nothing. */
export function pointedTo(document: OpenApi, reference: string): unknown {
  if (!reference.startsWith('#')) return undefined;
  let at: unknown = document;
  for (const part of reference.slice(1).split('/').slice(1)) {
    const key = decode(part).replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The node itself, or what it refers to. Empty where that is nothing. */
export function resolve(document: OpenApi, value: unknown): Node {
  let node = value;
  for (let i = 0; i < REFERENCES_MAX && isNode(node); i++) {
    const reference = node['$ref'];
    if (typeof reference !== 'string') return node;
    node = pointedTo(document, reference);
  }
  return {};
}

export interface Parameter {
  readonly name: string;
  /** `query`, `header`, `path` or `cookie`. */
  readonly in: string;
  readonly required: boolean;
  readonly deprecated: boolean;
  readonly description: string;
  readonly schema: unknown;
}

export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly node: Node;
  readonly parameters: readonly Parameter[];
}

export function operationsOf(document: OpenApi): Operation[] {
  const found: Operation[] = [];
  for (const [path, value] of entriesOf(document['paths'])) {
    if (!path.startsWith('/')) continue;
    const item = resolve(document, value);
    for (const method of METHODS) {
      const node = item[method];
      if (!isNode(node)) continue;
      const parameters = parametersOf(document, [...listOf(item['parameters']), ...listOf(node['parameters'])]);
      found.push({ method: method.toUpperCase(), path, node, parameters });
    }
  }
  return found;
}

/** Those of an operation take the place of those of its path. */
function parametersOf(document: OpenApi, nodes: readonly unknown[]): Parameter[] {
  const found = new Map<string, Parameter>();
  for (const one of nodes) {
    const node = resolve(document, one);
    const place = textOf(node['in']);
    // Header names do not heed case.
    const name = place === 'header' ? textOf(node['name']).toLowerCase() : textOf(node['name']);
    const [content] = entriesOf(node['content']);
    found.set(`${place} ${name}`, {
      name,
      in: place,
      required: node['required'] === true,
      deprecated: node['deprecated'] === true,
      description: textOf(node['description']),
      schema: content === undefined ? node['schema'] : (content[1] as Node | undefined)?.['schema'],
    });
  }
  return [...found.values()];
}

/** Media types of a body and their schemas. */
export function contentOf(body: Node): [mediaType: string, schema: unknown][] {
  return entriesOf(body['content']).map(([type, media]) => [
    type.toLowerCase(),
    isNode(media) ? media['schema'] : undefined,
  ]);
}

export function isJson(mediaType: string): boolean {
  const [type = ''] = mediaType.split(';');
  return /^\s*[a-z0-9!#$&^_.+-]+\/(json|[a-z0-9!#$&^_.-]+\+json)\s*$/i.test(type);
}
