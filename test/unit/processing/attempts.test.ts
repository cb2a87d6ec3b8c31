/** What becomes of a record that fails: cut off, tried alone with growing pauses, given up on, left behind. */
import { describe, expect, it } from 'vitest';
import { Attempts } from '../../../src/processing/runtime/attempts.ts';

const rules = { attemptsMax: 3, backoffMs: 100, backoffMaxMs: 150 };
const fault = (offset: number, input = 0) => ({
  input,
  offset,
  code: 'PROCESSOR_FAILED' as const,
  message: 'no',
  stack: undefined,
});

describe('attempts', () => {
  it('process what comes before the record first, without counting that failure', () => {
    const attempts = new Attempts(rules);
    expect(attempts.until(0, 30)).toBeUndefined();
    expect(attempts.failed(fault(41), 't', 30)).toBe(0);
    expect(attempts.until(0, 30)).toBe(41);
    attempts.passed(0, 41);
    expect(attempts.until(0, 41)).toBe(42);
    expect(attempts.dead()).toEqual([]);
  });

  it('pause twice as long each time up to the longest pause, then give up on that record alone', () => {
    const attempts = new Attempts(rules);
    attempts.failed(fault(41), 't', 30);
    expect(attempts.failed(fault(41), 't', 41)).toBe(100);
    expect(attempts.failed(fault(41), 't', 41)).toBe(150);
    expect(attempts.failed(fault(41), 't', 41)).toBe(0);
    expect(attempts.dead()).toEqual([{ topic: 't', offset: 41, code: 'PROCESSOR_FAILED', message: 'no', attempts: 3 }]);
    expect(attempts.until(0, 41)).toBe(42);
    attempts.passed(0, 42);
    expect([attempts.dead(), attempts.until(0, 42)]).toEqual([[], undefined]);
  });

  it('keep a record that is given up on when the next one fails as well', () => {
    const attempts = new Attempts({ ...rules, attemptsMax: 1 });
    attempts.failed(fault(5), 't', 5);
    expect(attempts.until(0, 5)).toBe(6);
    attempts.passed(0, 6);
    attempts.failed(fault(6), 't', 6);
    expect(attempts.dead().map(({ offset }) => offset)).toEqual([6]);
  });

  it('are counted for each input by itself', () => {
    const attempts = new Attempts(rules);
    attempts.failed(fault(5, 0), 'a', 5);
    attempts.failed(fault(9, 1), 'b', 9);
    expect([attempts.until(0, 5), attempts.until(1, 9)]).toEqual([6, 10]);
    attempts.passed(0, 6);
    expect([attempts.until(0, 6), attempts.until(1, 9)]).toEqual([undefined, 10]);
  });

  it('end where no record is to blame, unless a run succeeds in between', () => {
    const attempts = new Attempts(rules);
    expect(attempts.failed(fault(-1, -1), '', 0)).toBe(100);
    expect(attempts.failed(fault(-1, -1), '', 0)).toBe(150);
    attempts.passed(0, 1);
    expect(attempts.failed(fault(-1, -1), '', 0)).toBe(100);
    attempts.failed(fault(-1, -1), '', 0);
    expect(attempts.failed(fault(-1, -1), '', 0)).toBeUndefined();
  });
});
