/** Heads of requests and answers, at the server and at the gateway: how long they may be, and what they give away. */
import { expect, test } from 'vitest';
import { sharedGateway, startUpstream } from './gateway-fixture.ts';
import { raw } from './http-fixture.ts';

const KIB = 1024;

function get(headerBytes: number): string {
  return `GET /healthz HTTP/1.1\r\nHost: a\r\nCookie: ${'c'.repeat(headerBytes)}\r\n\r\n`;
}

test('a head of 12 KiB passes, one beyond 16 KiB is refused with 431', async () => {
  let cookie = '';
  const upstream = await startUpstream((request, response) => {
    cookie = request.headers.cookie ?? '';
    response.end('ok');
  });
  const gateway = await sharedGateway();
  await gateway.serve([upstream.port]);
  for (const port of [gateway.server.port, gateway.port]) {
    const taken = await raw(port, [get(12 * KIB)], 1);
    const refused = await raw(port, [get(17 * KIB)], 1);
    expect([port, taken.answers[0]?.status, refused.answers[0]?.status]).toEqual([port, 200, 431]);
  }
  expect(cookie).toHaveLength(12 * KIB);
});

test('an answer does not tell what it is served by', async () => {
  const upstream = await startUpstream((_, response) => response.end('ok'));
  const gateway = await sharedGateway();
  await gateway.serve([upstream.port]);
  for (const port of [gateway.server.port, gateway.port]) {
    const { answers } = await raw(port, [get(1)], 1);
    expect([answers[0]?.status, Object.keys(answers[0]?.headers ?? {})]).toEqual([
      200,
      expect.not.arrayContaining(['uwebsockets']),
    ]);
  }
});
