/** The modes of compatibility: the published table of what each allows, and which versions each looks at. */
import { describe, expect, test } from 'vitest';
import { incompatibilities, MODES, type Mode } from '../../../src/schema/compatibility.ts';
import { parseSchema } from '../../../src/schema/parse.ts';

const field = (name: string, more: object = {}) => ({ name, type: 'string', ...more });
const optional = (name: string) => field(name, { default: 'x' });
const record = (...fields: object[]) => JSON.stringify({ type: 'record', name: 'Order', fields });

const one = record(field('a'));
const withOptional = record(field('a'), optional('b'));
const withField = record(field('a'), field('b'));
const withTwoOptional = record(field('a'), optional('b'), optional('c'));

/** @param earlier oldest first */
function allows(mode: Mode, earlier: readonly string[], schema: string): boolean {
  const parse = (text: string) => parseSchema({ type: 'avro', text, imports: [] });
  const versions = earlier.map((text, i) => ({ version: i + 1, parse: () => parse(text) }));
  return incompatibilities(parse(schema), versions, mode).length === 0;
}

function allowing(earlier: readonly string[], schema: string): Mode[] {
  return MODES.filter((mode) => allows(mode, earlier, schema));
}

const BACKWARD: Mode[] = ['backward', 'backward_transitive'];
const FORWARD: Mode[] = ['forward', 'forward_transitive'];
const FULL: Mode[] = ['full', 'full_transitive'];

describe('the published table of allowed changes', () => {
  test.each<[string, string, string, Mode[]]>([
    ['a field is deleted: backward', withField, one, [...BACKWARD, 'none']],
    ['an optional field is added: all', one, withOptional, [...BACKWARD, ...FORWARD, ...FULL, 'none']],
    ['a field is added: forward', one, withField, [...FORWARD, 'none']],
    ['an optional field is deleted: all', withOptional, one, [...BACKWARD, ...FORWARD, ...FULL, 'none']],
    ['a field loses its default: all', withOptional, withField, [...BACKWARD, ...FORWARD, ...FULL, 'none']],
    ['a field gets a default: all', withField, withOptional, [...BACKWARD, ...FORWARD, ...FULL, 'none']],
  ])('%s', (_, before, after, modes) => {
    expect(allowing([before], after)).toEqual(modes);
  });

  test.each<[string, string[], string, Mode[]]>([
    [
      'optional fields added one by one',
      [one, withOptional],
      withTwoOptional,
      [...BACKWARD, ...FORWARD, ...FULL, 'none'],
    ],
    [
      'optional fields deleted one by one',
      [withTwoOptional, withOptional],
      one,
      [...BACKWARD, ...FORWARD, ...FULL, 'none'],
    ],
    [
      'a default lost, of a field the first version has not',
      [one, withOptional],
      withField,
      ['backward', ...FORWARD, 'full', 'none'],
    ],
    ['the same, the last version being the one without', [withOptional, one], withField, [...FORWARD, 'none']],
    [
      'a field deleted whose default came later',
      [withField, withOptional],
      one,
      [...BACKWARD, 'forward', 'full', 'none'],
    ],
  ])('over several versions: %s', (_, earlier, after, modes) => {
    expect([...allowing(earlier, after)].sort()).toEqual([...modes].sort());
  });
});

test('a first version is compatible with nothing, in every mode', () => {
  expect(allowing([], one)).toEqual(MODES);
});

test('the language of a subject changes only where everything goes', () => {
  const json = parseSchema({ type: 'json', text: '{}', imports: [] });
  const earlier = [{ version: 3, parse: () => parseSchema({ type: 'avro', text: one, imports: [] }) }];
  expect(MODES.filter((mode) => incompatibilities(json, earlier, mode).length === 0)).toEqual(['none']);
  expect(incompatibilities(json, earlier, 'full')).toEqual([
    { path: '#', message: 'the language was avro and is json', version: 3, reader: 'new' },
  ]);
});

test('what is in the way is told with the version and which of the two cannot read', () => {
  const parse = (text: string) => parseSchema({ type: 'avro', text, imports: [] });
  const earlier = [one, withField].map((text, i) => ({ version: i + 1, parse: () => parse(text) }));
  expect(incompatibilities(parse(record(field('c'))), earlier, 'full')).toMatchObject([
    { version: 2, reader: 'new', path: '#/fields/c' },
    { version: 2, reader: 'earlier', path: '#/fields/a' },
    { version: 2, reader: 'earlier', path: '#/fields/b' },
  ]);
});
