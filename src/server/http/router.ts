/**
 * Finds the route of a path and method. A path template is made of literal segments, `{name}` for one segment
 * and, at the end, `*` for all that follow. Literals win over names, names over the rest.
 */
import { assert, SluiceError } from '#kernel';
import { decodeSegment } from './query.ts';
import type { Route } from './route.ts';

interface Node {
  readonly literals: Map<string, Node>;
  named: Node | undefined;
  readonly routes: Map<string, Route>;
  readonly wildcards: Map<string, Route>;
}

export interface Match {
  readonly route: Route;
  /** Values of the template's names, in order; a wildcard's rest last, not decoded. */
  readonly params: readonly string[];
}

export class Router {
  readonly #root = createNode();
  readonly #routes: Route[] = [];
  /** Asked last: a busy client asks for one path again and again, and comparing it is cheaper than a walk. */
  #lastMethod = '';
  #lastPath = '';
  #lastMatch: Match | undefined;

  get routes(): readonly Route[] {
    return this.#routes;
  }

  add(route: Route): void {
    let node = this.#root;
    let methods = node.routes;
    for (const segment of segmentsOf(route.path)) {
      assert(methods === node.routes, `* stands at the end of ${route.path}`);
      if (segment === '*') {
        methods = node.wildcards;
        continue;
      }
      node = childFor(node, segment);
      methods = node.routes;
    }
    assert(!methods.has(route.method), `${route.method} ${route.path} is declared twice`);
    methods.set(route.method, route);
    this.#routes.push(route);
    this.#lastMatch = undefined;
  }

  /**
   * HEAD falls back to GET.
   * @throws ROUTE_UNKNOWN, METHOD_NOT_ALLOWED (details: `allow`), REQUEST_MALFORMED on a bad percent escape
   */
  find(method: string, path: string): Match {
    if (this.#lastMatch !== undefined && this.#lastPath === path && this.#lastMethod === method) return this.#lastMatch;
    const match = this.#search(method, path);
    this.#lastMethod = method;
    this.#lastPath = path;
    this.#lastMatch = match;
    return match;
  }

  #search(method: string, path: string): Match {
    const params: string[] = [];
    const methods = walk(this.#root, path, 1, params);
    if (methods === undefined) throw new SluiceError('ROUTE_UNKNOWN', 'there is nothing at this path');
    const route = methods.get(method) ?? (method === 'HEAD' ? methods.get('GET') : undefined);
    if (route !== undefined) return { route, params };
    const allow = allowed(methods);
    throw new SluiceError('METHOD_NOT_ALLOWED', `this path takes ${allow}`, { allow });
  }
}

function allowed(methods: ReadonlyMap<string, Route>): string {
  const names = [...methods.keys()];
  if (methods.has('GET') && !methods.has('HEAD')) names.push('HEAD');
  return names.sort().join(', ');
}

/** The methods at the node that the rest of `path`, from `at` on, leads to. */
function walk(node: Node, path: string, at: number, params: string[]): Map<string, Route> | undefined {
  if (at > path.length) return node.routes.size > 0 ? node.routes : undefined;
  const slash = path.indexOf('/', at);
  const end = slash < 0 ? path.length : slash;
  const segment = path.slice(at, end);
  const literal = node.literals.get(segment);
  if (literal !== undefined) {
    const found = walk(literal, path, end + 1, params);
    if (found !== undefined) return found;
  }
  if (node.named !== undefined && segment !== '') {
    params.push(decodeSegment(segment));
    const found = walk(node.named, path, end + 1, params);
    if (found !== undefined) return found;
    params.pop();
  }
  if (node.wildcards.size === 0) return undefined;
  params.push(path.slice(at));
  return node.wildcards;
}

function segmentsOf(template: string): string[] {
  return template.slice(1).split('/');
}

function childFor(node: Node, segment: string): Node {
  if (segment.startsWith('{')) {
    node.named ??= createNode();
    return node.named;
  }
  let child = node.literals.get(segment);
  if (child === undefined) {
    child = createNode();
    node.literals.set(segment, child);
  }
  return child;
}

function createNode(): Node {
  return { literals: new Map(), named: undefined, routes: new Map(), wildcards: new Map() };
}
