/**
 * Finds the route of a request. Built once from a table, never changed.
 *
 *   host:  exact ─▶ longest *.suffix ─▶ any        within it, segment by segment:  text ─▶ {one} ─▶ {rest...}
 *   before the path of a route whose API is versioned by path:                     text ─▶ v2 or 2026-03-01 ─▶ …
 *   among routes of one path: the one with the most conditions (headers, query, methods) that all hold
 *
 * A more special path whose conditions fail gives way to a more general one.
 */
import { SluiceError } from '#kernel';
import type { NamedRoute } from '../table.ts';

export interface RouteRequest {
  readonly method: string;
  /** Lower case, without a port. */
  readonly host: string;
  /** Canonical. */
  readonly path: string;
  readonly query: string;
  /** The first header of a name in lower case. */
  header(name: string): string | undefined;
}

export interface RouteMatch<R> {
  readonly route: R;
  /** Of the template's parameters, in its order; a rest without its leading slash. */
  readonly params: readonly string[];
  /** The first segment, where it names the version of an API and is no part of the template. */
  readonly version?: string | undefined;
}

interface Leaf<R> {
  readonly route: R;
  readonly spec: NamedRoute['spec'];
  readonly name: string;
  readonly conditions: number;
}

class Node<R> {
  readonly children = new Map<string, Node<R>>();
  one: Node<R> | undefined;
  /** Of a root: routes that a version may come before. */
  versioned: Node<R> | undefined;
  readonly leaves: Leaf<R>[] = [];
  readonly rest: Leaf<R>[] = [];
}

/** Methods that a route without `methods` does not take. */
const UNUSUAL = new Set(['CONNECT', 'TRACE']);
/** Begins names of routes that nobody has declared, and that nobody can. */
export const OWN_ROUTES = '~';
const REST = /^\{[a-z0-9_]+\.\.\.\}$/;
const VERSION = /^(v[1-9]\d{0,5}|v?\d{4}-\d\d-\d\d)$/;

export class Router<R> {
  readonly #exact = new Map<string, Node<R>>();
  /** `.example.com`, longest first. */
  readonly #suffixes: [suffix: string, root: Node<R>][] = [];
  readonly #any = new Node<R>();

  /**
   * @param make what a match answers with, made once a route
   * @param takesVersion whether a version may come before the path of a route
   */
  constructor(
    routes: readonly NamedRoute[],
    make: (route: NamedRoute) => R,
    takesVersion: (route: NamedRoute) => boolean = () => false,
  ) {
    for (const named of routes) {
      const { name, spec } = named;
      // Routes that the gateway makes itself give way to those of people.
      const conditions = name.startsWith(OWN_ROUTES)
        ? -1
        : Object.keys(spec.headers).length + Object.keys(spec.query).length + Math.min(spec.methods.length, 1);
      const leaf: Leaf<R> = { route: make(named), spec, name, conditions };
      const roots = spec.hosts.length === 0 ? [this.#any] : spec.hosts.map((host) => this.#root(host));
      for (const root of roots) {
        add(root, leaf);
        if (!takesVersion(named)) continue;
        root.versioned ??= new Node<R>();
        add(root.versioned, leaf);
      }
    }
    this.#suffixes.sort(([a], [b]) => b.length - a.length);
  }

  #root(host: string): Node<R> {
    if (!host.startsWith('*.')) {
      const root = this.#exact.get(host) ?? new Node<R>();
      this.#exact.set(host, root);
      return root;
    }
    const suffix = host.slice(1);
    const known = this.#suffixes.find(([one]) => one === suffix)?.[1];
    if (known !== undefined) return known;
    const root = new Node<R>();
    this.#suffixes.push([suffix, root]);
    return root;
  }

