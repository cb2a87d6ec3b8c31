/** What the published table says of objects and arrays; see `json-cases.ts`. */
import type { Case } from './json-cases.ts';

const text = { type: 'string' };
const number = { type: 'number' };
const whole = { type: 'integer' };
const flag = { type: 'boolean' };
const nothing = { type: 'null' };
const oneOf = (...branches: unknown[]) => ({ oneOf: branches });
const list = (...items: unknown[]) => ({ type: 'array', items });
const has = (properties: object, more: object = {}) => ({ properties, ...more });
const closed = { additionalProperties: false };

export const OBJECTS: readonly Case[] = [
  ['open: one property for another', has({ size: text }), has({ color: text }), false],
  ['a property changes its type', has({ size: text }), has({ size: number }), false],
  ['open: a property more', has({ size: text }), has({ size: text, color: number }), false],
  ['closed: a property more', has({ size: text }, closed), has({ size: text, color: number }, closed), true],
  [
    'partially open: a property that a pattern covers',
    has({ size: text }, { ...closed, patternProperties: { '^t_': text, '^n_': whole } }),
    has({ size: text, n_1: number }, { ...closed, patternProperties: { '^t_': text, '^n_': whole } }),
    true,
  ],
  [
    'partially open: a property as the others may be',
    has({ size: text }, { additionalProperties: text }),
    has({ size: text, color: text }, { additionalProperties: text }),
    true,
  ],
  [
    'partially open: a property as the others may not be',
    has({ size: text }, { additionalProperties: text }),
    has({ size: text, color: number }, { additionalProperties: text }),
    false,
  ],
  [
    'partially open: a required property',
    has({ size: text }, { additionalProperties: text }),
    has({ size: text, color: text }, { additionalProperties: text, required: ['color'] }),
    false,
  ],
  [
    'closed: a required property with a default',
    has({ size: text }, closed),
    has({ size: text, color: { ...text, default: 'red' } }, { ...closed, required: ['color'] }),
    true,
  ],
  [
    'closed: a property goes where a pattern covers it',
    has({ size: text, n_1: whole }, closed),
    has({ size: text }, { ...closed, patternProperties: { '^t_': text, '^n_': number } }),
    true,
  ],
  [
    'closed: a property goes, others may be like it',
    has({ size: text, color: text }, closed),
    has({ size: text }, { additionalProperties: text }),
    true,
  ],
  [
    'closed: a property goes, others are unlike it',
    has({ size: text, color: number }, closed),
    has({ size: text }, { additionalProperties: text }),
    false,
  ],
  [
    'closed: a property with alternatives goes, others may be like it',
    has({ size: text, color: oneOf(nothing, text) }, closed),
    has({ size: text }, { additionalProperties: oneOf(nothing, text) }),
    true,
  ],
  [
    'closed: a property goes, others may be that or more',
    has({ size: text, color: text }, closed),
    has({ size: text }, { additionalProperties: oneOf(nothing, text) }),
    true,
  ],
  ['closed: a property goes', has({ size: text, color: text }, closed), has({ size: text }, closed), false],
  [
    'open: a property without a schema more',
    { additionalProperties: true },
    has({ size: true }, { additionalProperties: true }),
    true,
  ],
  [
    'open: a property without a schema less',
    has({ size: true }, { additionalProperties: true }),
    { additionalProperties: true },
    true,
  ],
  ['closed: a property that may not be, more', closed, has({ size: false }, closed), true],
  ['closed: a property that may not be, less', has({ size: false }, closed), closed, true],
  ['it opens', has({}, closed), has({}), true],
  ['it closes', { additionalProperties: true }, closed, false],
  ['it closes in part', { additionalProperties: true }, { additionalProperties: number }, false],
  ['others become something else', { additionalProperties: text }, { additionalProperties: number }, false],
  ['required no longer', has({ size: text }, { required: ['size'] }), has({ size: text }), true],
  ['required now', has({ size: text }), has({ size: text }, { required: ['size'] }), false],
  [
    'required is what nobody describes',
    has({ size: text }, { required: ['size'] }),
    has({ size: text }, { required: ['color'] }),
    true,
  ],
  ['maxProperties gone', has({}, { maxProperties: 2 }), has({}), true],
  ['maxProperties up', { maxProperties: 2 }, { maxProperties: 3 }, true],
  ['maxProperties down', { maxProperties: 3 }, { maxProperties: 2 }, false],
  ['minProperties gone', has({}, { minProperties: 2 }), has({}), true],
  ['minProperties up', { minProperties: 2 }, { minProperties: 3 }, false],
  ['minProperties down', { minProperties: 3 }, { minProperties: 2 }, true],
  [
    'other properties need each other',
    { dependencies: { size: ['color'] } },
    { dependencies: { color: ['size'] } },
    false,
  ],
  ['one dependency less', { dependencies: { size: text, color: text } }, { dependencies: { size: text } }, true],
  ['no dependency left', { dependencies: { size: text } }, { dependencies: {} }, true],
  ['a dependency changes', { dependencies: { size: text } }, { dependencies: { size: number } }, false],
  ['a dependency for another', { dependencies: { size: text } }, { dependencies: { color: text } }, false],
];

