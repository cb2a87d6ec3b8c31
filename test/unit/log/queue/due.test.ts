/** What is due when: the heap, the backoff, the header. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeUtf8 } from '#kernel';
import { withSeed } from '#kit';
import { backoff } from '../../../../src/log/queue/backoff.ts';
import { deliverAt } from '../../../../src/log/queue/deliver-at.ts';
import { DueHeap } from '../../../../src/log/queue/due-heap.ts';

describe('a heap of what is due', () => {
  it('gives what is due in order of time, then of number, and nothing before', () => {
    const entries = fc.array(fc.tuple(fc.nat(50), fc.nat(1_000)), { maxLength: 200 });
    fc.assert(
      fc.property(entries, fc.nat(50), (pairs, now) => {
        const heap = new DueHeap();
        for (const [time, id] of pairs) heap.push(time, id);
        const due = pairs.filter(([time]) => time <= now).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        const taken: number[] = [];
        for (let id = heap.take(now); id !== undefined; id = heap.take(now)) taken.push(id);
        expect(taken).toEqual(due.map(([, id]) => id));
        expect(heap.size).toBe(pairs.length - due.length);
        expect(heap.next).toBe(Math.min(...pairs.filter(([time]) => time > now).map(([time]) => time)));
      }),
      withSeed(),
    );
  });
});

describe('a backoff', () => {
  const options = { backoffMs: 100, backoffMaxMs: 1_000 };

  it('doubles up to its cap, and is spread over its upper half', () => {
    expect([1, 2, 3, 4, 5, 1_000].map((failures) => backoff(failures, options, 0))).toEqual([
      50, 100, 200, 400, 500, 500,
    ]);
    expect([1, 4, 5].map((failures) => backoff(failures, options, 1))).toEqual([100, 800, 1_000]);
  });

  it('may be none', () => {
    expect(backoff(7, { backoffMs: 0, backoffMaxMs: 1_000 }, 0.5)).toBe(0);
  });
});

describe('deliver-at', () => {
  const at = (text: string | null) =>
    deliverAt([{ key: 'deliver-at', value: text === null ? null : encodeUtf8(text) }]);

  it('is epoch milliseconds or an ISO 8601 time', () => {
    expect(at('1700000000000')).toBe(1_700_000_000_000);
    expect(at(' 2023-11-14T22:13:20.000Z ')).toBe(1_700_000_000_000);
    expect(at('2023-11-14T23:13:20+01:00')).toBe(1_700_000_000_000);
  });

  it('that is no time, or not there, is at once', () => {
    expect([
      at('soon'),
      at(''),
      at(null),
      deliverAt([]),
      deliverAt([{ key: 'x', value: encodeUtf8('9999999999999') }]),
    ]).toEqual([0, 0, 0, 0, 0]);
  });
});