  /** @throws ROUTE_UNKNOWN; METHOD_NOT_ALLOWED (details: `allow`) where only the method keeps a route from matching */
  find(request: RouteRequest): RouteMatch<R> {
    const search = new Search<R>(request);
    const exact = this.#exact.get(request.host);
    if (exact !== undefined && search.walk(exact, 0)) return search.match();
    for (const [suffix, root] of this.#suffixes) {
      const below = request.host.length > suffix.length && request.host.endsWith(suffix);
      if (below && search.walk(root, 0)) return search.match();
    }
    if (search.walk(this.#any, 0)) return search.match();
    if (search.allowed !== undefined) {
      const allow = [...search.allowed].sort().join(', ');
      throw new SluiceError('METHOD_NOT_ALLOWED', `this path takes ${allow}`, { allow });
    }
    throw new SluiceError('ROUTE_UNKNOWN', 'no route takes this request');
  }
}

function add<R>(root: Node<R>, leaf: Leaf<R>): void {
  let node = root;
  const segments = leaf.spec.path.slice(1).split('/');
  for (const segment of segments) {
    if (REST.test(segment)) {
      insert(node.rest, leaf);
      return;
    }
    if (segment.startsWith('{')) {
      node.one ??= new Node<R>();
      node = node.one;
    } else {
      const next = node.children.get(segment) ?? new Node<R>();
      node.children.set(segment, next);
      node = next;
    }
  }
  insert(node.leaves, leaf);
}

/** Most conditions first; then by name, so that the order does not depend on when they were declared. */
function insert<R>(leaves: Leaf<R>[], leaf: Leaf<R>): void {
  leaves.push(leaf);
  leaves.sort((a, b) => b.conditions - a.conditions || (a.name < b.name ? -1 : 1));
}

class Search<R> {
  /** Methods that would have been taken; undefined: none. */
  allowed: Set<string> | undefined;
  readonly #request: RouteRequest;
  readonly #segments: string[];
  readonly #params: string[] = [];
  #query: URLSearchParams | undefined;
  #found: Leaf<R> | undefined;
  #version: string | undefined;

  constructor(request: RouteRequest) {
    this.#request = request;
    this.#segments = request.path.slice(1).split('/');
  }

  match(): RouteMatch<R> {
    return { route: (this.#found as Leaf<R>).route, params: this.#params, version: this.#version };
  }

  walk(node: Node<R>, at: number): boolean {
    const segments = this.#segments;
    if (at === segments.length) return this.#choose(node.leaves);
    const segment = segments[at] as string;
    const child = node.children.get(segment);
    if (child !== undefined && this.walk(child, at + 1)) return true;
    if (at === 0 && node.versioned !== undefined && VERSION.test(segment) && this.#walkVersioned(node.versioned))
      return true;
    if (node.one !== undefined && segment !== '') {
      this.#params.push(segment);
      if (this.walk(node.one, at + 1)) return true;
      this.#params.pop();
    }
    if (node.rest.length > 0) {
      this.#params.push(segments.slice(at).join('/'));
      if (this.#choose(node.rest)) return true;
      this.#params.pop();
    }
    return false;
  }

  #walkVersioned(node: Node<R>): boolean {
    const segments = this.#segments;
    // Nothing behind the version is the root.
    const alone = segments.length === 1;
    if (alone) segments.push('');
    this.#version = segments[0];
    if (this.walk(node, 1)) return true;
    this.#version = undefined;
    if (alone) segments.pop();
    return false;
  }

  #choose(leaves: readonly Leaf<R>[]): boolean {
    for (const leaf of leaves) {
      if (!this.#holds(leaf.spec)) continue;
      const { methods } = leaf.spec;
      const { method } = this.#request;
      const taken = methods.length === 0 ? !UNUSUAL.has(method) : methods.includes(method);
      if (taken) {
        this.#found = leaf;
        return true;
      }
      if (methods.length > 0) this.allowed = new Set([...(this.allowed ?? []), ...methods]);
    }
    return false;
  }

  #holds({ headers, query }: NamedRoute['spec']): boolean {
    for (const name in headers) {
      const value = this.#request.header(name);
      if (value === undefined || (headers[name] !== '*' && headers[name] !== value)) return false;
    }
    for (const name in query) {
      this.#query ??= new URLSearchParams(this.#request.query);
      const value = this.#query.get(name);
      if (value === null || (query[name] !== '*' && query[name] !== value)) return false;
    }
    return true;
  }
}
