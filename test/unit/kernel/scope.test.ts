/** Scopes: what one covers of another. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { covers, isScope, matchesGlob } from '#kernel';
import { withSeed } from '#kit';

describe('a scope', () => {
  test.each([
    ['admin', 'produce:sys.x', true],
    ['produce:*', 'produce:orders', true],
    ['produce:*', 'produce:orders-*', true],
    ['produce:orders-*', 'produce:*', false],
    ['produce:orders-*', 'produce:orders-eu-*', true],
    ['produce:a*c', 'produce:a*', false],
    ['produce:*', 'consume:orders', false],
    ['produce:*', 'produce:sys.audit', false],
    ['produce:*', 'produce:stream/a', false],
    ['produce:stream/*', 'produce:stream/a/b', true],
    ['observe', 'admin', false],
    ['observe', 'observe', true],
    ['call:*', 'call:shop', true],
    ['observe', 'introspect', false],
  ])('%s covers %s: %s', (held, wanted, expected) => {
    expect([isScope(held), isScope(wanted), covers(held, wanted)]).toEqual([true, true, expected]);
  });

  test('that is covered reaches nothing that the one it is covered by does not', () => {
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 6 });
    const topic = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(glob, glob, topic, (held, wanted, name) => {
        if (!covers(`produce:${held}`, `produce:${wanted}`) || !matchesGlob(wanted, name)) return;
        expect(matchesGlob(held, name)).toBe(true);
      }),
      withSeed({ numRuns: 3_000 }),
    );
  });
});
