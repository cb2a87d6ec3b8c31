/**
 * Requests that two readers could take apart differently: whatever the gateway makes of them, the canary upstream behind it
 * never sees the request that is hidden in them.
 */
import { describe, expect, test } from 'vitest';
import { startGateway, startUpstream } from './gateway-fixture.ts';
import { raw } from './http-fixture.ts';

const HOST = 'Host: localhost\r\n';
const HIDDEN = `GET /hidden HTTP/1.1\r\n${HOST}\r\n`;

function post(headers: string, body = ''): string {
  return `POST /x HTTP/1.1\r\n${headers}\r\n${body}`;
}

const chunked = `${HOST}Transfer-Encoding: chunked\r\n`;

const VECTORS: Record<string, string> = {
  'two hosts': post(`${HOST}Host: other\r\n`),
  'an empty host': post('Host:\r\n'),
  'a list of hosts': post('Host: a, b\r\n'),
  'no host': post(''),
  'two lengths that differ': post(`${HOST}Content-Length: 0\r\nContent-Length: 3\r\n`, 'abc'),
  'two lengths that agree': post(`${HOST}Content-Length: 3\r\nContent-Length: 3\r\n`, 'abc'),
  'an empty length': post(`${HOST}Content-Length:\r\n`),
  'a length with a sign': post(`${HOST}Content-Length: +3\r\n`, 'abc'),
  'a hexadecimal length': post(`${HOST}Content-Length: 0x3\r\n`, 'abc'),
  'a length beyond any number': post(`${HOST}Content-Length: 99999999999999999999\r\n`),
  'a length and a coding': post(`${chunked}Content-Length: 5\r\n`, '0\r\n\r\n'),
  'a coding and a length': post(`${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n'),
  'a coding that only ends in chunked': post(`${HOST}Transfer-Encoding: xchunked\r\n`, '0\r\n\r\n'),
  'a list of codings': post(`${HOST}Transfer-Encoding: gzip, chunked\r\n`, '0\r\n\r\n'),
  'two codings': post(`${HOST}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n'),
  'a coding after a vertical tab': post(`${HOST}Transfer-Encoding: \x0bchunked\r\n`, '0\r\n\r\n'),
  'a chunk size that is no number': post(chunked, 'zz\r\nabc\r\n0\r\n\r\n'),
  'a chunk extension': post(chunked, '3;a=b\r\nabc\r\n0\r\n\r\n'),
  'a chunk size with trailing letters': post(chunked, '3g\r\nabc\r\n0\r\n\r\n'),
  'a bare line feed after a chunk size': post(chunked, '3\nabc\r\n0\r\n\r\n'),
  trailers: post(chunked, '0\r\nX-Note: 1\r\n\r\n'),
  'a whole body in chunks': post(chunked, '3\r\nabc\r\n0\r\n\r\n'),
  'a request in place of trailers': post(chunked, `0\r\nX:${HIDDEN}`),
  'HTTP/1.0': 'POST /x HTTP/1.0\r\n\r\n',
  'a path with a fragment': `GET /x#y HTTP/1.1\r\n${HOST}\r\n`,
  'a path above the root': `GET /../x HTTP/1.1\r\n${HOST}\r\n`,
  'an encoded NUL': `GET /x%00 HTTP/1.1\r\n${HOST}\r\n`,
  'an encoded slash': `GET /x%2f..%2fy HTTP/1.1\r\n${HOST}\r\n`,
  'a method that is none': `G(T /x HTTP/1.1\r\n${HOST}\r\n`,
  'an unknown expectation': post(`${HOST}Expect: everything\r\nContent-Length: 3\r\n`, 'abc'),
  'an absolute form': `GET http://evil/x HTTP/1.1\r\n${HOST}\r\n`,
};

async function behindGateway() {
  const seen: string[] = [];
  const upstream = await startUpstream((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.resume();
    request.on('end', () => response.end('ok'));
  });
  const gateway = await startGateway(['--gateway-threads', '1']);
  await gateway.serve([upstream.port]);
  return { gateway, seen };
}

describe('an ambiguous request', () => {
  test('never brings another one to the upstream', async () => {
    const { gateway, seen } = await behindGateway();
    // At once, each with paths of its own: what the native side cannot take for a head it waits on, until its time is over.
    const outcomes = Object.entries(VECTORS).map(async ([name, vector], index) => {
      const hidden = HIDDEN.replace('/hidden', `/hidden${index}-`);
      const request = vector.replace('/x', `/x${index}-`).replace(HIDDEN, hidden);
      const { answers } = await raw(gateway.port, [request + hidden + hidden]);
      return { name, index, answers };
    });
    for (const { name, index, answers } of await Promise.all(outcomes)) {
      expect([name, seen.filter((one) => one.includes(`/hidden${index}-`))]).toEqual([name, []]);
      expect([name, seen.filter((one) => one.includes(`/x${index}-`)).length <= 1]).toEqual([name, true]);
      expect([name, answers.filter(({ status }) => status === 200).length <= 1]).toEqual([name, true]);
    }
    expect(seen.filter((one) => one.includes('hidden'))).toEqual([]);
    // The canary is alive: an honest request reaches it.
    expect(await (await gateway.get('/hidden')).text()).toBe('ok');
    expect(seen).toContain('GET /hidden');
  });

  test('is told what is wrong, and loses its connection', async () => {
    const { gateway, seen } = await behindGateway();
    const { answers, closed } = await raw(gateway.port, [post(`${HOST}Host: other\r\n`)]);
    expect(JSON.parse(answers[0]?.body ?? '')).toMatchObject({ code: 'REQUEST_SMUGGLING', status: 400 });
    expect([answers.length, closed, seen]).toEqual([1, true, []]);
  });
});

test('an upstream that answers with control characters in a header is not believed', async () => {
  const { createServer } = await import('node:net');
  const upstream = createServer((socket) => {
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nX-Bad: a\x01b\r\nContent-Length: 2\r\n\r\nok'));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const gateway = await startGateway();
  await gateway.serve([(upstream.address() as { port: number }).port]);
  const answer = await gateway.get('/x');
  expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([502, 'UPSTREAM_ANSWER_INVALID']);
  upstream.close();
});
