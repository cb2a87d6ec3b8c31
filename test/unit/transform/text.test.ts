/** Text: uppercase, lowercase, trim, replace, split, join, mask, hash, concatenate. */
import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { field, record, run, transform } from './apply.ts';

const FAILED = expect.objectContaining({ code: 'TRANSFORM_FAILED' });

describe('uppercase, lowercase, trim', () => {
  test.each([
    ['uppercase', 'straße', 'STRASSE'],
    ['uppercase', 'ﬁ éß Ωλ', 'FI ÉSS ΩΛ'],
    ['uppercase', '𐐨 deseret', '𐐀 DESERET'],
    ['lowercase', 'ΑΣ İ', 'ας i̇'],
    ['lowercase', '', ''],
    ['trim', '\u00a0\t Ada \u2003\n', 'Ada'],
  ])('%s of %j is Unicode’s', (type, before, after) => {
    expect(field({ type }, before)).toBe(after);
  });

  test('leave missing and null as they are', () => {
    expect(transform({ type: 'uppercase', field: 'a' }, { b: 1 })).toEqual({ b: 1 });
    expect(field({ type: 'trim' }, null)).toBe(null);
  });

  test('write to a target and leave the field', () => {
    expect(transform({ type: 'uppercase', field: 'a', target: 'x.y' }, { a: 'b' })).toEqual({ a: 'b', x: { y: 'B' } });
  });

  test('fail on what is no text, naming place and value', () => {
    expect(() => transform({ type: 'uppercase', field: 'a.b' }, { a: { b: 5 } })).toThrow(
      expect.objectContaining({
        code: 'TRANSFORM_FAILED',
        message: 'transformation 0 (uppercase): a.b: 5 is not text',
        details: { index: 0, type: 'uppercase', field: 'a.b' },
      }),
    );
  });

  test.each([
    ['null', { a: null }],
    ['keep', { a: 5 }],
    ['drop', undefined],
  ])('on_error %s', (on_error, expected) => {
    expect(transform({ type: 'uppercase', field: 'a', on_error }, { a: 5 })).toEqual(expected);
  });
});

describe('replace', () => {
  test.each([
    [{ text: '.', with: '-' }, 'a.b.c', 'a-b-c'],
    [{ text: '$&', with: '$1$$' }, 'x$&y', 'x$1$$y'],
    [{ pattern: '\\s+', with: ' ' }, 'a \t\n b', 'a b'],
    [{ pattern: '(\\w+)@(?<host>\\w+)', with: '$<host> at $1' }, 'ada@home', 'home at ada'],
    [{ pattern: 'É', with: 'e', ignore_case: true }, 'éÉ', 'ee'],
    [{ pattern: '^.', with: '_' }, '😀b', '_b'],
    [{ pattern: 'x*', with: '-' }, 'ab', '-a-b-'],
  ])('%j', (settings, before, after) => {
    expect(field({ type: 'replace', ...settings }, before)).toBe(after);
  });

  test('does not let a replacement grow beyond bounds', () => {
    const long = { type: 'replace', text: 'a', with: 'x'.repeat(1000) };
    expect(field(long, 'aa')).toHaveLength(2000);
    expect(() => field(long, 'a'.repeat(500_000))).toThrow(FAILED);
  });

  test('does not apply a pattern to text that is too long for it', () => {
    const costly = { type: 'replace', pattern: 'a+b', with: '' };
    expect(field(costly, 'aab')).toBe('');
    expect(() => field(costly, 'a'.repeat(100_000))).toThrow(FAILED);
    expect(field({ ...costly, on_error: 'keep' }, 'a'.repeat(100_000))).toHaveLength(100_000);
  });
});

