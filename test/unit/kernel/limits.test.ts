/** Limits: the defaults, what may be laid over them, and how they must relate. */

import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS, resolveLimits } from '#kernel';

describe('resolveLimits', () => {
  test('answers the defaults, which keep their own relations', () => {
    expect(resolveLimits()).toEqual(DEFAULT_LIMITS);
  });

  test('lays overrides over the defaults and leaves those as they are', () => {
    const before = { ...DEFAULT_LIMITS };
    expect(resolveLimits({ topicsMax: 7 })).toEqual({ ...DEFAULT_LIMITS, topicsMax: 7 });
    expect(DEFAULT_LIMITS).toEqual(before);
  });

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
    'refuses %d, which is not a whole number',
    (value) => {
      expect(() => resolveLimits({ requestMs: value })).toThrow('limit requestMs must be a whole number');
    },
  );

  test.each([
    ['a record as large as a batch', { recordBytesMax: DEFAULT_LIMITS.batchBytesMax }],
    ['a batch that fits into no message', { batchBytesMax: DEFAULT_LIMITS.messageBytesMax }],
    ['a batch that fits into no request', { requestBytesMax: DEFAULT_LIMITS.batchBytesMax - 1 }],
    ['a credit below one batch', { connectionCreditBytes: DEFAULT_LIMITS.batchBytesMax - 1 }],
    ['a credit above what may wait', { pendingBytesMax: DEFAULT_LIMITS.connectionCreditBytes - 1 }],
    ['a segment below two batches', { segmentBytes: DEFAULT_LIMITS.batchBytesMax * 2 - 1 }],
  ])('refuses %s', (_, overrides) => {
    expect(() => resolveLimits(overrides)).toThrow('assertion failed');
  });
});

test('every limit says its unit last', () => {
  const odd = Object.keys(DEFAULT_LIMITS).filter((name) => !/(Bytes|Ms|Max|MsMax|BytesMax)$/.test(name));
  expect(odd).toEqual([]);
});
