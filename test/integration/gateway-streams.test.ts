/** Large bodies through the gateway: they pass at flat memory, and who does not read holds back who sends. */
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { waitFor } from '#kit';
import { behind } from './gateway-fixture.ts';

const MIB = 1024 * 1024;

describe('memory stays flat', () => {
  const GROWTH_BYTES_MAX = 150 * MIB;

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
    const rss = () => gateway.metric(/process_resident_memory_bytes (\d+)/);
    const before = await rss();
    let peak = 0;
    const watch = setInterval(
      () =>
        void rss().then((now) => {
          peak = Math.max(peak, now);
        }),
      100,
    );
    let down = 0;
    for await (const chunk of (await gateway.get('/x')).body ?? []) down += (chunk as Uint8Array).length;
    expect(down).toBe(1_024 * MIB);
    clearInterval(watch);
    expect(peak - before).toBeLessThan(GROWTH_BYTES_MAX);
  });

  test('while a client does not read, and its upstream is not read either', async () => {
    let sent = 0;
    const gateway = await behind((_, response) => {
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
    let last = -1;
    await waitFor(
      () => {
        const still = sent === last;
        last = sent;
        return still;
      },
      { what: 'the upstream to be held', everyMs: 500 },
    );
    expect(sent).toBeLessThan(100);
    let read = 0;
    socket.on('data', (chunk: Buffer) => {
      read += chunk.length;
    });
    socket.resume();
    await waitFor(() => read > 400 * MIB, { what: 'all of it' });
    socket.destroy();
  });
});
