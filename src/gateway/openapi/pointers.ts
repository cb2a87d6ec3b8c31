/** JSON pointers into an API description, as its references write them. Called by whoever reads one. */

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A name as a step of a pointer. */
export function step(name: string | number): string {
  return `/${String(name).replace(/~/g, '~0').replace(/\//g, '~1')}`;
}

/** What is at `#/…`; undefined where nothing is. */
export function pointed(document: JsonObject, pointer: string): unknown {
  let value: unknown = document;
  for (const part of pointer.split('/').slice(1)) {
    const name = decoded(part).replace(/~1/g, '/').replace(/~0/g, '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as JsonObject)[name];
  }
  return value;
}

/** References are URI fragments, pointers made here are not: both are read. */
function decoded(part: string): string {
  try {
    return part.includes('%') ? decodeURIComponent(part) : part;
  } catch {
    return part;
  }
}

const REFERENCES_MAX = 20;

/** Where a pointer leads to once references are followed. @throws Error on one that leads nowhere, or in a circle */
export function followed(document: JsonObject, pointer: string): { at: string; value: JsonObject } {
  let at = pointer;
  for (let i = 0; i < REFERENCES_MAX; i++) {
    const value = pointed(document, at);
    if (!isObject(value)) throw new Error(`${at}: there is nothing there`);
    const { $ref } = value;
    if (typeof $ref !== 'string') return { at, value };
    if (!$ref.startsWith('#/')) throw new Error(`${at}: refers to another document`);
    at = $ref;
  }
  throw new Error(`${pointer}: refers to itself`);
}
