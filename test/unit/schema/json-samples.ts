/** Random JSON Schemas, of the keywords whose comparison is exact, and values that mostly fit them. */
import fc from 'fast-check';

type Schema = Readonly<Record<string, unknown>> | boolean;

const NAMES = ['a', 'b', 'c'] as const;
const WORDS = ['', 'x', 'yy', 'zzz', 'wwwww'];

function bounds(low: string, high: string): fc.Arbitrary<object> {
  return fc.record({ [low]: fc.nat(3), [high]: fc.integer({ min: 2, max: 6 }) }, { requiredKeys: [] });
}

/** Schemas in whose alternatives the first that fits decides, so no `oneOf`; every one has a type, or combines some that do. */
export function schemaWith(depth: number): fc.Arbitrary<Schema> {
  const scalar = fc.oneof(
    bounds('minLength', 'maxLength').map((more) => ({ type: 'string', ...more })),
    bounds('minimum', 'maximum').map((more) => ({ type: 'number', ...more })),
    bounds('minimum', 'maximum').map((more) => ({ type: 'integer', ...more })),
    fc.constantFrom({ type: 'boolean' }, { type: 'null' }, { type: ['string', 'null'] }, true),
    fc.subarray(WORDS, { minLength: 1 }).map((words) => ({ enum: words })),
  );
  if (depth === 0) return scalar;
  const inner = schemaWith(depth - 1);
  const object = fc
    .record({
      properties: fc.dictionary(fc.constantFrom(...NAMES), inner, { maxKeys: 3 }),
      additionalProperties: fc.oneof(fc.boolean(), inner),
      more: bounds('minProperties', 'maxProperties'),
      required: fc.subarray([...NAMES]),
    })
    .map(({ more, required, properties, ...rest }) => ({
      type: 'object',
      ...rest,
      ...more,
      properties,
      required: required.filter((name) => Object.hasOwn(properties, name)),
    }));
  const array = fc
    .record({
      items: fc.oneof(inner, fc.array(inner, { minLength: 1, maxLength: 3 })),
      additionalItems: fc.oneof(fc.boolean(), inner),
      more: bounds('minItems', 'maxItems'),
    })
    .map(({ more, ...rest }) => ({ type: 'array', ...rest, ...more }));
  const combined = fc.oneof(
    fc.array(inner, { minLength: 1, maxLength: 3 }).map((branches) => ({ anyOf: branches })),
    fc.array(inner, { minLength: 1, maxLength: 2 }).map((parts) => ({ allOf: parts })),
    inner.map((not) => ({ not })),
  );
  return fc.oneof({ arbitrary: scalar, weight: 2 }, { arbitrary: object, weight: 2 }, array, combined);
}

/** The schema with a small change somewhere in it. @param random from 0 to below 1 */
export function changed(schema: Schema, random: () => number): Schema {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const other = () =>
    pick<Schema>([true, false, { type: 'string' }, { type: 'number', maximum: 3 }, { type: 'integer' }]);
  if (typeof schema !== 'object' || random() < 0.1) return pick<Schema>([other(), { anyOf: [schema, other()] }, true]);
  const [keyword, value] = pick(Object.entries(schema).filter(([name]) => name !== 'type')) ?? ['description', ''];
  const without = Object.fromEntries(Object.entries(schema).filter(([name]) => name !== keyword));
  if (typeof value === 'number')
    return pick<Schema>([
      { ...schema, [keyword]: value + 1 },
      { ...schema, [keyword]: Math.max(0, value - 1) },
      without,
    ]);
  switch (keyword) {
    case 'properties': {
      const properties = value as Record<string, Schema>;
      const name = pick(NAMES);
      const { [name]: mine, ...others } = properties;
      if (mine === undefined) return { ...schema, properties: { ...others, [name]: other() } };
      const required = (schema['required'] as string[]).filter((one) => one !== name);
      return random() < 0.3
        ? { ...schema, properties: others, required }
        : { ...schema, properties: { ...others, [name]: changed(mine, random) } };
    }
    case 'required':
      return { ...schema, required: Object.keys(schema['properties'] as object).filter(() => random() < 0.5) };
    case 'enum':
      return { enum: pick([['x'], WORDS, [...new Set([...(value as string[]), 'new'])]]) };
    case 'description':
      return { ...schema, description: 'changed' };
    default: {
      if (!Array.isArray(value)) return { ...schema, [keyword]: changed(value as Schema, random) };
      const at = Math.floor(random() * value.length);
      const list = value.map((one, i) => (i === at ? changed(one as Schema, random) : (one as Schema)));
      return { ...schema, [keyword]: random() < 0.3 ? [...list, other()] : list };
    }
  }
}

/** A value that was made with the schema in mind. @param random from 0 to below 1 */
export function valueFor(schema: Schema | undefined, random: () => number): unknown {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  if (typeof schema !== 'object' || random() < 0.05) return pick([null, true, 1, 2.5, 'x', [], {}, { a: 1 }]);
  for (const keyword of ['anyOf', 'allOf']) {
    if (Array.isArray(schema[keyword])) return valueFor(pick(schema[keyword] as Schema[]), random);
  }
  if (Array.isArray(schema['enum'])) return pick(schema['enum']);
  const type = Array.isArray(schema['type']) ? pick(schema['type'] as string[]) : schema['type'];
  switch (type) {
    case 'string':
      return pick(WORDS);
    case 'number':
      return Math.floor(random() * 14) / 2;
    case 'integer':
      return Math.floor(random() * 7);
    case 'boolean':
      return random() < 0.5;
    case 'null':
      return null;
    case 'object': {
      const properties = schema['properties'] as Record<string, Schema>;
      const members = [...NAMES, 'd'].filter(() => random() < 0.7);
      const said = (name: string) =>
        Object.hasOwn(properties, name) ? properties[name] : (schema['additionalProperties'] as Schema);
      return Object.fromEntries(members.map((name) => [name, valueFor(said(name), random)]));
    }
    case 'array': {
      const { items } = schema as { items: Schema | Schema[] };
      const said = (i: number) => (Array.isArray(items) ? (items[i] ?? (schema['additionalItems'] as Schema)) : items);
      return Array.from({ length: Math.floor(random() * 5) }, (_, i) => valueFor(said(i), random));
    }
    default:
      return pick(['x', 0, null, {}]);
  }
}
