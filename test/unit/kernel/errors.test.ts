/** Errors: one table, from a code to what a caller sees. */

import { describe, expect, test } from 'vitest';
import { asSluiceError, assert, ERROR_TABLE, SluiceError, toProblem } from '#kernel';

describe('the error table', () => {
  test.each(Object.entries(ERROR_TABLE))('%s maps to an HTTP error and reads as a sentence', (code, kind) => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(kind.status).toBeGreaterThanOrEqual(400);
    expect(kind.status).toBeLessThan(600);
    expect(kind.title).toMatch(/^[A-Z].*[^.]$/);
  });

  test('calls nothing retryable that the caller must change first', () => {
    const wrong = Object.entries(ERROR_TABLE).filter(
      ([, kind]) => kind.retryable && [400, 404, 413].includes(kind.status),
    );
    expect(wrong).toEqual([]);
  });
});

describe('a SluiceError', () => {
  const error = new SluiceError('OFFSET_CONFLICT', 'the tail is at 7', { tail: 7 });

  test('takes status and retryability from the table, and its title when nothing is said', () => {
    expect(error).toMatchObject({ status: 412, retryable: false, message: 'the tail is at 7' });
    expect(new SluiceError('LOG_BUSY')).toMatchObject({ retryable: true, message: ERROR_TABLE.LOG_BUSY.title });
  });

  test('becomes a problem document that carries its details', () => {
    expect(toProblem(error)).toEqual({
      type: 'urn:sluice:error:OFFSET_CONFLICT',
      title: ERROR_TABLE.OFFSET_CONFLICT.title,
      status: 412,
      code: 'OFFSET_CONFLICT',
      detail: 'the tail is at 7',
      retryable: false,
      tail: 7,
    });
  });
});

describe('an unexpected error', () => {
  const cause = new TypeError('cannot read /etc/secret');

  test('becomes INTERNAL with itself as the cause', () => {
    expect(asSluiceError(cause)).toMatchObject({ code: 'INTERNAL', cause });
    expect(asSluiceError('words')).toMatchObject({ code: 'INTERNAL', message: 'words', cause: 'words' });
  });

  test('does not tell callers its words', () => {
    expect(JSON.stringify(toProblem(asSluiceError(cause)))).not.toContain('secret');
  });

  test('stays what it is when it is coded', () => {
    const coded = new SluiceError('TOPIC_UNKNOWN');
    expect(asSluiceError(coded)).toBe(coded);
  });
});

test('assert stops on what must not be, and says what', () => {
  expect(() => assert(1 < 2, 'order')).not.toThrow();
  expect(() => assert(undefined, 'the segment is open')).toThrow('assertion failed: the segment is open');
});