export const ARRAYS: readonly Case[] = [
  ['elements get a schema', { type: 'array' }, { type: 'array', items: text }, false],
  ['elements lose their schema', { type: 'array', items: text }, { type: 'array' }, true],
  ['a list of elements goes', list(text, number), { type: 'array' }, true],
  ['a listed element changes', list(text), list(number), false],
  [
    'partially open: an element as the others may be',
    { ...list(text, number), additionalItems: text },
    { ...list(text, number, text), additionalItems: text },
    true,
  ],
  [
    'partially open: an element as the others may not be',
    { ...list(text, number), additionalItems: text },
    { ...list(text, number, number), additionalItems: text },
    false,
  ],
  [
    'partially open: an element goes that is like the others',
    { ...list(text, number, text), additionalItems: text },
    { ...list(text, number), additionalItems: text },
    true,
  ],
  [
    'partially open: an element with alternatives goes that is like the others',
    { ...list(text, oneOf(nothing, text)), additionalItems: oneOf(nothing, text) },
    { ...list(text), additionalItems: oneOf(nothing, text) },
    true,
  ],
  [
    'partially open: an element goes that is unlike the others',
    { ...list(text, number, number), additionalItems: text },
    { ...list(text, number), additionalItems: text },
    false,
  ],
  ['no others any more', { additionalItems: true }, { additionalItems: false }, false],
  ['others become something else', { additionalItems: text }, { additionalItems: number }, false],
  [
    'open: an element without a schema more',
    { ...list(number), additionalItems: true },
    { ...list(number, true), additionalItems: true },
    true,
  ],
  [
    'open: an element without a schema less',
    { ...list(number, true), additionalItems: true },
    { ...list(number), additionalItems: true },
    true,
  ],
  [
    'closed: an element that may not be, more',
    { ...list(number), additionalItems: false },
    { ...list(number, false), additionalItems: false },
    true,
  ],
  [
    'closed: an element that may not be, less',
    { ...list(number, false), additionalItems: false },
    { ...list(number), additionalItems: false },
    true,
  ],
  [
    'closed: an element more, and it opens',
    { ...list(text, number), additionalItems: false },
    { ...list(text, number, flag), additionalItems: true },
    true,
  ],
  [
    'closed: an element less, and it opens',
    { ...list(text, number, flag), additionalItems: false },
    { ...list(text, number), additionalItems: true },
    true,
  ],
  [
    'open: an element less',
    { ...list(text, number), additionalItems: true },
    { ...list(text), additionalItems: true },
    true,
  ],
  [
    'closed: an element more',
    { ...list(text), additionalItems: false },
    { ...list(text, number), additionalItems: false },
    true,
  ],
  [
    'closed: an element less, others may be like it',
    { ...list(text, number), additionalItems: false },
    { ...list(text), additionalItems: number },
    true,
  ],
  [
    'partially open: an element more, and it opens',
    { ...list(text), additionalItems: number },
    { ...list(text, number), additionalItems: true },
    true,
  ],
  ['maxItems down', { type: 'array', maxItems: 3 }, { type: 'array', maxItems: 2 }, false],
  ['minItems gone', { type: 'array', minItems: 2 }, { type: 'array' }, true],
  ['minItems up', { type: 'array', minItems: 2 }, { type: 'array', minItems: 3 }, false],
  ['minItems down', { type: 'array', minItems: 3 }, { type: 'array', minItems: 2 }, true],
  ['uniqueItems gone', { type: 'array', uniqueItems: true }, { type: 'array' }, true],
  ['uniqueItems new', { type: 'array' }, { type: 'array', uniqueItems: true }, false],
];

const tuple = (...prefixItems: unknown[]) => ({ type: 'array', prefixItems });
const some = { type: 'array', contains: number };

/** What 2020-12 adds. */
export const NEWER: readonly Case[] = [
  [
    'closed by unevaluatedProperties: a property more',
    has({ size: text }, { unevaluatedProperties: false }),
    has({ size: text, color: number }, { unevaluatedProperties: false }),
    true,
  ],
  [
    'others by unevaluatedProperties: a property like them',
    has({ size: text }, { unevaluatedProperties: text }),
    has({ size: text, color: text }, { unevaluatedProperties: text }),
    true,
  ],
  [
    'others by unevaluatedProperties: a property unlike them',
    has({ size: text }, { unevaluatedProperties: text }),
    has({ size: text, color: number }, { unevaluatedProperties: text }),
    false,
  ],
  [
    'others by unevaluatedProperties: a required property',
    has({ size: text }, { unevaluatedProperties: text }),
    has({ size: text, color: text }, { unevaluatedProperties: text, required: ['color'] }),
    false,
  ],
  [
    'an element as the others may be',
    { ...tuple(text, number), unevaluatedItems: text },
    { ...tuple(text, number, text), unevaluatedItems: text },
    true,
  ],
  [
    'an element as the others may not be',
    { ...tuple(text, number), unevaluatedItems: text },
    { ...tuple(text, number, number), unevaluatedItems: text },
    false,
  ],
  [
    'an element goes that is like the others',
    { ...tuple(text, number, text), items: text },
    { ...tuple(text, number), items: text },
    true,
  ],
  [
    'an element goes that is unlike the others',
    { ...tuple(text, number, number), unevaluatedItems: text },
    { ...tuple(text, number), unevaluatedItems: text },
    false,
  ],
  ['minContains gone', { ...some, minContains: 1 }, some, true],
  ['minContains up', { ...some, minContains: 1 }, { ...some, minContains: 2 }, false],
  ['minContains down', { ...some, minContains: 2 }, { ...some, minContains: 1 }, true],
  ['minContains of 0 gone', { ...some, minContains: 0 }, some, false],
  ['properties need each other no longer', { dependentRequired: { size: ['color'] } }, { dependentRequired: {} }, true],
  ['a property needs another', { dependentRequired: {} }, { dependentRequired: { size: ['color'] } }, false],
];
