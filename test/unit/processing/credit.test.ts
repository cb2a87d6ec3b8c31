/** Bytes in flight: shares, waiting in turn, and what a run turned out to hold. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Metrics } from '#kernel';
import { withSeed } from '#kit';
import { Credit, type Loan } from '../../../src/processing/runtime/credit.ts';

/** True when the promise has resolved within this turn. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol('open');
  await new Promise((resolve) => setImmediate(resolve));
  return (await Promise.race([promise, Promise.resolve(open)])) !== open;
}

it('admits what a lane’s share holds, lets the rest wait in turn, and leaves other lanes alone', async () => {
  const credit = new Credit(200, 2, new Metrics());
  const first = await credit.take(0, 60);
  const second = credit.take(0, 60);
  const third = credit.take(0, 10);
  expect([await isSettled(second), await isSettled(third)]).toEqual([false, false]);
  await credit.take(1, 100);
  first.giveBack();
  first.giveBack();
  expect([await isSettled(second), await isSettled(third)]).toEqual([true, true]);
});

it('admits one run of any size when nothing else is in flight', async () => {
  const credit = new Credit(10, 1, new Metrics());
  const large = await credit.take(0, 1_000);
  const next = credit.take(0, 1);
  expect(await isSettled(next)).toBe(false);
  large.settle(5);
  expect(await isSettled(next)).toBe(true);
});

it('never has more in flight than the share and one run over it, and forgets nobody', async () => {
  const runs = fc.array(fc.tuple(fc.integer({ min: 1, max: 80 }), fc.integer({ min: 0, max: 120 })), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(runs, async (sizes) => {
      const credit = new Credit(100, 1, new Metrics());
      let held = 0;
      await Promise.all(
        sizes.map(async ([estimate, actual]) => {
          const loan: Loan = await credit.take(0, estimate);
          expect(held === 0 || held + estimate <= 100).toBe(true);
          held += estimate;
          await new Promise((resolve) => setImmediate(resolve));
          held += actual - estimate;
          loan.settle(actual);
          await new Promise((resolve) => setImmediate(resolve));
          held -= actual;
          loan.giveBack();
        }),
      );
      expect(held).toBe(0);
    }),
    withSeed({ numRuns: 30 }),
  );
});
