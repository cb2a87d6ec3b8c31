/** Compatibility of JSON Schemas: the published table, references, recursion, and what must not hold up the server. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom, withSeed } from '#kit';
import { parseSchema } from '../../../src/schema/parse.ts';
import { type Case, COMBINED, SCALARS } from './json-cases.ts';
import { ARRAYS, NEWER, OBJECTS } from './json-container-cases.ts';
import { changed, schemaWith, valueFor } from './json-samples.ts';

const NEWER_DRAFT = 'https://json-schema.org/draft/2020-12/schema';

interface Import {
  readonly name: string;
  readonly text: string;
}

function parse(schema: unknown, imports: readonly Import[] = []) {
  return parseSchema({ type: 'json', text: JSON.stringify(schema), imports });
}

function differences(before: unknown, after: unknown) {
  return parse(after).differences(parse(before));
}

function inNewerDraft(schema: unknown): unknown {
  const members = Object.entries(schema as object).map(([keyword, value]) => {
    if (keyword === 'items' && Array.isArray(value)) return ['prefixItems', value];
    return keyword === 'additionalItems' ? ['items', value] : [keyword, value];
  });
  return { $schema: NEWER_DRAFT, ...Object.fromEntries(members) };
}

describe.each<[string, readonly Case[]]>([
  ['scalars', SCALARS],
  ['combined schemas', COMBINED],
  ['objects', OBJECTS],
  ['arrays', ARRAYS],
])('the published table, %s', (_, cases) => {
  test.each(cases)('%s', (_change, before, after, compatible) => {
    const found = differences(before, after);
    expect(found.length === 0, JSON.stringify(found)).toBe(compatible);
  });

  test.each(cases)('%s, in 2020-12', (_change, before, after, compatible) => {
    const found = differences(inNewerDraft(before), inNewerDraft(after));
    expect(found.length === 0, JSON.stringify(found)).toBe(compatible);
  });
});

test.each(NEWER)('the published table, what 2020-12 adds: %s', (_change, before, after, compatible) => {
  const found = differences(
    { $schema: NEWER_DRAFT, ...(before as object) },
    { $schema: NEWER_DRAFT, ...(after as object) },
  );
  expect(found.length === 0, JSON.stringify(found)).toBe(compatible);
});

test('a difference names the place in the schema that reads, and what is the matter', () => {
  const order = (lines: object) => ({ type: 'object', properties: { lines: { type: 'array', items: lines } } });
  const before = order({ type: 'object', properties: { 'sku/no': { type: 'string' }, count: { type: 'number' } } });
  const after = order({ type: 'object', properties: { 'sku/no': { type: 'number' }, count: { type: 'integer' } } });
  expect(differences(before, after)).toEqual([
    { path: '#/properties/lines/items/properties/sku~1no', message: 'the type was string and is number' },
    { path: '#/properties/lines/items/properties/count', message: 'the type was number and is integer' },
  ]);
});

test('an asserted format is a bound: it may go, not come or change', () => {
  const [plain, mail, uri] = [
    { type: 'string' },
    { type: 'string', format: 'email' },
    { type: 'string', format: 'uri' },
  ];
  expect(differences(mail, plain)).toEqual([]);
  expect(differences(plain, mail)).toHaveLength(1);
  expect(differences(mail, uri)).toHaveLength(1);
});

test('properties that are called like members of every JavaScript object are properties like others', () => {
  const named = (type: string) => ({
    properties: { constructor: { type }, toString: { type } },
    additionalProperties: false,
  });
  expect(differences(named('string'), named('string'))).toEqual([]);
  expect(differences(named('string'), named('number'))).toHaveLength(2);
  expect(differences({ additionalProperties: false }, named('string'))).toEqual([]);
});

describe('references', () => {
  const imported = (type: string): Import => ({ name: 'size.json', text: JSON.stringify({ type }) });
  const schema = { type: 'object', properties: { size: { $ref: 'size.json' } } };

  test('to other schemas are followed', () => {
    const before = parse(schema, [imported('string')]);
    expect(parse(schema, [imported('string')]).differences(before)).toEqual([]);
    expect(parse(schema, [imported('number')]).differences(before)).toHaveLength(1);
  });

  test('by $id and by $anchor are followed', () => {
    const by = (ref: string, type: string) => ({
      $schema: NEWER_DRAFT,
      $id: 'https://shop.example/order',
      properties: { size: { $ref: ref } },
      $defs: { size: { $id: 'size', $anchor: 'it', type } },
    });
    for (const ref of ['size', 'size#it', 'https://shop.example/size', '#/$defs/size']) {
      expect(differences(by(ref, 'string'), by(ref, 'string')), ref).toEqual([]);
      expect(differences(by(ref, 'string'), by(ref, 'number')), ref).toHaveLength(1);
    }
  });

  test('in a circle come to an end, and a difference in the circle is found', () => {
    const tree = (type: string) => ({
      type: 'object',
      properties: { label: { type }, children: { type: 'array', items: { $ref: '#' } } },
    });
    expect(differences(tree('string'), tree('string'))).toEqual([]);
    expect(differences(tree('string'), tree('number'))).toHaveLength(1);
  });

  test('in circles with alternatives: an alternative that only seemed to fit does not count', () => {
    const step = (type: string, to: string) => ({
      type: 'object',
      properties: { n: { type }, next: { oneOf: [{ $ref: `#/definitions/${to}` }] } },
    });
    const machine = (first: string, second: string) => ({
      definitions: { a: step(first, 'c'), b: step(second, 'c'), c: step('integer', 'a') },
      oneOf: [{ $ref: '#/definitions/a' }, { $ref: '#/definitions/b' }],
    });
    expect(differences(machine('integer', 'boolean'), machine('integer', 'boolean'))).toEqual([]);
    // a could be read as b, whose numbers are wider, but for c, which leads back to an a that no longer reads it.
    expect(differences(machine('integer', 'boolean'), machine('boolean', 'number'))).not.toEqual([]);
  });

  test('that knot everything with everything are compared in few steps', () => {
    const kinds = Array.from({ length: 12 }, (_, i) => `kind${i}`);
    const any = () => ({ oneOf: kinds.map((kind) => ({ $ref: `#/definitions/${kind}` })) });
    const one = (kind: string, label: string) => ({
      type: 'object',
      properties: { kind: { const: kind }, label: { type: label }, left: any(), right: any() },
    });
    const knot = (label: string) => ({
      properties: { root: any() },
      definitions: Object.fromEntries(kinds.map((kind, i) => [kind, one(kind, i === 0 ? label : 'string')])),
    });
    expect(differences(knot('string'), knot('string'))).toEqual([]);
    expect(differences(knot('string'), knot('number'))).not.toEqual([]);
  });

  test('that unfold without end are refused', () => {
    const folds = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [
        `f${i}`,
        { allOf: [{ $ref: `#/definitions/f${i + 1}` }, { $ref: `#/definitions/f${i + 1}` }] },
      ]),
    );
    const bomb = { $ref: '#/definitions/f0', definitions: { ...folds, f40: { type: 'string' } } };
    expect(() => differences(bomb, { type: 'string' })).toThrow('unfolds into too many parts');
  });
});

test('random schemas: what one lets through, one that is compatible with it lets through', () => {
  const random = seededRandom();
  let compatible = 0;
  fc.assert(
    fc.property(schemaWith(3), (before) => {
      expect(differences(before, before)).toEqual([]);
      const written = parse(before).compile();
      for (let changes = 0, after = before; changes < 3; changes++) {
        after = changed(after, random);
        if (differences(before, after).length > 0) continue;
        compatible++;
        const read = parse(after).compile();
        for (let i = 0; i < 20; i++) {
          const value = valueFor(random() < 0.5 ? before : after, random);
          if (written(value) === undefined) expect([after, value, read(value)]).toEqual([after, value, undefined]);
        }
      }
    }),
    withSeed({ numRuns: 150 }),
  );
  expect(compatible).toBeGreaterThan(30);
});
