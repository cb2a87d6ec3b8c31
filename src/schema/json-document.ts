/**
 * A JSON Schema as a graph: where each `$ref` leads, over `$id`, `$anchor`, JSON pointers and imported schemas. For the
 * comparison of schemas only; when values are checked, ajv follows the references.
 */
import type { Draft } from './json-schema.ts';

export type JsonObject = Readonly<Record<string, unknown>>;
export type JsonNode = JsonObject | boolean;

/** Stands in for the address of a schema that has none. */
const NOWHERE = 'schema:///';
/** Their values are data, in which `$id` means nothing. */
const DATA_KEYWORDS = new Set(['const', 'default', 'enum', 'examples']);

export class JsonDocument {
  readonly root: JsonNode;
  /** In draft-07 a `$ref` stands alone: what is beside it is ignored. */
  readonly refStandsAlone: boolean;
  /** How often nodes may still be taken apart; set by each comparison. */
  partsLeft = 0;
  /** Addresses without a fragment, or with an anchor. */
  readonly #places = new Map<string, JsonNode>();
  readonly #bases = new WeakMap<object, string>();

  constructor(root: JsonNode, draft: Draft, imports: readonly { readonly name: string; readonly node: JsonNode }[]) {
    this.root = root;
    this.refStandsAlone = draft === 'draft-07';
    this.#places.set(NOWHERE, root);
    this.#index(root, NOWHERE);
    const base = this.#baseOf(root);
    for (const { name, node } of imports) {
      for (const address of [join(name, NOWHERE), join(name, base)]) {
        if (!this.#places.has(address)) this.#places.set(address, node);
      }
      this.#index(node, join(name, NOWHERE));
    }
  }

  /** Where `ref`, as it stands in `at`, leads; undefined when that is not known here, as with a meta-schema. */
  resolve(ref: string, at: JsonObject): JsonNode | undefined {
    const address = join(ref, this.#baseOf(at));
    const exact = this.#places.get(address);
    if (exact !== undefined) return exact;
    const hash = address.indexOf('#');
    const resource = this.#places.get(hash < 0 ? address : address.slice(0, hash));
    const fragment = hash < 0 ? '' : address.slice(hash + 1);
    if (resource === undefined || fragment === '') return resource;
    return fragment.startsWith('/') ? follow(resource, fragment) : undefined;
  }

  #baseOf(node: JsonNode): string {
    return (typeof node === 'object' ? this.#bases.get(node) : undefined) ?? NOWHERE;
  }

  #index(value: unknown, base: string): void {
    if (Array.isArray(value)) {
      for (const one of value) this.#index(one, base);
      return;
    }
    if (typeof value !== 'object' || value === null || this.#bases.has(value)) return;
    const node = value as JsonObject;
    const own = this.#name(node, base);
    this.#bases.set(node, own);
    for (const [keyword, member] of Object.entries(node)) {
      if (!DATA_KEYWORDS.has(keyword)) this.#index(member, own);
    }
  }

  /** Notes the addresses a node gives itself; the result is the base of what is in it. */
  #name(node: JsonObject, base: string): string {
    const { $id, $anchor, $dynamicAnchor } = node;
    let own = base;
    if (typeof $id === 'string') {
      const address = join($id, base);
      this.#places.set(address.endsWith('#') ? address.slice(0, -1) : address, node);
      if (!$id.startsWith('#')) own = address.split('#')[0] as string;
    }
    for (const anchor of [$anchor, $dynamicAnchor]) {
      if (typeof anchor === 'string') this.#places.set(`${own}#${anchor}`, node);
    }
    return own;
  }
}

function join(reference: string, base: string): string {
  return URL.canParse(reference, base) ? new URL(reference, base).href : reference;
}

function follow(from: JsonNode, fragment: string): JsonNode | undefined {
  let at: unknown = from;
  for (const step of decodeURIComponent(fragment).slice(1).split('/')) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as JsonObject)[step.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return typeof at === 'boolean' || (typeof at === 'object' && at !== null) ? (at as JsonNode) : undefined;
}
