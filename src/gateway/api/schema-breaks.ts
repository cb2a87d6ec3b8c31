/**
 * What becomes of a schema, for those who send values by the old one (request) or read them by it (response):
 *
 *   request    whatever was taken still is             response   whatever comes was promised
 *
 * Two nodes are compared once a direction, so cycles end and a schema that many share is told of in one place. `allOf` is
 * read as one schema; of `oneOf` and `anyOf`, each old branch needs a new one that goes with it (for a response each new
 * one an old one). Pure.
 */
import type { BreakRule } from './breaks.ts';
import { entriesOf, isNode, listOf, type Node, type OpenApi, resolve } from './open-api.ts';
import { tighterLimit } from './schema-limits.ts';

type Report = (rule: BreakRule, at: string, what: string) => void;
type Direction = 'request' | 'response';

const TYPES = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];
const DEPTH_MAX = 100;
const REFERENCE_DEPTH_MAX = 20;
/** Comparisons of two documents; beyond it what is left is told of as changed, never passed over. */
const COMPARISONS_MAX = 200_000;

export class SchemaComparison {
  readonly #before: OpenApi;
  readonly #after: OpenApi;
  readonly #report: Report;
  readonly #told = { request: new Pairs(), response: new Pairs() };
  readonly #tried = { request: new Pairs(), response: new Pairs() };
  readonly #joined = new Map<unknown, Map<unknown, Node>>();
  #left = COMPARISONS_MAX;

  constructor(before: OpenApi, after: OpenApi, report: Report) {
    this.#before = before;
    this.#after = after;
    this.#report = report;
  }

  request(was: unknown, is: unknown, at: string): void {
    this.#compare('request', was, is, at, this.#report, 0);
  }

  response(was: unknown, is: unknown, at: string): void {
    this.#compare('response', was, is, at, this.#report, 0);
  }

