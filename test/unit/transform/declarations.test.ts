/** How transformations are declared: what is refused and how, and what follows from the schema. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { DEFAULT_LIMITS, SluiceError } from '#kernel';
import { catalogue, compileTransformations, transformationSchema, transformationsSchema } from '#transform';

function refusal(list: unknown): SluiceError {
  try {
    compileTransformations(list);
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(list)} was accepted`);
}

const FINE = { type: 'trim', field: 'a' };

describe('a declaration is refused, naming index, type and field', () => {
  test.each<[string, object, RegExp]>([
    ['type', { type: 'shout', field: 'a' }, /'uppercase'/],
    ['field', { type: 'uppercase' }, /expected string/],
    ['extra', { type: 'uppercase', field: 'a', extra: 1 }, /extra/],
    ['on_error', { type: 'uppercase', field: 'a', on_error: 'ignore' }, /fail/],
    ['field', { type: 'uppercase', field: 'a..b' }, /empty/],
    ['field', { type: 'uppercase', field: 'a[x]' }, /bracket/],
    ['field', { type: 'uppercase', field: 'a]b' }, /where/],
    ['field', { type: 'uppercase', field: '$name' }, /quote/],
    ['field', { type: 'uppercase', field: '$headers' }, /header/],
    ['field', { type: 'uppercase', field: '$headers.a.b' }, /header/],
    ['field', { type: 'uppercase', field: '$key.a' }, /no fields/],
    ['field', { type: 'uppercase', field: 'a.__proto__' }, /__proto__/],
    ['field', { type: 'uppercase', field: `a${'.b'.repeat(40)}` }, /at most 32/],
    ['', { type: 'uppercase', field: 'a[].b', target: 'c' }, /many values/],
    ['', { type: 'concatenate', fields: ['a[].b', 'c[].d'], target: 'a[].e' }, /different lists/],
    ['fields.1', { type: 'concatenate', fields: ['a', ''], target: 'b' }, />=1/],
    ['', { type: 'replace', field: 'a', with: 'b' }, /text or pattern/],
    ['', { type: 'replace', field: 'a', with: 'b', text: 'c', pattern: 'd' }, /one of them/],
    ['pattern', { type: 'replace', field: 'a', with: 'b', pattern: '(' }, /Unterminated/],
    ['pattern', { type: 'split', field: 'a', pattern: '(a+)+b' }, /too long/],
    ['with', { type: 'replace', field: 'a', pattern: 'b', with: '$`' }, /no \$`/],
    ['to', { type: 'date_format', field: 'a', to: 'YYYY-MM' }, /no date field/],
    ['to', { type: 'date_format', field: 'a', to: "yyyy 'of" }, /not closed/],
    ['to', { type: 'date_format', field: 'a', to: 'auto' }, /no date field/],
    ['from', { type: 'date_format', field: 'a', from: 'HH:mm', to: 'iso' }, /year and month and day/],
    ['from', { type: 'date_format', field: 'a', from: 'dd.MM.yyyy hh', to: 'iso' }, /belong together/],
    ['zone', { type: 'date_format', field: 'a', to: 'iso', zone: 'Mars/Olympus' }, /no time zone/],
    ['', { type: 'set', field: 'a' }, /value or now/],
    ['field', { type: 'rename', field: '$timestamp', target: 'a' }, /always/],
    ['fields.0', { type: 'drop', fields: ['$value'] }, /as a whole/],
    ['fields.0', { type: 'drop', fields: ['a[]'] }, /drop the list/],
    ['fields', { type: 'drop', fields: [] }, />=1/],
    ['fields.0', { type: 'keep', fields: ['a[0]'] }, /by names/],
    ['by', { type: 'math', field: 'a', operation: 'add' }, /needs by/],
    ['by', { type: 'math', field: 'a', operation: 'round', by: 2 }, /takes no by/],
    ['with', { type: 'mask', field: 'a', with: '**' }, /one character/],
    ['', { type: 'lookup', table: 't', key: 'k' }, /target or fields/],
    ['fields.a[]', { type: 'lookup', table: 't', key: 'k', fields: { 'a[]': 'b' } }, /one place in a row/],
    ['condition', { type: 'filter', condition: 'a >' }, /./],
    ['condition', { type: 'filter', condition: '$match(a, /(a+)+b/)' }, /too long/],
    ['condition', { type: 'filter', condition: '$map(a, $eval)' }, /\$eval/],
    ['target', { type: 'expression', expression: 'a', target: 'b[].c' }, /many values/],
  ])('%s of %j', (field, one, message) => {
    const error = refusal([FINE, one]);
    expect(error).toMatchObject({ code: 'TRANSFORM_INVALID', status: 400 });
    expect(error.details).toEqual({ index: 1, type: (one as { type: string }).type, field });
    expect(error.message).toMatch(message);
    expect(error.message).toContain('transformation 1');
  });

  test('and so is what is no list, or too long a one', () => {
    expect(refusal({ type: 'trim', field: 'a' }).code).toBe('TRANSFORM_INVALID');
    expect(refusal([null]).details).toMatchObject({ index: 0 });
    expect(refusal(Array(DEFAULT_LIMITS.transformationsMax + 1).fill(FINE)).message).toMatch(/at most/);
    expect(compileTransformations(Array(DEFAULT_LIMITS.transformationsMax).fill(FINE)).async).toBe(false);
  });

  test('also where the schema is a part of another one', () => {
    const resource = z.strictObject({ steps: transformationsSchema });
    const { error } = resource.safeParse({ steps: [FINE, { type: 'filter', condition: '(' }] });
    expect(error?.issues[0]?.path).toEqual(['steps', 1, 'condition']);
  });
});

describe('the schema', () => {
  test('has a JSON Schema in which each type has its words', () => {
    const { oneOf } = z.toJSONSchema(transformationSchema, { io: 'input' }) as { oneOf: { description?: string }[] };
    expect(oneOf).toHaveLength(catalogue().length);
    expect(oneOf.filter(({ description }) => !description)).toEqual([]);
  });

  test('fills in what is left out', () => {
    expect(transformationSchema.parse({ type: 'hash', field: 'a' })).toEqual({
      type: 'hash',
      field: 'a',
      algorithm: 'sha256',
      encoding: 'hex',
      salt: '',
      on_error: 'fail',
    });
  });

  test('makes a catalogue with what is required and what is assumed', () => {
    const entry = catalogue().find(({ type }) => type === 'join');
    expect(entry?.settings.map(({ name, required }) => [name, required])).toEqual([
      ['field', true],
      ['separator', false],
      ['target', false],
      ['on_error', false],
    ]);
    expect(entry?.settings[1]).toEqual({ name: 'separator', required: false, default: '' });
  });
});
