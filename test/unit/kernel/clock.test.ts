/** Clocks: the real one goes forward, the manual one goes where it is told. */

import { expect, test } from 'vitest';
import { ManualClock, systemClock } from '#kernel';

test('the system clock tells epoch milliseconds, and durations that never go backwards', () => {
  expect(systemClock.now()).toBeGreaterThan(Date.UTC(2024, 0, 1));
  const readings = Array.from({ length: 100 }, () => systemClock.monotonic());
  expect(readings).toEqual(readings.toSorted((a, b) => a - b));
});

test('a manual clock stands still until it is moved', () => {
  const clock = new ManualClock(1_000);
  clock.advance(5);
  expect([clock.now(), clock.monotonic()]).toEqual([1_005, 5]);
});

test('a jump moves the time of day and leaves durations alone', () => {
  const clock = new ManualClock(1_000);
  clock.jump(-900);
  expect([clock.now(), clock.monotonic()]).toEqual([100, 0]);
});
