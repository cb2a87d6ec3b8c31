/**
 * What Confluent's published table of JSON Schema changes says (its compatibility tests for draft-07 and 2020-12), in schemas
 * of our own: each row is a kind of change, the schema before, the schema after, and whether the one after reads what the
 * one before let through.
 */

/** Change, before, after, whether it is compatible. */
export type Case = readonly [change: string, before: unknown, after: unknown, compatible: boolean];

const text = { type: 'string' };
const number = { type: 'number' };
const whole = { type: 'integer' };
const flag = { type: 'boolean' };
const nothing = { type: 'null' };
const oneOf = (...branches: unknown[]) => ({ oneOf: branches });
const anyOf = (...branches: unknown[]) => ({ anyOf: branches });
const allOf = (...parts: unknown[]) => ({ allOf: parts });
const at = (schema: unknown) => ({ type: 'object', properties: { size: schema } });
const has = (properties: object, more: object = {}) => ({ properties, ...more });
const sizes = { enum: ['s', 'm', 'l'] };

export const SCALARS: readonly Case[] = [
  ['anything may become the empty schema', has({}), {}, true],
  ['the empty schema may not become one of objects', {}, has({}), false],
  ['another $id', { $id: 'urn:a' }, { $id: 'urn:b' }, true],
  ['another title', { title: 'a' }, { title: 'b' }, true],
  ['another description', { description: 'a' }, { description: 'b' }, true],
  ['another type', { type: 'object' }, { type: 'array' }, false],
  ['minLength up', { ...text, minLength: 2 }, { ...text, minLength: 3 }, false],
  ['minLength down', { ...text, minLength: 3 }, { ...text, minLength: 2 }, true],
  ['maxLength up', { ...text, maxLength: 7 }, { ...text, maxLength: 9 }, true],
  ['maxLength down', { ...text, maxLength: 9 }, { ...text, maxLength: 7 }, false],
  ['pattern gone', { ...text, pattern: '^a' }, text, true],
  ['pattern changed', { ...text, pattern: '^a' }, { ...text, pattern: '^b' }, false],
  ['pattern kept', { ...text, pattern: '^a' }, { ...text, pattern: '^a' }, true],
  ['maximum gone', { ...number, maximum: 5 }, number, true],
  ['maximum up', { ...number, maximum: 5 }, { ...number, maximum: 6 }, true],
  ['maximum down', { ...number, maximum: 6 }, { ...number, maximum: 5 }, false],
  ['minimum gone', { ...number, minimum: 5 }, number, true],
  ['minimum up', { ...number, minimum: 5 }, { ...number, minimum: 6 }, false],
  ['minimum down', { ...number, minimum: 6 }, { ...number, minimum: 5 }, true],
  ['exclusiveMaximum down', { ...number, exclusiveMaximum: 6 }, { ...number, exclusiveMaximum: 5 }, false],
  ['exclusiveMinimum new', number, { ...number, exclusiveMinimum: 0 }, false],
  ['multipleOf gone', { ...number, multipleOf: 6 }, number, true],
  ['multipleOf a divisor', { ...number, multipleOf: 6 }, { ...number, multipleOf: 3 }, true],
  ['multipleOf something else', { ...number, multipleOf: 6 }, { ...number, multipleOf: 4 }, false],
  ['multipleOf a multiple of a fraction', { ...number, multipleOf: 0.5 }, { ...number, multipleOf: 10 }, false],
  ['a number becomes whole', number, whole, false],
  ['a whole number becomes any', whole, number, true],
  ['less is excluded', { not: number }, { not: whole }, true],
  ['more is excluded', { not: whole }, { not: number }, false],
  ['an enum goes', { ...text, enum: ['s'] }, text, true],
  ['a const changes', has({ size: { const: 's' } }), has({ size: { const: 'm' } }), false],
  ['one type more', { type: ['object'] }, { type: ['object', 'array'] }, true],
  ['one type less', { type: ['object', 'array'] }, { type: ['object'] }, false],
  ['into a definition', text, { $ref: '#/definitions/t', definitions: { t: text } }, true],
  ['out of a definition', { $ref: '#/definitions/t', definitions: { t: text } }, text, true],
  [
    'a definition changes',
    { type: 'array', items: { $ref: '#/definitions/t' }, definitions: { t: text } },
    { type: 'array', items: { $ref: '#/definitions/t' }, definitions: { t: number } },
    false,
  ],
];

