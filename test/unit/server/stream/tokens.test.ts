/** What readers of streams hold in their hands: offsets, cursors, paths. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seed } from '#kit';
import { nextCursor } from '../../../../src/server/stream/cursor.ts';
import { offsetToken, parseOffset } from '../../../../src/server/stream/offset.ts';
import { parseStreamPath, parseStreamReference } from '../../../../src/server/stream/path.ts';

const position = fc.maxSafeNat();

describe('an offset', () => {
  test('is read back as the position it was made of, and sorts as text as positions do', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        expect(parseOffset(offsetToken(a), 'offset')).toBe(a);
        expect(Math.sign(a - b)).toBe(offsetToken(a) < offsetToken(b) ? -1 : offsetToken(a) > offsetToken(b) ? 1 : 0);
      }),
      { seed: seed() },
    );
  });

  test.each([
    '',
    '0',
    '-1',
    'now',
    '0_0',
    `${offsetToken(1)} `,
    offsetToken(1).replace('_', ','),
    `+${offsetToken(1)}`,
  ])('%j is none', (text) => {
    expect(() => parseOffset(text, 'offset')).toThrow('offset is not an offset');
  });

  test('beyond what can be counted is beyond every stream', () => {
    expect(parseOffset(`${'9'.repeat(16)}_${'9'.repeat(16)}`, 'offset')).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('a cursor', () => {
  test('never goes back for a reader, whatever the clock does', () => {
    fc.assert(
      fc.property(fc.array(fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true })), (times) => {
        let last = nextCursor(Date.UTC(2026, 0), undefined);
        for (const time of times) {
          const next = nextCursor(time.getTime(), String(last));
          expect(next).toBeGreaterThan(last);
          last = next;
        }
      }),
      { seed: seed() },
    );
  });

  test('is the present one for who brings none, an old one, or nonsense', () => {
    const now = Date.UTC(2026, 0);
    const present = nextCursor(now, undefined);
    expect(present).toBe((now - Date.UTC(2024, 9, 9)) / 20_000);
    for (const brought of [String(present - 1), 'x', '', '1e9', '9'.repeat(30)]) {
      expect(nextCursor(now, brought)).toBe(present);
    }
  });
});

describe('a path', () => {
  test('is decoded, so that one stream has one name', () => {
    expect(parseStreamPath('a%20b/%c3%a9')).toBe('a b/é');
    expect(parseStreamPath('a%2Fb')).toBe('a/b');
  });

  test.each(['', '/', 'a/', '/a', '.', 'a/..', 'a/..%2fb', 'a%0ab', 'a%7f'])('%j is none', (raw) => {
    expect(() => parseStreamPath(raw)).toThrow('a stream path has no empty');
  });

  test('in a reference is that of an address, or one below the root', () => {
    expect(parseStreamReference('/v1/stream/a/b')).toEqual(['a/b', 'v1/stream/a/b']);
    expect(parseStreamReference('/a/b')).toEqual(['a/b']);
    expect(parseStreamReference('a%20b')).toEqual(['a b']);
  });
});
