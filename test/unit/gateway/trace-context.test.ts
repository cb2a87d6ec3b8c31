/** W3C Trace Context: what is taken over, and what begins anew. */
import { describe, expect, test } from 'vitest';
import { addTrace, type TraceContext, traceContext } from '../../../src/gateway/records/trace-context.ts';

function headersOf(trace: TraceContext): string[] {
  const headers: string[] = [];
  addTrace(headers, trace);
  return headers;
}

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const GOOD = `00-${TRACE}-${PARENT}-01`;
const of = (...headers: string[]) => traceContext(headers, () => false);

describe('a trace', () => {
  test('is gone on with, by a span of its own', () => {
    const found = of('traceparent', GOOD, 'tracestate', 'a=1');
    expect(found).toMatchObject({ traceId: TRACE, parentId: PARENT, sampled: true, state: 'a=1' });
    expect(found.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(found.spanId).not.toBe(PARENT);
    expect(headersOf(found)).toEqual(['traceparent', `00-${TRACE}-${found.spanId}-01`, 'tracestate', 'a=1']);
  });

  test('of a later version is read as far as it is known, and of its flags only the one that is', () => {
    expect(of('traceparent', `cc-${TRACE}-${PARENT}-09-what-the-future-brings`)).toMatchObject({
      traceId: TRACE,
      sampled: true,
    });
    const unsampled = of('traceparent', `00-${TRACE}-${PARENT}-fe`);
    expect(headersOf(unsampled)[1]).toMatch(/-00$/);
  });

  test.each([
    ['nothing', ''],
    ['a version that is forbidden', `ff-${TRACE}-${PARENT}-01`],
    ['more than version 00 has', `${GOOD}-more`],
    ['no trace', `00-${'0'.repeat(32)}-${PARENT}-01`],
    ['no parent', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['upper case', GOOD.toUpperCase()],
    ['a short trace', `00-${TRACE.slice(1)}-${PARENT}-01`],
    ['a short flag', `00-${TRACE}-${PARENT}-1`],
    ['no dash after a later version', `cc-${TRACE}-${PARENT}-01x`],
    ['spaces', ` ${GOOD}`],
    ['a line', `${GOOD}\n`],
  ])('begins anew where the parent has %s, and has no state then', (_, parent) => {
    const found = of('traceparent', parent, 'tracestate', 'a=1');
    expect(found.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect([found.traceId === TRACE, found.parentId, found.state]).toEqual([false, '', '']);
  });

  test('begins anew where there are two parents, or none', () => {
    expect(of('traceparent', GOOD, 'traceparent', GOOD).traceId).not.toBe(TRACE);
    expect(of('tracestate', 'a=1')).toMatchObject({ parentId: '', state: '', sampled: false });
    expect(traceContext([], () => true).sampled).toBe(true);
    const many = new Set(Array.from({ length: 5_000 }, () => of().traceId));
    expect(many.size).toBe(5_000);
  });

  test.each([
    ['a=1,b=2', true],
    ['a=1 , ,b=2', true],
    ['1tenant@sys=x', true],
    [Array.from({ length: 32 }, (_, i) => `k${i}=v`).join(), true],
    [Array.from({ length: 33 }, (_, i) => `k${i}=v`).join(), false],
    ['a=1,a=2', false],
    ['A=1', false],
    ['a', false],
    ['=1', false],
    ['a=', false],
    ['a=b=c', false],
    [`a=${'x'.repeat(257)}`, false],
    [`a=${'x'.repeat(10_000)}`, false],
  ])('passes on a state that is well formed, whole or not at all: %s', (state, passed) => {
    expect(of('traceparent', GOOD, 'tracestate', state)).toMatchObject({ traceId: TRACE, state: passed ? state : '' });
  });
});
