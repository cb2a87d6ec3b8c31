/**
 * How HTTP/1.1 must be read, at the server and at the gateway: the checks of the public h1spec list, and more of RFC 9112,
 * as bytes on a socket. What is refused at the gateway never reaches its upstream.
 */
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { waitFor } from '#kit';
import { sharedGateway, startUpstream } from './gateway-fixture.ts';
import { raw } from './http-fixture.ts';

const HOST = 'Host: example.com\r\n';
/** Its UTF-8, a character a byte. */
const NAME = Buffer.from('Zoë Łuk').toString('latin1');
const BODY = '{"records":[{"value":1}]}';

interface Subject {
  readonly name: string;
  readonly port: number;
  readonly get: string;
  readonly post: string;
}

/** Good requests, as text made for a subject. */
const GOOD: Record<string, (subject: Subject) => string> = {
  'a plain GET': ({ get }) => `GET ${get} HTTP/1.1\r\n${HOST}\r\n`,
  'names in any case, a tab before a value, an empty value': ({ get }) =>
    `GET ${get} HTTP/1.1\r\nhoSt:\texample.com\r\nempty:\r\n\r\n`,
  'a value of blanks': ({ get }) => `GET ${get} HTTP/1.1\r\n${HOST}X-Blank: \r\n\r\n`,
  'UTF-8 in a value': ({ get }) => `GET ${get} HTTP/1.1\r\n${HOST}X-Name: ${NAME}\r\n\r\n`,
  'a body of known length': ({ post }) =>
    `POST ${post} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
  'a body in chunks': ({ post }) =>
    `POST ${post} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
    `9\r\n${BODY.slice(0, 9)}\r\n10\r\n${BODY.slice(9)}\r\n0\r\n\r\n`,
};

const BAD: Record<string, string> = {
  'no version': 'GET /bad \r\n\r\n',
  'a version that is none': `GET /bad HTTP/9.9\r\n${HOST}\r\n`,
  'a version in lower case': `GET /bad http/1.1\r\n${HOST}\r\n`,
  'words before the method': `Extra lineGET /bad HTTP/1.1\r\n${HOST}\r\n`,
  'two blanks before the path': `GET  /bad HTTP/1.1\r\n${HOST}\r\n`,
  'no host': 'GET /bad HTTP/1.1\r\nContent-Length: 5\r\n\r\n',
  'two hosts': `GET /bad HTTP/1.1\r\n${HOST}Host: example.org\r\n\r\n`,
  'brackets in a name': `GET /bad HTTP/1.1\r\n${HOST}X-Invalid[]: test\r\n\r\n`,
  'an empty name': `GET /bad HTTP/1.1\r\n${HOST}: test\r\n\r\n`,
  'a blank before the colon': `GET /bad HTTP/1.1\r\n${HOST}X-Name : test\r\n\r\n`,
  'a folded value': `GET /bad HTTP/1.1\r\n${HOST}X-Name: a\r\n b\r\n\r\n`,
  'a control character in a value': `GET /bad HTTP/1.1\r\n${HOST}X-Bad: test\x07\r\n\r\n`,
  'a NUL in a value': `GET /bad HTTP/1.1\r\n${HOST}X-Bad: te\x00st\r\n\r\n`,
  'DEL in a value': `GET /bad HTTP/1.1\r\n${HOST}X-Bad: te\x7fst\r\n\r\n`,
  'a carriage return alone': `GET /bad HTTP/1.1\r\n${HOST}\rSome-Header: Test\r\n\r\n`,
  'a line feed alone': `GET /bad HTTP/1.1\n${HOST}\r\n`,
  'a length that is no number': `GET /bad HTTP/1.1\r\n${HOST}Content-Length: abc\r\n\r\n`,
  'a negative length': `GET /bad HTTP/1.1\r\n${HOST}Content-Length: -1234\r\n\r\n`,
  'a negative length beyond any number': `GET /bad HTTP/1.1\r\n${HOST}Content-Length: -123456789123456789123456789\r\n\r\n`,
  'a length and chunks': `POST /bad HTTP/1.1\r\n${HOST}content-LengtH: 5\r\nTransFer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  'chunks that are not the last coding': `POST /bad HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
  'a negative chunk size': `POST /bad HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n`,
  'a chunk size beyond any number': `POST /bad HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n`,
};

