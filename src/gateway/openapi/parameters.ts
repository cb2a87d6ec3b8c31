/**
 * Values of parameters, from the text of a request, as an API description says they are written: `simple`, `form`,
 * `spaceDelimited`, `pipeDelimited`, `deepObject`, `label` and `matrix`. Texts become numbers and truth values where the
 * schema takes those.
 */
import type { Parameter } from './description.ts';
import { isObject, type JsonObject, pointed } from './pointers.ts';

export type Pairs = readonly (readonly [name: string, value: string])[];

/** Pairs of a query or a form. */
export function pairsOf(text: string): Pairs {
  if (text === '') return [];
  return text.split('&').map((pair) => {
    const at = pair.indexOf('=');
    const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    return [plain(name), plain(value)] as const;
  });
}

function plain(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

/** What a parameter was given, or undefined when it was not. */
export function readParameter(parameter: Parameter, pairs: Pairs, document: JsonObject): unknown {
  const { name, style, explode, schema, json } = parameter;
  const shape = schema === undefined ? EVERYTHING : shapeOf(document, schema);
  if (style === 'deepObject') return deepObject(name, pairs, shape);
  const own = pairs.filter(([other]) => other === name).map(([, value]) => value);
  if (style === 'form' && explode && shape.object && own.length === 0 && !json) return objectOf(pairs, shape);
  const [first] = own;
  if (first === undefined) return undefined;
  if (json) return jsonOf(first);
  if (style === 'form' && explode) {
    return shape.array ? own.map((one) => scalar(one, shape)) : own.length > 1 ? own : scalar(first, shape);
  }
  return delimited(prefixless(first, style, name), parameter, shape);
}

/** `label` begins with a dot, `matrix` with `;name=`. */
function prefixless(text: string, style: Parameter['style'], name: string): string {
  if (style === 'label') return text.replace(/^\./, '');
  return style === 'matrix' && text.startsWith(`;${name}=`) ? text.slice(name.length + 2) : text;
}

function delimited(text: string, { style, explode }: Parameter, shape: Shape): unknown {
  const separator =
    style === 'spaceDelimited' ? ' ' : style === 'pipeDelimited' ? '|' : style === 'label' && explode ? '.' : ',';
  if (shape.array) return text === '' ? [] : text.split(separator).map((one) => scalar(one.trim(), shape));
  if (!shape.object) return scalar(text, shape);
  const parts = text.split(separator);
  const pairs: [string, string][] = [];
  if (explode) for (const part of parts) pairs.push([part.split('=')[0] as string, part.slice(part.indexOf('=') + 1)]);
  else for (let i = 0; i + 1 < parts.length; i += 2) pairs.push([parts[i] as string, parts[i + 1] as string]);
  return fromPairs(pairs, shape);
}

/** Members of an object that are parameters of their own; undefined where none of them is there. */
function objectOf(pairs: Pairs, shape: Shape): unknown {
  const known = pairs.filter(([name]) => shape.members.has(name));
  return known.length === 0 ? undefined : fromPairs(known, shape);
}

function deepObject(name: string, pairs: Pairs, shape: Shape): unknown {
  const found: [string, string][] = [];
  for (const [key, value] of pairs) {
    if (key.startsWith(`${name}[`) && key.endsWith(']')) found.push([key.slice(name.length + 1, -1), value]);
  }
  return found.length === 0 ? undefined : fromPairs(found, shape);
}

/** A name that comes several times is a list. */
export function fromPairs(pairs: Pairs, shape: Shape): JsonObject {
  const lists = new Map<string, unknown[]>();
  for (const [name, value] of pairs) {
    const list = lists.get(name) ?? [];
    list.push(scalar(value, shape.members.get(name) ?? EVERYTHING));
    lists.set(name, list);
  }
  const out = new Map<string, unknown>();
  for (const [name, list] of lists) {
    out.set(name, list.length > 1 || shape.members.get(name)?.array === true ? list : list[0]);
  }
  return Object.fromEntries(out);
}

function scalar(text: string, { types }: Shape): unknown {
  if (
    (types.has('integer') || types.has('number')) &&
    /^-?(0|[1-9]\d{0,300})(\.\d{1,300})?([eE][+-]?\d{1,3})?$/.test(text)
  ) {
    return Number(text);
  }
  if (types.has('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if (text === '' && types.has('null') && !types.has('string')) return null;
  return text;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What a schema takes, as far as it decides how a text is read. */
export interface Shape {
  readonly array: boolean;
  readonly object: boolean;
  /** Scalars, of items where it is an array. A text stays one where that is allowed. */
  readonly types: ReadonlySet<string>;
  readonly members: ReadonlyMap<string, Shape>;
}

const EVERYTHING: Shape = { array: false, object: false, types: new Set(), members: new Map() };
const known = new WeakMap<JsonObject, Map<string, Shape>>();

export function shapeOf(document: JsonObject, pointer: string): Shape {
  const shapes = known.get(document) ?? new Map<string, Shape>();
  known.set(document, shapes);
  const found = shapes.get(pointer) ?? makeShape(document, pointed(document, pointer), true, new Set());
  shapes.set(pointer, found);
  return found;
}

/** @param seen references already followed: each is, once */
function makeShape(document: JsonObject, schema: unknown, withMembers: boolean, seen: Set<string>): Shape {
  if (!isObject(schema)) return EVERYTHING;
  const { $ref, type, items, properties, nullable } = schema;
  const parts: Shape[] = [];
  if (typeof $ref === 'string' && !seen.has($ref)) {
    seen.add($ref);
    parts.push(makeShape(document, pointed(document, $ref), withMembers, seen));
  }
  for (const key of ['allOf', 'anyOf', 'oneOf']) {
    const list = schema[key];
    if (Array.isArray(list)) for (const one of list) parts.push(makeShape(document, one, withMembers, seen));
  }
  const types = new Set([type].flat().filter((one): one is string => typeof one === 'string'));
  if (nullable === true) types.add('null');
  const array = types.has('array');
  if (array) parts.push({ ...makeShape(document, items, false, seen), array: true, object: false });
  const members = new Map<string, Shape>();
  if (isObject(properties) && withMembers) {
    for (const [name, member] of Object.entries(properties)) {
      members.set(name, makeShape(document, member, false, new Set(seen)));
    }
  }
  return {
    array: array || parts.some((part) => part.array),
    object: types.has('object') || isObject(properties) || parts.some((part) => part.object),
    types: new Set([...types, ...parts.flatMap((part) => [...part.types])]),
    members: new Map([...members, ...parts.flatMap((part) => [...part.members])]),
  };
}