describe('split and join', () => {
  test.each([
    [{ separator: ',' }, 'a,b,,c', ['a', 'b', '', 'c']],
    [{ pattern: '\\s*[,;]\\s*' }, 'a ;b,  c', ['a', 'b', 'c']],
    [{ separator: ',' }, '', ['']],
  ])('split by %j', (settings, before, after) => {
    expect(field({ type: 'split', ...settings }, before)).toEqual(after);
  });

  test('join takes numbers and truth values, and leaves out null', () => {
    expect(field({ type: 'join', separator: '-' }, ['a', null, 1, true, ''])).toBe('a-1-true-');
    expect(field({ type: 'join' }, [])).toBe('');
  });

  test('join refuses a list of objects, and what is no list', () => {
    expect(() => field({ type: 'join' }, [{}])).toThrow(FAILED);
    expect(() => field({ type: 'join' }, 'a')).toThrow(FAILED);
  });

  test('join refuses to make what would not fit a record', () => {
    expect(() => field({ type: 'join' }, ['x'.repeat(600_000), 'y'.repeat(600_000)])).toThrow(FAILED);
  });
});

describe('mask', () => {
  test.each([
    [{}, '4111111111111111', '************1111'],
    [{ keep_last: 0 }, 'secret', '******'],
    [{ keep_first: 2, keep_last: 2, with: 'x' }, 'abcdefg', 'abxxxfg'],
    [{}, 4111111111111111, '************1111'],
    [{ keep_last: 1 }, '👍👍👍', '**👍'],
    [{}, `${'a'.repeat(100)}1234`, `${'*'.repeat(100)}1234`],
  ])('%j of %j', (settings, before, after) => {
    expect(field({ type: 'mask', ...settings }, before)).toBe(after);
  });

  test.each(['1', '1234', '👍'])('hides all of %j, which it would show as a whole', (before) => {
    expect(field({ type: 'mask' }, before)).toBe('*'.repeat(Array.from(before).length));
  });
});

describe('hash', () => {
  test('is the plain SHA-256 of the UTF-8 text', () => {
    expect(field({ type: 'hash' }, 'é')).toBe(createHash('sha256').update('é').digest('hex'));
  });

  test('takes salt, key, algorithm and encoding', () => {
    const salted = createHash('sha512').update('pepperé').digest('base64');
    expect(field({ type: 'hash', salt: 'pepper', algorithm: 'sha512', encoding: 'base64' }, 'é')).toBe(salted);
    const keyed = createHmac('sha256', 'secret').update('42').digest('hex');
    expect(field({ type: 'hash', key: 'secret' }, 42)).toBe(keyed);
  });

  test('hashes bytes as bytes', () => {
    const bytes = Uint8Array.of(1, 2, 255);
    expect(field({ type: 'hash', salt: 's' }, bytes)).toBe(
      createHash('sha256').update('s').update(bytes).digest('hex'),
    );
  });

  test('refuses objects, whose text is not settled', () => {
    expect(() => field({ type: 'hash' }, { a: 1 })).toThrow(FAILED);
  });
});

describe('concatenate', () => {
  const list = [{ type: 'concatenate', fields: ['a', 'b.c', '$key'], separator: '/', target: 'x' }];

  test('takes fields in order, and leaves out what is missing or null', () => {
    expect(run(list, record({ a: 'A', b: { c: 1 } }))?.value).toEqual({ a: 'A', b: { c: 1 }, x: 'A/1/k' });
    expect(run(list, record({ a: null }))?.value).toEqual({ a: null, x: 'k' });
    expect(run(list, record({ a: '', b: { c: false } }, { key: null }))?.value).toMatchObject({ x: '/false' });
  });

  test('writes nothing where nothing is there', () => {
    expect(run(list, record({}, { key: null }))?.value).toEqual({});
  });

  test('names the field that has no text', () => {
    expect(() => run(list, record({ a: 'A', b: { c: [] } }))).toThrow(/b\.c: a list has no text/);
  });

  test('does not double a text for ever', () => {
    const twice = { type: 'concatenate', fields: ['a', 'a'], target: 'a' };
    expect(() => run(Array(40).fill(twice), record({ a: 'abc' }))).toThrow(FAILED);
  });
});
