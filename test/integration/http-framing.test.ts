/**
 * Requests that two readers could take apart differently never smuggle a second one: either a coded refusal and the end
 * of the connection, or the end without a word; what follows in the same bytes is not served.
 */
import { describe, expect, test } from 'vitest';
import { raw, serve } from './http-fixture.ts';

const HOST = 'Host: localhost\r\n';
const BODY = '{"records":[{"value":1}]}';
const SMUGGLED = `POST /v1/topics/t/records HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

function post(headers: string, body = ''): string {
  return `POST /v1/topics/t/records HTTP/1.1\r\n${headers}Content-Type: application/json\r\n\r\n${body}`;
}

/** Refused here, with a problem document when nothing follows. */
const REFUSED: Record<string, string> = {
  'two hosts': post(`${HOST}Host: other\r\nContent-Length: ${BODY.length}\r\n`, BODY),
  'the same host twice': post(`${HOST}${HOST}Content-Length: ${BODY.length}\r\n`, BODY),
  'an empty host': post(`Host:\r\nContent-Length: ${BODY.length}\r\n`, BODY),
  'a list of hosts': post(`Host: a, b\r\nContent-Length: ${BODY.length}\r\n`, BODY),
  'two lengths that differ': post(`${HOST}Content-Length: ${BODY.length}\r\nContent-Length: 3\r\n`, BODY),
  'two lengths that agree': post(`${HOST}Content-Length: ${BODY.length}\r\nContent-Length: ${BODY.length}\r\n`, BODY),
  'an empty length': post(`${HOST}Content-Length:\r\n`),
  'a coding that only ends in chunked': post(`${HOST}Transfer-Encoding: xchunked\r\n`, '0\r\n\r\n'),
  'a list of codings': post(`${HOST}Transfer-Encoding: gzip, chunked\r\n`, '0\r\n\r\n'),
  'chunked before another coding': post(`${HOST}Transfer-Encoding: chunked, identity\r\n`, '0\r\n\r\n'),
  'two codings': post(`${HOST}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n'),
  'an empty coding': post(`${HOST}Transfer-Encoding:\r\n`),
};

/** Refused by the native parser: a bare 400 or 505 and the end, or nothing but the end. */
const DROPPED: Record<string, string> = {
  'no host': post(`Content-Length: ${BODY.length}\r\n`, BODY),
  'a length and a coding': post(`${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n'),
  'a coding and a length': post(`${HOST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n`, '0\r\n\r\n'),
  'a length with a sign': post(`${HOST}Content-Length: +3\r\n`, 'abc'),
  'a negative length': post(`${HOST}Content-Length: -3\r\n`, 'abc'),
  'a list of lengths': post(`${HOST}Content-Length: 3, 3\r\n`, 'abc'),
  'a hexadecimal length': post(`${HOST}Content-Length: 0x3\r\n`, 'abc'),
  'a length beyond any number': post(`${HOST}Content-Length: 99999999999999999999\r\n`, 'abc'),
  'an unknown coding': post(`${HOST}Transfer-Encoding: identity\r\n`, '0\r\n\r\n'),
  'a chunk size that is no number': post(`${HOST}Transfer-Encoding: chunked\r\n`, 'zz\r\nabc\r\n0\r\n\r\n'),
  'line feeds alone': post(HOST).replaceAll('\r\n', '\n'),
  'HTTP/1.0': post(HOST).replace('HTTP/1.1', 'HTTP/1.0'),
};

/** Never a whole head for the native parser: it waits, and cuts the connection after ten seconds. */
const STALLED: Record<string, string> = {
  'a folded header': post(`${HOST}X-Note: a\r\n b\r\nContent-Length: ${BODY.length}\r\n`, BODY),
  'a folded coding': post(`${HOST}Transfer-Encoding:\r\n chunked\r\n`, '0\r\n\r\n'),
  'a space before the colon': post(`${HOST}Content-Length : ${BODY.length}\r\n`, BODY),
  'a bare line feed in a header': post(`${HOST}X-Note: a\nContent-Length: ${BODY.length}\r\n`, BODY),
  'a bare carriage return in a header': post(`${HOST}X-Note: a\rContent-Length: ${BODY.length}\r\n`, BODY),
  'a NUL in a header': post(`${HOST}X-Note: a\0b\r\nContent-Length: ${BODY.length}\r\n`, BODY),
  'a header without a colon': post(`${HOST}nonsense\r\nContent-Length: ${BODY.length}\r\n`, BODY),
};

describe('ambiguous framing', () => {
  test.each(Object.entries(REFUSED))('is refused with a problem: %s', async (_, request) => {
    const server = await serve();
    const { answers, closed } = await raw(server.port, [request]);
    expect(answers).toHaveLength(1);
    expect(answers[0]?.status).toBe(400);
    expect(JSON.parse(answers[0]?.body ?? '')).toMatchObject({ code: 'REQUEST_SMUGGLING', status: 400 });
    expect(closed).toBe(true);
  });

  test.each(Object.entries(DROPPED))('never reaches a route: %s', async (_, request) => {
    const server = await serve();
    const { answers, closed } = await raw(server.port, [request]);
    expect(answers.every(({ status }) => status === 400 || status === 505)).toBe(true);
    expect(closed).toBe(true);
  });

  test.each(Object.entries({ ...REFUSED, ...DROPPED }))('does not serve what follows: %s', async (_, request) => {
    const server = await serve();
    const { answers, closed } = await raw(server.port, [request + SMUGGLED + SMUGGLED]);
    expect(answers.filter(({ status }) => status < 400)).toEqual([]);
    expect(closed).toBe(true);
    expect(server.log.partition('t', 0).tail + server.log.partition('t', 1).tail).toBe(0);
  });

  test('is not taken up by a parser that waits: folded headers and their like', async () => {
    const server = await serve();
    const waits = Object.values(STALLED).map((request) => raw(server.port, [request + SMUGGLED]));
    for (const { answers, closed } of await Promise.all(waits)) {
      expect(answers.filter(({ status }) => status < 400)).toEqual([]);
      expect(closed).toBe(true);
    }
    expect(server.log.partition('t', 0).tail + server.log.partition('t', 1).tail).toBe(0);
  });
});

describe('a body in chunks', () => {
  const chunked = post(`${HOST}Transfer-Encoding: chunked\r\n`, `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`);

  test('is read, and ends its connection', async () => {
    const server = await serve();
    const { answers, closed } = await raw(server.port, [chunked]);
    expect(answers.map(({ status }) => status)).toEqual([200]);
    expect(closed).toBe(true);
  });

  test('is not followed by what its trailers hide', async () => {
    const server = await serve();
    const hidden = chunked.replace('0\r\n\r\n', `0\r\nX-Note: 1\r\n${SMUGGLED}`);
    const { answers, closed } = await raw(server.port, [hidden]);
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(closed).toBe(true);
    expect(server.log.partition('t', 0).tail + server.log.partition('t', 1).tail).toBeLessThanOrEqual(1);
  });

  test('is not followed by another request on its connection', async () => {
    const server = await serve();
    const { closed } = await raw(server.port, [chunked + SMUGGLED]);
    expect(closed).toBe(true);
    expect(server.log.partition('t', 0).tail + server.log.partition('t', 1).tail).toBeLessThanOrEqual(1);
  });
});
