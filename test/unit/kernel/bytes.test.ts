/** Bytes: strict UTF-8, order, sizes for people. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareBytes, decodeUtf8, encodeUtf8, formatBytes } from '#kernel';
import { withSeed } from '#kit';

describe('UTF-8', () => {
  test('comes back as the same text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(decodeUtf8(encodeUtf8(text))).toBe(text);
      }),
      withSeed(),
    );
  });

  test('keeps a byte order mark, which is part of the text', () => {
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa');
  });

  test.each([
    ['a lone continuation byte', [0x80]],
    ['a cut sequence', [0xe2, 0x82]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a code point beyond the last', [0xf4, 0x90, 0x80, 0x80]],
  ])('refuses %s with a coded error that names the field', (_, bytes) => {
    expect(() => decodeUtf8(Uint8Array.from(bytes), 'the key')).toThrow(
      expect.objectContaining({ code: 'REQUEST_MALFORMED', message: 'the key is not valid UTF-8' }),
    );
  });
});

describe('compareBytes', () => {
  const bytes = fc.uint8Array({ maxLength: 6 });

  test('orders as Buffer does: unsigned, the shorter first', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(compareBytes(a, b)).toBe(Buffer.compare(a, b));
      }),
      withSeed({ numRuns: 500 }),
    );
  });

  test('knows a byte above 127 to be greater than one below', () => {
    expect(compareBytes(Uint8Array.of(0x80), Uint8Array.of(0x7f))).toBe(1);
  });
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [128 * 1024 ** 2, '128.0 MiB'],
  [5 * 1024 ** 4, '5.0 TiB'],
  [5000 * 1024 ** 4, '5000.0 TiB'],
])('formatBytes writes %d as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