  /** @param report where it goes: no further than `#fits`, while branches are tried */
  #compare(direction: Direction, was: unknown, is: unknown, at: string, report: Report, depth: number): void {
    if (this.#left-- <= 0 || depth > DEPTH_MAX) {
      report('type_changed', at, 'is too large to be compared');
      return;
    }
    const pairs = (report === this.#report ? this.#told : this.#tried)[direction];
    // While it is looked at, a pair counts as one that goes together: so cycles end.
    const known = pairs.add(this.#node(this.#before, was), this.#node(this.#after, is));
    if (known === false) report('type_changed', at, 'is another one');
    if (known !== undefined) return;
    const [old, now] = [this.#whole(this.#before, was), this.#whole(this.#after, is)];
    if (this.#branches(direction, old, now, at, report, depth)) return;
    if (!compareTypes(direction, old, now, at, report)) return;
    compareValues(direction, old, now, at, report);
    this.#fields(direction, old, now, at, report, depth);
    const [items, nowItems] = [old['items'], now['items']];
    if (isNode(items) && isNode(nowItems)) {
      this.#compare(direction, items, nowItems, joined(at, '[]'), report, depth + 1);
    }
    const [rest, nowRest] = [old['additionalProperties'], now['additionalProperties']];
    if (isNode(rest) && isNode(nowRest)) {
      this.#compare(direction, rest, nowRest, joined(at, '.*'), report, depth + 1);
    }
  }

  /** What stands for a schema among those that were compared. */
  #node(document: OpenApi, schema: unknown): unknown {
    return isNode(schema) && Object.keys(schema).length === 1 ? resolve(document, schema) : schema;
  }

  /** Whether a branch goes with another one. */
  #fits(direction: Direction, was: unknown, is: unknown, depth: number): boolean {
    const pairs = this.#tried[direction];
    const known = pairs.get(was, is);
    if (known !== undefined) return known;
    const mark = pairs.mark();
    let fits = true;
    const note = () => {
      fits = false;
    };
    this.#compare(direction, was, is, '', note, depth + 1);
    if (!fits) {
      // What was found on the strength of this pair may not hold.
      pairs.undo(mark);
      pairs.set(was, is, false);
    }
    return fits;
  }

  /** A schema with what it refers to and all of its `allOf` in one. `true` and what is no schema take anything. */
  #whole(document: OpenApi, schema: unknown, depth = 0): Node {
    if (schema === false) return { type: [] };
    if (!isNode(schema)) return {};
    const { $ref: reference, ...own } = schema;
    const parts = [reference === undefined ? {} : resolve(document, schema), own, ...listOf(own['allOf'])];
    if (reference === undefined && own['allOf'] === undefined) return schema;
    if (this.#left-- <= 0) return own;
    const whole: Record<string, unknown> = {};
    for (const [i, part] of parts.entries()) {
      const one = i === 1 || depth > REFERENCE_DEPTH_MAX ? (part as Node) : this.#whole(document, part, depth + 1);
      for (const [name, value] of Object.entries(one)) {
        if (name === 'allOf') continue;
        const there = whole[name];
        if (name === 'properties') whole[name] = { ...(there as object), ...(value as object) };
        else if (name === 'required') whole[name] = [...listOf(there), ...listOf(value)];
        else whole[name] = value;
      }
    }
    return whole;
  }

  /** True: there are branches, and they have been seen to. */
  #branches(direction: Direction, old: Node, now: Node, at: string, report: Report, depth: number): boolean {
    const [were, are] = [this.#branchesOf(old), this.#branchesOf(now)];
    if (were === undefined && are === undefined) return false;
    const [from, to] = [were ?? [old], are ?? [now]];
    const lost =
      direction === 'request'
        ? from.filter((one) => !to.some((other) => this.#fits(direction, one, other, depth)))
        : to.filter((one) => !from.some((other) => this.#fits(direction, other, one, depth)));
    if (lost.length > 0) {
      const what = direction === 'request' ? 'no longer takes all that it took' : 'may be something it was not before';
      report('type_changed', at, what);
    }
    return true;
  }

  /** Each with what stands beside it. */
  #branchesOf(schema: Node): readonly Node[] | undefined {
    const { oneOf, anyOf, ...beside } = schema;
    const branches = listOf(oneOf ?? anyOf);
    if (branches.length === 0) return undefined;
    const made = this.#joined.get(schema) ?? new Map<unknown, Node>();
    this.#joined.set(schema, made);
    return branches.map((branch) => {
      const node = made.get(branch) ?? { ...beside, allOf: [branch] };
      made.set(branch, node);
      return node;
    });
  }

  #fields(direction: Direction, old: Node, now: Node, at: string, report: Report, depth: number): void {
    const are = new Map(entriesOf(now['properties']));
    const [wasRequired, isRequired] = [listOf(old['required']), listOf(now['required'])];
    const known = new Set(entriesOf(old['properties']).map(([name]) => name));
    for (const [name, schema] of entriesOf(old['properties'])) {
      const place = joined(at, `.${name}`);
      if (!are.has(name)) {
        report(direction === 'request' ? 'parameter_removed' : 'response_field_removed', place, 'is gone');
        continue;
      }
      if (direction === 'request' && !wasRequired.includes(name) && isRequired.includes(name)) {
        report('parameter_required', place, 'is required now');
      }
      if (direction === 'response' && wasRequired.includes(name) && !isRequired.includes(name)) {
        report('response_field_removed', place, 'may be missing now');
      }
      this.#compare(direction, schema, are.get(name), place, report, depth + 1);
    }
    if (direction === 'response') return;
    for (const name of isRequired) {
      if (known.has(String(name)) || wasRequired.includes(name)) continue;
      report('required_parameter_added', joined(at, `.${String(name)}`), 'is new and required');
    }
  }
}

/** Pairs of nodes and whether they go together. */
class Pairs {
  readonly #known = new Map<unknown, Map<unknown, boolean>>();
  readonly #order: [was: unknown, is: unknown][] = [];

  get(was: unknown, is: unknown): boolean | undefined {
    return this.#known.get(was)?.get(is);
  }

  set(was: unknown, is: unknown, fits: boolean): void {
    const row = this.#known.get(was) ?? new Map<unknown, boolean>();
    this.#known.set(was, row.set(is, fits));
    this.#order.push([was, is]);
  }

  /** What was known; if nothing, the pair goes together from now on. */
  add(was: unknown, is: unknown): boolean | undefined {
    const known = this.get(was, is);
    if (known === undefined) this.set(was, is, true);
    return known;
  }

  mark(): number {
    return this.#order.length;
  }

  undo(mark: number): void {
    for (const [was, is] of this.#order.splice(mark)) this.#known.get(was)?.delete(is);
  }
}

/** A place inside a schema, after the place of the schema. */
function joined(at: string, part: string): string {
  return /\s[.[]/.test(at) ? at + part : `${at} ${part}`;
}

/** False: they are of other types, and there is no more to compare. */
function compareTypes(direction: Direction, old: Node, now: Node, at: string, report: Report): boolean {
  const [were, are] = [typesOf(old), typesOf(now)];
  const [given, taken] = direction === 'request' ? [were, are] : [are, were];
  if (given.every((type) => taken.includes(type) || (type === 'integer' && taken.includes('number')))) return true;
  report('type_changed', at, `was ${typeText(were)} and is ${typeText(are)}`);
  return false;
}

function compareValues(direction: Direction, old: Node, now: Node, at: string, report: Report): void {
  const [were, are] = [valuesOf(old), valuesOf(now)];
  if (were !== undefined && are !== undefined) {
    for (const value of were) {
      if (!are.includes(value)) report('enum_value_removed', at, `is no longer ${value}`);
    }
  } else if (are !== undefined && direction === 'request') {
    report('validation_added', at, `must be one of ${are.join(', ')} now`);
  }
  if (direction === 'response') return;
  const limit = tighterLimit(old, now);
  if (limit !== undefined) report('validation_added', at, limit);
}

function typesOf({ type }: Node): readonly string[] {
  if (typeof type === 'string') return [type];
  return Array.isArray(type) ? type.map(String) : TYPES;
}

function typeText(types: readonly string[]): string {
  return types === TYPES ? 'anything' : types.length === 0 ? 'nothing' : types.join(' or ');
}

/** Of `enum` or `const`, as JSON. */
function valuesOf(schema: Node): readonly string[] | undefined {
  if ('const' in schema) return [JSON.stringify(schema['const'])];
  return Array.isArray(schema['enum']) ? schema['enum'].map((value) => JSON.stringify(value)) : undefined;
}
