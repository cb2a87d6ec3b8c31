/** What a partition remembers of its idempotent producers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '#kernel';
import { withSeed } from '#kit';
import { ProducerSequences, type ProducerUndo } from '#log';

const NOW = 1_000_000;
const LAST_SEQUENCE = 2 ** 31 - 1;

function sequences(limits: Partial<typeof DEFAULT_LIMITS> = {}): ProducerSequences {
  return new ProducerSequences({ ...DEFAULT_LIMITS, ...limits });
}

/** Appends as a partition does; the offset, and whether it was a duplicate. */
function append(
  state: ProducerSequences,
  batch: { id?: number; epoch?: number; sequence: number; count?: number; offset?: number; now?: number },
): number | undefined {
  const { id = 7, epoch = 0, sequence, count = 10, offset = 0, now = NOW } = batch;
  const before = state.check(id, epoch, sequence, count);
  if (before === undefined) state.accept(id, epoch, sequence, count, offset, now);
  return before;
}

describe('an idempotent producer', () => {
  it('is told the first offset of a batch sent again', () => {
    const state = sequences();
    expect(append(state, { sequence: 0, offset: 100 })).toBeUndefined();
    expect(append(state, { sequence: 10, offset: 500 })).toBeUndefined();
    expect(append(state, { sequence: 0 })).toBe(100);
    expect(append(state, { sequence: 10 })).toBe(500);
  });

  it('has its last five batches recognised, and not the sixth', () => {
    const state = sequences();
    for (let i = 0; i < 6; i++) append(state, { sequence: i * 10, offset: i });
    for (let i = 1; i < 6; i++) expect(append(state, { sequence: i * 10 })).toBe(i);
    expect(() => append(state, { sequence: 0 })).toThrow(expect.objectContaining({ code: 'SEQUENCE_GAP' }));
  });

  it('may not send the same sequence with another count', () => {
    const state = sequences();
    append(state, { sequence: 0, count: 10 });
    expect(() => append(state, { sequence: 0, count: 9 })).toThrow(
      expect.objectContaining({ code: 'SEQUENCE_GAP', details: { expected: 10, received: 0 } }),
    );
  });

  it('begins at 0, as a stranger and in a new epoch', () => {
    const state = sequences();
    const gap = (received: number) =>
      expect.objectContaining({ code: 'SEQUENCE_GAP', details: { expected: 0, received } });
    expect(() => append(state, { sequence: 5 })).toThrow(gap(5));
    append(state, { sequence: 0 });
    expect(() => append(state, { epoch: 1, sequence: 10 })).toThrow(gap(10));
    expect(append(state, { epoch: 1, sequence: 0, offset: 77 })).toBeUndefined();
    expect(append(state, { epoch: 1, sequence: 0 })).toBe(77);
  });

  it('is fenced by a newer epoch', () => {
    const state = sequences();
    append(state, { epoch: 3, sequence: 0 });
    expect(() => append(state, { epoch: 2, sequence: 10 })).toThrow(
      expect.objectContaining({ code: 'PRODUCER_FENCED', details: { epoch: 3 } }),
    );
  });

  it('goes on at 0 behind the greatest sequence', () => {
    const state = sequences();
    state.restore(7, { epoch: 0, nextSequence: LAST_SEQUENCE - 4, seenAt: NOW, batches: [] });
    expect(append(state, { sequence: LAST_SEQUENCE - 4, count: 10 })).toBeUndefined();
    expect(append(state, { sequence: 5, count: 1 })).toBeUndefined();
    state.restore(8, { epoch: 0, nextSequence: LAST_SEQUENCE, seenAt: NOW, batches: [] });
    expect(append(state, { id: 8, sequence: LAST_SEQUENCE, count: 1 })).toBeUndefined();
    expect(append(state, { id: 8, sequence: 0, count: 1 })).toBeUndefined();
  });

  it('is forgotten when it has been silent too long, or is the longest silent of too many', () => {
    const state = sequences({ producersPerPartitionMax: 2, producerIdleMs: 1_000 });
    append(state, { id: 1, sequence: 0 });
    append(state, { id: 2, sequence: 0 });
    append(state, { id: 1, sequence: 10 });
    append(state, { id: 3, sequence: 0 });
    expect(state.snapshot().map(([id]) => id)).toEqual([1, 3]);
    append(state, { id: 3, sequence: 10, now: NOW + 1_001 });
    expect(state.snapshot().map(([id]) => id)).toEqual([3]);
  });
});

describe('producer sequences', () => {
  const batch = fc.record({
    id: fc.integer({ min: 0, max: 4 }),
    epoch: fc.integer({ min: 0, max: 2 }),
    sequence: fc.constantFrom(0, 1, 2, 3, 4, 5, 6),
    count: fc.constantFrom(1, 2),
    now: fc.integer({ min: NOW, max: NOW + 20 }),
  });
  const limits = { producersPerPartitionMax: 3, producerIdleMs: 10 };

  it('are as before when the accepts are undone in reverse', () => {
    const byId = (state: ProducerSequences) => [...state.snapshot()].sort(([a], [b]) => a - b);
    fc.assert(
      fc.property(fc.array(batch), fc.array(batch), (kept, undone) => {
        const state = sequences(limits);
        const accept = ({ id, epoch, sequence, count, now }: (typeof kept)[number]): ProducerUndo | undefined => {
          try {
            if (state.check(id, epoch, sequence, count) !== undefined) return undefined;
          } catch {
            return undefined;
          }
          return state.accept(id, epoch, sequence, count, 0, now);
        };
        for (const one of kept) accept(one);
        const before = byId(state);
        const undos = undone.map(accept);
        for (const undo of undos.toReversed()) if (undo !== undefined) state.undo(undo);
        expect(byId(state)).toEqual(before);
      }),
      withSeed(),
    );
  });

  it('survive as plain data', () => {
    const state = sequences();
    for (let i = 0; i < 7; i++) append(state, { id: i % 3, sequence: Math.floor(i / 3) * 10, offset: i });
    const restored = sequences();
    for (const [id, entry] of JSON.parse(JSON.stringify(state.snapshot()))) restored.restore(id, entry);
    expect(restored.snapshot()).toEqual(state.snapshot());
    expect(append(restored, { id: 0, sequence: 20 })).toBe(6);
  });
});
