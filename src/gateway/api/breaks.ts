/**
 * What a change of an OpenAPI document breaks for those who call by the document before it. The rules are GitHub's
 * published list of breaking changes, each told with its place:
 *
 *   operation_removed   parameter_removed   response_field_removed   required_parameter_added   parameter_required
 *   type_changed        enum_value_removed  validation_added         auth_changed
 *
 * Adding is no break: operations, optional parameters, response fields, enum values. A type is changed for a request when
 * something that was taken no longer is, for a response when something comes that was not promised. Pure.
 */
import { type AuthRequirements, requirementsOf } from './auth-requirements.ts';
import { contentOf, entriesOf, isNode, type OpenApi, type Operation, operationsOf, resolve } from './open-api.ts';
import { SchemaComparison } from './schema-breaks.ts';

export const BREAK_RULES = [
  'operation_removed',
  'parameter_removed',
  'response_field_removed',
  'required_parameter_added',
  'parameter_required',
  'type_changed',
  'enum_value_removed',
  'validation_added',
  'auth_changed',
] as const;

export type BreakRule = (typeof BREAK_RULES)[number];

export interface Break {
  readonly rule: BreakRule;
  /** The operation and the place in it, such as `GET /orders response 200 .items[].total`. */
  readonly at: string;
  /** What became of it, as the end of a sentence that begins with the place. */
  readonly what: string;
}

type Report = (rule: BreakRule, at: string, what: string) => void;

export function breaksBetween(before: OpenApi, after: OpenApi): Break[] {
  const found: Break[] = [];
  const report: Report = (rule, at, what) => found.push({ rule, at, what });
  const schemas = new SchemaComparison(before, after, report);
  const left = new Map(operationsOf(after).map((operation) => [keyOf(operation), operation]));
  for (const operation of operationsOf(before)) {
    const at = `${operation.method} ${operation.path}`;
    const now = left.get(keyOf(operation));
    if (now === undefined) report('operation_removed', at, 'is gone');
    else compareOperations({ before, after, schemas, report, at }, operation, now);
  }
  return found;
}

/** Names of path parameters do not matter to callers. */
function keyOf({ method, path }: Operation): string {
  return `${method} ${path.replace(/\{[^}]*\}/g, '{}')}`;
}

interface Site {
  readonly before: OpenApi;
  readonly after: OpenApi;
  readonly schemas: SchemaComparison;
  readonly report: Report;
  readonly at: string;
}

function compareOperations(site: Site, was: Operation, is: Operation): void {
  compareParameters(site, was, is);
  compareRequestBodies(site, was, is);
  compareResponses(site, was, is);
  const { before, after, report, at } = site;
  const fault = harderAuth(requirementsOf(before, was.node), requirementsOf(after, is.node));
  if (fault !== undefined) report('auth_changed', at, fault);
}

function compareParameters({ schemas, report, at }: Site, was: Operation, is: Operation): void {
  // Path parameters go by their place: their names may change, and they cannot go without the path.
  const ofPath = (operation: Operation) =>
    [...operation.path.matchAll(/\{([^}]*)\}/g)].map(([, name]) =>
      operation.parameters.find((one) => one.in === 'path' && one.name === name),
    );
  const now = ofPath(is);
  for (const [i, parameter] of ofPath(was).entries()) {
    if (parameter === undefined || now[i] === undefined) continue;
    schemas.request(parameter.schema, now[i].schema, `${at} path ${parameter.name}`);
  }
  const others = (operation: Operation) => operation.parameters.filter((one) => one.in !== 'path');
  const left = new Map(others(is).map((one) => [`${one.in} ${one.name}`, one]));
  for (const parameter of others(was)) {
    const place = `${parameter.in} ${parameter.name}`;
    const next = left.get(place);
    left.delete(place);
    if (next === undefined) {
      report('parameter_removed', `${at} ${place}`, 'is gone');
      continue;
    }
    if (!parameter.required && next.required) report('parameter_required', `${at} ${place}`, 'is required now');
    schemas.request(parameter.schema, next.schema, `${at} ${place}`);
  }
  for (const [place, { required }] of left) {
    if (required) report('required_parameter_added', `${at} ${place}`, 'is new and required');
  }
}

function compareRequestBodies({ before, after, schemas, report, at }: Site, was: Operation, is: Operation): void {
  const [old, next] = [resolve(before, was.node['requestBody']), resolve(after, is.node['requestBody'])];
  const place = `${at} request`;
  if (next['required'] === true && old['required'] !== true) {
    const added = was.node['requestBody'] === undefined;
    const rule = added ? 'required_parameter_added' : 'parameter_required';
    report(rule, place, added ? 'is new and required' : 'is required now');
  }
  const types = new Map(contentOf(next));
  for (const [type, schema] of contentOf(old)) {
    if (types.has(type)) schemas.request(schema, types.get(type), place);
    else report('type_changed', place, `is no longer taken as ${type}`);
  }
}

function compareResponses({ before, after, schemas, report, at }: Site, was: Operation, is: Operation): void {
  const left = new Map(entriesOf(is.node['responses']));
  for (const [status, value] of entriesOf(was.node['responses'])) {
    const place = `${at} response ${status}`;
    const next = left.get(status);
    if (next === undefined) {
      if (status.startsWith('2')) report('response_field_removed', place, 'is gone');
      continue;
    }
    const [old, now] = [resolve(before, value), resolve(after, next)];
    const types = new Map(contentOf(now));
    for (const [type, schema] of contentOf(old)) {
      if (types.has(type)) schemas.response(schema, types.get(type), place);
      else report('type_changed', place, `is no longer given as ${type}`);
    }
    const headers = new Set(entriesOf(now['headers']).map(([name]) => name.toLowerCase()));
    for (const [name, header] of entriesOf(old['headers'])) {
      const gone = isNode(header) && !headers.has(name.toLowerCase());
      if (gone) report('response_field_removed', `${place} header ${name.toLowerCase()}`, 'is gone');
    }
  }
}

/** What whoever got in before would need beyond it; undefined: nothing. */
function harderAuth(was: AuthRequirements, is: AuthRequirements): string | undefined {
  // Each way in must still be one: some new way asks for nothing more.
  const lost = was.find((way) => !is.some((now) => now.every((part) => way.includes(part))));
  if (lost === undefined) return undefined;
  const ways = is.map((way) => (way.length === 0 ? 'nothing' : way.join(' and '))).join(', or ');
  return `asks for ${ways} now, no longer for ${lost.length === 0 ? 'nothing' : lost.join(' and ')}`;
}
