/** Large bodies through the gateway: they pass at flat memory, and who does not read holds back who sends. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { waitFor } from '#kit';
import { behind, behindShared } from './gateway-fixture.ts';
import { raw } from './http-fixture.ts';

const MIB = 1024 * 1024;

const GROWTH_BYTES_MAX = 150 * MIB;
const RESIDENT = /process_resident_memory_bytes (\d+)/;

/** A POST of so many MiB, as fast as it is taken. */
function upload(url: string, mebibytes: number) {
  const piece = Buffer.alloc(MIB, 'x');
  const request = httpRequest(url, { method: 'POST', headers: { 'content-length': mebibytes * MIB } });
  let given = 0;
  const send = () => {
    while (given < mebibytes) {
      given++;
      if (!request.write(piece)) return;
    }
    request.end();
  };
  request.on('drain', send);
  send();
  const status = once(request, 'response').then(([response]) => response.resume().statusCode as number);
  return { status, given: () => given };
}

/** The most that a figure grows by until it is asked for. */
function growth(read: () => Promise<number>) {
  let first: number | undefined;
  let peak = 0;
  const look = () =>
    read().then((now) => {
      first ??= now;
      peak = Math.max(peak, now - first);
    });
  const started = look();
  const timer = setInterval(() => void look(), 100);
  return {
    started,
    end: async () => {
      clearInterval(timer);
      await look();
      return peak;
    },
  };
}

/** Waits until a figure has not changed between two looks. */
async function settled(figure: () => number, what: string): Promise<void> {
  let last = -1;
  const still = () => {
    const same = figure() === last;
    last = figure();
    return same;
  };
  await waitFor(still, { what, everyMs: 500 });
}

describe('memory stays flat', () => {
  test('while a gigabyte streams down', async () => {
    const piece = Buffer.alloc(MIB, 'x');
    const gateway = await behind((_, response) => {
      response.writeHead(200, { 'content-length': String(1_024 * MIB) });
      let sent = 0;
      const send = () => {
        while (sent++ < 1_024) if (!response.write(piece)) return;
        response.end();
      };
      response.on('drain', send);
      send();
    });
    const memory = growth(() => gateway.metric(RESIDENT));
    await memory.started;
    let down = 0;
    for await (const chunk of (await gateway.get('/x')).body ?? []) down += (chunk as Uint8Array).length;
    expect(down).toBe(1_024 * MIB);
    expect(await memory.end()).toBeLessThan(GROWTH_BYTES_MAX);
  });

  test('while a client does not read, and its upstream is not read either', async () => {
    let sent = 0;
    const gateway = await behindShared((_, response) => {
      const piece = Buffer.alloc(MIB);
      const send = () => {
        while (sent < 400) {
          sent++;
          if (!response.write(piece)) return;
        }
        response.end();
      };
      response.on('drain', send);
      send();
    });
    const socket = connect(gateway.port, '127.0.0.1');
    socket.pause();
    socket.write('GET /x HTTP/1.1\r\nHost: a\r\n\r\n');
    await waitFor(() => sent > 0, { what: 'the answer to begin' });
    await settled(() => sent, 'the upstream to be held');
    expect(sent).toBeLessThan(100);
    let read = 0;
    socket.on('data', (chunk: Buffer) => {
      read += chunk.length;
    });
    socket.resume();
    await waitFor(() => read > 400 * MIB, { what: 'all of it' });
    socket.destroy();
  });

  test('while a gigabyte streams up', async () => {
    let received = 0;
    const gateway = await behind((request, response) => {
      request.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      request.on('end', () => response.end('ok'));
    });
    const memory = growth(() => gateway.metric(RESIDENT));
    await memory.started;
    expect([await upload(`${gateway.url}/x`, 1_024).status, received]).toEqual([200, 1_024 * MIB]);
    expect(await memory.end()).toBeLessThan(GROWTH_BYTES_MAX);
  });

  test('while an upstream does not read, and its client is not read either; all of it arrives in the end', async () => {
    let start: (() => void) | undefined;
    let received = 0;
    const gateway = await behind((request, response) => {
      start = () => {
        request.on('data', (chunk: Buffer) => {
          received += chunk.length;
        });
        request.on('end', () => response.end('ok'));
      };
    });
    const memory = growth(() => gateway.metric(RESIDENT));
    await memory.started;
    const { status, given } = upload(`${gateway.url}/x`, 1_024);
    await waitFor(() => start, { what: 'the request to arrive' });
    await settled(given, 'the client to be held');
    // What the sockets of this machine take in by themselves is part of it.
    expect(given()).toBeLessThan(100);
    start?.();
    expect([await status, received]).toEqual([200, 1_024 * MIB]);
    expect(await memory.end()).toBeLessThan(GROWTH_BYTES_MAX);
  });
});

describe('a request that is answered before all of it has come', () => {
  test('is read to its end, so that its client sees the answer and goes on with the connection', async () => {
    const gateway = await behindShared((_, response) => response.end('early'), { path: '/x' });
    const body = Buffer.alloc(8 * MIB, 'x');
    const head = (path: string) => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    const get = 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n';
    for (const path of ['/x', '/nowhere']) {
      const { answers } = await raw(gateway.port, [head(path), 200, body, get], 2);
      expect(answers.map(({ status }) => status)).toEqual([path === '/x' ? 200 : 404, 200]);
    }
  });

  test('loses its connection when too much would have to be read', async () => {
    const gateway = await behindShared((_, response) => response.end('early'), { path: '/x' });
    const head = `POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: ${1_024 * MIB}\r\n\r\n`;
    const { answers, closed } = await raw(gateway.port, [head]);
    expect([answers.map(({ status }) => status), closed]).toEqual([[404], true]);
  });
});