async function subjects(): Promise<{ all: Subject[]; seen: string[] }> {
  const seen: string[] = [];
  const upstream = await startUpstream((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString('latin1');
    });
    request.on('end', () => {
      seen.push(`${request.method} ${request.url} ${request.headers['x-name'] ?? ''}${body}`);
      response.end('ok');
    });
  });
  const gateway = await sharedGateway();
  await gateway.serve([upstream.port]);
  await gateway.put('topic', 't', {});
  const all = [
    { name: 'server', port: gateway.server.port, get: '/healthz', post: '/v1/topics/t/records' },
    { name: 'gateway', port: gateway.port, get: '/get', post: '/post' },
  ];
  return { all, seen };
}

/** The text in small pieces, the first of them the request line: within its version the native side takes no break. */
function crumbs(text: string): (string | number)[] {
  const line = text.indexOf('\r\n') + 2;
  const rest = text.slice(line).match(/[\s\S]{1,7}/g) ?? [];
  return [text.slice(0, line), ...rest.flatMap((piece) => [2, piece])];
}

test('good requests are answered and passed on, whole or in pieces', async () => {
  const { all, seen } = await subjects();
  for (const subject of all) {
    for (const [name, request] of Object.entries(GOOD)) {
      const text = request(subject);
      for (const pieces of [[text], crumbs(text)]) {
        const { answers } = await raw(subject.port, pieces, 1);
        expect([subject.name, name, answers.map(({ status }) => status)]).toEqual([subject.name, name, [200]]);
      }
    }
  }
  expect(seen).toHaveLength(2 * Object.keys(GOOD).length);
  expect(seen.filter((one) => one === `POST /post ${BODY}`)).toHaveLength(4);
  expect(seen.filter((one) => one === `GET /get ${NAME}`)).toHaveLength(2);
});

test('a request that stops in its head is waited for, and reaches nobody until it is whole', async () => {
  const { all, seen } = await subjects();
  for (const subject of all) {
    const text = `GET ${subject.get} HTTP/1.1\r\n${HOST}\r\n`;
    const places = ['ET ', 'et', 'z', '\n', 'Host', 'st:', ': ex', 'example', 'com', '\r\n\r', '\n\r\n', '\r\n\r\n'];
    const cuts = places.map((place) => text.indexOf(place) + 1).filter((cut) => cut > 0);
    for (const cut of [...cuts, text.length - 1]) {
      const before = seen.length;
      let whole = 0;
      const pieces = [text.slice(0, cut), 60, text.slice(cut)];
      const { answers } = await raw(subject.port, pieces, 1).then((found) => {
        whole = seen.length;
        return found;
      });
      expect([subject.name, cut, answers.map(({ status }) => status)]).toEqual([subject.name, cut, [200]]);
      expect(whole - before).toBe(subject.name === 'gateway' ? 1 : 0);
    }
  }
});

test('bad requests are refused or let alone, lose their connection, and reach no upstream', async () => {
  const { all, seen } = await subjects();
  const hidden = `GET /hidden HTTP/1.1\r\n${HOST}\r\n`;
  // At once: what the native side cannot take for a head it waits on, until its time is over.
  const outcomes = all.flatMap(({ name, port }) =>
    Object.entries(BAD).map(async ([what, request]) => {
      const { answers, closed } = await raw(port, [request + hidden]);
      const good = answers.map(({ status }) => status).filter((status) => status < 400);
      return { outcome: [name, what, good, closed], expected: [name, what, [], true] };
    }),
  );
  for (const { outcome, expected } of await Promise.all(outcomes)) expect(outcome).toEqual(expected);
  expect(seen).toEqual([]);
});

test('what makes no sense as a request is told so', async () => {
  const { all, seen } = await subjects();
  const told = ['no host', 'two hosts', 'a length that is no number', 'a negative length', 'a length and chunks'];
  for (const { name, port } of all) {
    for (const what of told) {
      const { answers, closed } = await raw(port, [BAD[what] as string]);
      expect([name, what, answers.map(({ status }) => status), closed]).toEqual([name, what, [400], true]);
    }
  }
  const { answers } = await raw(all[1]?.port as number, [BAD['DEL in a value'] as string], 1);
  expect([JSON.parse(answers[0]?.body ?? '{}').code, seen]).toEqual(['REQUEST_MALFORMED', []]);
});

test('a request that expects to be told to go on, is', async () => {
  const { all } = await subjects();
  for (const { name, port, post } of all) {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket.on('data', (data) => {
      received += data.toString('latin1');
    });
    socket.write(`POST ${post} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nExpect: 100-continue\r\n`);
    socket.write(`Content-Length: ${BODY.length}\r\n\r\n`);
    await waitFor(() => received.startsWith('HTTP/1.1 100 '), { what: `the ${name} to say go on` });
    socket.write(BODY);
    await waitFor(() => received.includes('HTTP/1.1 200 '), { what: `the ${name} to answer` });
    socket.destroy();
  }
});
