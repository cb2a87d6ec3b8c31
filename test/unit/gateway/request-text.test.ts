/** Requests as they are written to upstreams. */
import { expect, test } from 'vitest';
import { type ComposedRequest, writtenRequest } from '../../../src/gateway/upstream/request-text.ts';

test('a request is not written where it could be read as two', () => {
  const written = (parts: Partial<ComposedRequest>) =>
    writtenRequest({ method: 'GET', path: '/', headers: [], body: null, ...parts });
  for (const parts of [
    { path: '/a b' },
    { path: '/a\r\nx: y' },
    { path: 'http://elsewhere/' },
    { method: 'G\r\nET' },
    { method: 'CONNECT' },
    { headers: ['x-a', 'b\r\nx-c: d'] },
    { headers: ['x-a', 'b\nx'] },
    { headers: ['x-a', 'b\0'] },
    // Written as one byte of it, this would be a line feed.
    { headers: ['x-a', 'b\u010a'] },
    { path: '/\u010a' },
    { headers: ['x a', 'b'] },
    { headers: ['', 'b'] },
  ]) {
    expect(() => written(parts), JSON.stringify(parts)).toThrow(expect.objectContaining({ code: 'REQUEST_MALFORMED' }));
  }
  expect(written({ method: 'POST' }).head).toContain('content-length: 0\r\n');
  expect(written({ method: 'POST', body: Buffer.from('abc') }).head).toContain('content-length: 3\r\n');
  expect(written({}).head).not.toContain('content-length');
});
