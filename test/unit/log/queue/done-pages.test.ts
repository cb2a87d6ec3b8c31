/** Done pages: whatever is said in whatever order, they know what a set would know, also from what they have written. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withSeed } from '#kit';
import { DonePages } from '../../../../src/log/queue/done-pages.ts';
import { decodePage, encodePage } from '../../../../src/log/queue/page-codec.ts';

const END = 20_000;

/** What a store would hold of it, from the changes one after another. */
class Store {
  readonly pages = new Map<number, Uint8Array>();
  base = 0;

  take(from: DonePages): void {
    for (const { page, value } of from.takeChanges()) {
      if (value === null) this.pages.delete(page);
      else this.pages.set(page, value);
    }
    this.base = from.base;
  }

  load(): DonePages {
    const pages = new DonePages(this.base);
    for (const [page, value] of this.pages) pages.load(page, value);
    pages.settle();
    return pages;
  }
}

function same(pages: DonePages, done: ReadonlySet<number>, failures: ReadonlyMap<number, number>): void {
  let base = 0;
  while (done.has(base)) base++;
  expect(pages.base).toBe(base);
  expect(pages.above).toBe([...done].filter((offset) => offset >= base).length);
  expect([...done, base, END].filter((offset) => pages.isDone(offset) !== done.has(offset))).toEqual([]);
  let open = base;
  while (open < END && done.has(open)) open++;
  expect(pages.nextOpen(0, END)).toBe(open);
  for (const [offset, count] of failures) expect(pages.failure(offset)?.failures).toBe(count);
}

describe('done pages', () => {
  it('know what is done and what has failed, in any order, and after being written and loaded', () => {
    const range = fc.tuple(fc.nat(END - 1), fc.constantFrom(1, 3, 40, 5_000)).map(([from, count]) => {
      return { done: Array.from({ length: Math.min(count, END - from) }, (_, i) => from + i) };
    });
    const failure = fc.nat(END - 1).map((fail) => ({ fail }));
    const step = fc.oneof(range, failure, fc.constant({ write: true }), fc.constant({ reload: true }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let pages = new DonePages(0);
        const store = new Store();
        const done = new Set<number>();
        const failures = new Map<number, number>();
        for (const one of steps) {
          if ('done' in one) {
            for (const offset of one.done) {
              pages.markDone(offset);
              done.add(offset);
              failures.delete(offset);
            }
          } else if ('fail' in one) {
            if (done.has(one.fail)) continue;
            const count = (failures.get(one.fail) ?? 0) + 1;
            pages.fail(one.fail, { failures: count, due: 5 });
            failures.set(one.fail, count);
          } else store.take(pages);
          if ('reload' in one) pages = store.load();
          same(pages, done, failures);
        }
        store.take(pages);
        same(store.load(), done, failures);
      }),
      withSeed({ numRuns: 60 }),
    );
  });

  it('write only what has changed, and nothing that is past', () => {
    const pages = new DonePages(0);
    for (let offset = 1; offset < 3 * 4_096; offset++) pages.markDone(offset);
    expect(pages.takeChanges().map(({ page }) => page)).toEqual([0, 1, 2]);
    expect(pages.takeChanges()).toEqual([]);
    pages.markDone(4_096 * 3 + 7);
    const changes = pages.takeChanges();
    expect(changes.map(({ page }) => page)).toEqual([3]);
    pages.giveBack(changes);
    pages.markDone(0);
    expect(pages.base).toBe(3 * 4_096);
    const last = pages.takeChanges();
    expect(last.filter(({ value }) => value === null).map(({ page }) => page)).toEqual([0, 1, 2]);
    expect(last.filter(({ value }) => value !== null).map(({ page }) => page)).toEqual([3]);
    pages.giveBack(last);
    expect(pages.takeChanges().length).toBe(4);
  });

  it('write nothing where all is done in order', () => {
    const pages = new DonePages(0);
    for (let offset = 0; offset < 5_000; offset++) {
      pages.markDone(offset);
      expect(pages.takeChanges()).toEqual([]);
    }
    pages.markDone(5_001);
    expect(pages.takeChanges()).toMatchObject([{ page: 1, value: expect.any(Uint8Array) }]);
    pages.markDone(5_000);
    expect(pages.takeChanges()).toEqual([{ page: 1, value: null }]);
  });

  it('take back what was done, also when the base has passed it', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(9_000), { minLength: 1, maxLength: 20 }), fc.nat(9_000), (reopened, end) => {
        const pages = new DonePages(0);
        const done = new Set<number>();
        for (let offset = 0; offset < end; offset++) {
          pages.markDone(offset);
          done.add(offset);
        }
        for (const offset of reopened) {
          if (!done.delete(offset)) continue;
          pages.reopen(offset, { failures: 3, due: 0 });
        }
        same(pages, done, new Map([...reopened].filter((offset) => offset < end).map((offset) => [offset, 3])));
        for (const offset of reopened) pages.markDone(offset);
        for (const offset of reopened) done.add(offset);
        same(pages, done, new Map());
      }),
      withSeed({ numRuns: 40 }),
    );
  });

  it('raise their base over whatever was there', () => {
    const pages = new DonePages(0);
    for (const offset of [5, 6, 7, 5_000, 5_001, 9_000]) pages.markDone(offset);
    pages.raiseBase(5_000);
    expect([pages.base, pages.above]).toEqual([5_002, 1]);
    pages.raiseBase(10);
    expect(pages.base).toBe(5_002);
    pages.raiseBase(100_000);
    expect([pages.base, pages.above, pages.isDone(99_999), pages.isDone(100_000)]).toEqual([100_000, 0, true, false]);
  });
});

describe('a page', () => {
  it.each([
    ['nothing done', () => false, 5],
    ['little done', (index: number) => index % 100 === 0, 90],
    ['half done', (index: number) => index % 2 === 0, 515],
    ['nearly all done', (index: number) => index % 1_000 !== 0, 20],
    ['all done', () => true, 5],
  ])('with %s is short', (_, isDone, bytesMax) => {
    const bits = new Int32Array(128);
    for (let index = 0; index < 4_096; index++)
      if (isDone(index)) bits[index >> 5] = (bits[index >> 5] as number) | (1 << (index & 31));
    const failures = new Map([[4_095, { failures: 2, due: 1.7e12 }]]);
    const bytes = encodePage({ bits, failures: new Map() });
    expect(bytes.length).toBeLessThanOrEqual(bytesMax);
    expect(decodePage(encodePage({ bits, failures }))).toEqual({ bits, failures });
    expect(decodePage(bytes)).toEqual({ bits, failures: new Map() });
  });

  it('that cannot be read is told as damage', () => {
    const coded = (code: string) => expect.objectContaining({ code });
    expect(() => decodePage(new Uint8Array([1, 0, 9, 0]))).toThrow(coded('STORE_CORRUPT') as Error);
    expect(() => decodePage(new Uint8Array([9]))).toThrow(coded('STORE_NEWER') as Error);
  });
});