export const COMBINED: readonly Case[] = [
  ['the order of allOf', at(allOf(sizes, text, { maxLength: 4 })), at(allOf({ maxLength: 4 }, sizes, text)), true],
  [
    'one part of allOf changes',
    at(allOf(sizes, text, { maxLength: 4 })),
    at(allOf({ maxLength: 4 }, sizes, number)),
    false,
  ],
  ['enums of allOf differ', allOf(text, { enum: ['s'] }), allOf(text, { enum: ['m'] }), false],
  ['an enum of allOf grows', allOf(text, { enum: ['s'] }), allOf({ enum: ['s', 'm'] }, text), true],
  ['doubles before', at(allOf(text, text)), at(allOf(text)), true],
  ['doubles after', at(allOf(text)), at(allOf(text, text)), true],
  ['part of allOf gone', at(allOf(sizes, text)), at(allOf(text)), true],
  ['part of allOf new', at(allOf(text)), at(allOf(sizes, text)), false],
  ['another branch of oneOf', oneOf(text), oneOf(number), false],
  ['one branch more', oneOf(text), oneOf(number, text), true],
  ['two branches more', at(oneOf(text)), at(oneOf(flag, number, text)), true],
  ['a branch less', at(oneOf(number, text)), at(oneOf(text)), false],
  [
    'a branch more, and another widened',
    at(oneOf({ ...text, maxLength: 4 })),
    at(oneOf(flag, number, { title: 'text', ...text, maxLength: 6 })),
    true,
  ],
  ['a branch changes inside', oneOf(has({ size: text })), oneOf(has({ size: number })), false],
  ['a branch of its own', text, oneOf(number, text), true],
  ['null gets an alternative', nothing, oneOf(number, nothing), true],
  ['a bounded text gets an alternative without the bound', { ...text, maxLength: 2 }, oneOf(number, text), true],
  ['single oneOf to allOf', oneOf(text), allOf(text), true],
  ['oneOf of two to allOf', oneOf(text, whole), allOf(text), false],
  ['oneOf to anyOf', at(oneOf(text)), at(anyOf(text)), true],
  ['oneOf to anyOf with more', at(oneOf(text)), at(anyOf(number, text)), true],
  ['oneOf to anyOf with less', at(oneOf(number, text)), at(anyOf(text)), false],
  ['allOf to anyOf', at(allOf(text)), at(anyOf(text)), true],
  ['allOf to anyOf with more', at(allOf(text)), at(anyOf(number, text)), true],
  ['allOf to anyOf with less', at(allOf(number, text)), at(anyOf(text)), true],
  ['anyOf to oneOf with more', at(anyOf(text)), at(oneOf(number, text)), true],
  ['anyOf to oneOf with less', at(anyOf(number, text)), at(oneOf(text)), false],
  ['allOf to oneOf with more', at(allOf(number)), at(oneOf(number, text)), true],
  ['allOf to oneOf with less', at(allOf(number, text)), at(oneOf(text)), true],
  ['anyOf to allOf', at(anyOf(text)), at(allOf(text)), true],
  ['oneOf to allOf', at(oneOf(text)), at(allOf(text)), true],
  ['anyOf to allOf with more', at(anyOf(text)), at(allOf(number, text)), false],
  ['oneOf to allOf with more', at(oneOf(text)), at(allOf(number, text)), false],
  ['plain to anyOf', at(text), at(anyOf(number, text)), true],
  ['plain to oneOf', at(text), at(oneOf(number, text)), true],
  ['plain to allOf', at(text), at(allOf(text)), true],
  ['plain to allOf with more', at(text), at(allOf(number, text)), false],
];
