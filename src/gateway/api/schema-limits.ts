/** Whether a schema holds values to more than another one did: lengths, ranges, patterns, formats, counts. Pure. */
import type { Node } from './open-api.ts';

const LOWER = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'];
const UPPER = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'];
const EXACT = ['pattern', 'format', 'multipleOf', 'propertyNames', 'contains', 'not'];

/** What is asked of values now and was not before, as the end of a sentence; undefined: nothing. */
export function tighterLimit(old: Node, now: Node): string | undefined {
  for (const name of LOWER) {
    const [was, is] = [old[name] ?? Number.NEGATIVE_INFINITY, now[name]];
    // A minimum of no length, or no items, asks for nothing.
    const asks = name.startsWith('min') && name !== 'minimum' ? is !== 0 : true;
    if (typeof is === 'number' && asks && (was as number) < is) return `has ${name} ${is} now`;
  }
  for (const name of UPPER) {
    const [was, is] = [old[name] ?? Number.POSITIVE_INFINITY, now[name]];
    if (typeof is === 'number' && (was as number) > is) return `has ${name} ${is} now`;
  }
  for (const name of EXACT) {
    if (now[name] !== undefined && JSON.stringify(old[name]) !== JSON.stringify(now[name])) {
      return `has ${name} ${JSON.stringify(now[name]).slice(0, 100)} now`;
    }
  }
  if (now['uniqueItems'] === true && old['uniqueItems'] !== true) return 'takes no element twice now';
  for (const name of ['additionalProperties', 'unevaluatedProperties']) {
    if (now[name] === false && old[name] !== false) return 'takes no other fields now';
  }
  return undefined;
}
