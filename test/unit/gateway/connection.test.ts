/** One connection to an upstream, against a server whose every byte is chosen here: when it is used again, and when never. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { lacking, tempDir, waitFor } from '#kit';
import { ConnectFailure } from '../../../src/gateway/upstream/origin.ts';
import { connectTo, type Peer, type Sent, serve } from './raw-upstream.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function over(sent: Sent): Promise<void> {
  await waitFor(() => sent.over || sent.error !== undefined, { what: 'the end of a request' });
}

async function peerOf(peers: readonly Peer[], text = '\r\n\r\n'): Promise<Peer> {
  await waitFor(() => peers[0]?.received.includes(text) === true, { what: `${JSON.stringify(text)} to arrive` });
  return peers[0] as Peer;
}

describe('a connection', () => {
  test('carries one request after another, as it was written', async () => {
    const { peers, url } = await serve();
    const { log, send } = connectTo(url);
    for (let i = 1; i <= 3; i++) {
      const sent = send({ path: `/${i}`, headers: ['host', 'x', 'x-a', '\xe4'] });
      const peer = await peerOf(peers, `GET /${i} HTTP/1.1\r\nhost: x\r\nx-a: \xe4\r\nconnection: keep-alive\r\n\r\n`);
      peer.socket.write(ANSWER);
      await over(sent);
      expect(sent).toMatchObject({ status: 200, body: 'ok', error: undefined });
      expect(log).toHaveLength(i);
    }
    expect([peers.length, new Set(log)]).toEqual([1, new Set(['freed'])]);
  });

  test.for([
    ['closes', (socket: Socket) => socket.end()],
    ['speaks unasked', (socket: Socket) => socket.write(ANSWER)],
    ['resets it', (socket: Socket) => socket.resetAndDestroy()],
  ] as const)('at rest is lost when the server %s', async ([, act]) => {
    const { peers, url } = await serve();
    const { log, send } = connectTo(url);
    const sent = send();
    const { socket } = await peerOf(peers);
    socket.write(ANSWER);
    await over(sent);
    act(socket);
    await waitFor(() => log.includes('lost'), { what: 'the connection to be lost' });
    expect(sent).toMatchObject({ body: 'ok', error: undefined });
  });

  test.for([
    ['that is broken off', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok', 'closed the connection'],
    ['that never begins', '', 'closed the connection'],
    ['that is none', 'SSH-2.0\r\n\r\n', 'no proper answer'],
  ] as const)('fails its request by an answer %s', async ([, text, message]) => {
    const { peers, url } = await serve();
    const { log, send } = connectTo(url);
    const sent = send();
    const { socket } = await peerOf(peers);
    socket.end(text);
    await over(sent);
    expect(sent.error?.message).toContain(message);
    expect(sent.error).not.toBeInstanceOf(ConnectFailure);
    expect(log).toEqual(['lost']);
  });

  test('is not used again after an answer that ends with it, or whose server says so', async () => {
    for (const answer of [
      'HTTP/1.1 200 OK\r\n\r\nok',
      ANSWER.replace('OK', 'OK\r\nConnection: close'),
      `${ANSWER}more`,
    ]) {
      const { peers, url } = await serve();
      const { log, send } = connectTo(url);
      const sent = send();
      const { socket } = await peerOf(peers);
      socket.end(answer);
      await over(sent);
      expect([sent.body, sent.error, log]).toEqual(['ok', undefined, ['lost']]);
    }
  });

  test('rests no longer than its server says', async () => {
    const { peers, url } = await serve();
    const { connection, log, send } = connectTo(url);
    const sent = send();
    const { socket } = await peerOf(peers);
    socket.write(ANSWER.replace('OK', 'OK\r\nKeep-Alive: timeout=5, max=9'));
    await over(sent);
    expect(connection.restMs).toBe(4_000);
    const last = send();
    socket.write(ANSWER.replace('OK', 'OK\r\nKeep-Alive: timeout=1'));
    await over(last);
    expect(log).toEqual(['freed', 'lost']);
  });

  test('sends a body in chunks, or by its length, as it comes', async () => {
    for (const length of [undefined, 8]) {
      const { peers, url } = await serve();
      const { log, send } = connectTo(url);
      const told = length === undefined ? [] : ['content-length', String(length)];
      const body = new Readable({ read: () => undefined });
      const sent = send({ method: 'POST', headers: ['host', 'x', ...told], body });
      body.push('abcde');
      const { socket } = await peerOf(peers, 'abcde');
      body.push('xyz');
      body.push(null);
      const peer = await peerOf(peers, length === undefined ? '3\r\nxyz\r\n0\r\n\r\n' : 'abcdexyz');
      expect(peer.received.includes('transfer-encoding: chunked')).toBe(length === undefined);
      socket.write(ANSWER);
      await over(sent);
      expect(log).toEqual(['freed']);
    }
  });

  test('does not take more of a body than its server takes', async () => {
    const { peers, url } = await serve();
    const { send } = connectTo(url);
    let given = 0;
    let paused = false;
    const body = new Readable({
      read() {
        if (!paused) return;
        given += 65_536;
        this.push(given > 24 * 1024 * 1024 ? null : Buffer.alloc(65_536));
      },
    });
    const sent = send({ method: 'POST', body });
    const { socket } = await peerOf(peers);
    socket.pause();
    paused = true;
    body.push('the first');
    let before = -1;
    await waitFor(
      () => {
        const rests = given === before;
        before = given;
        return rests;
      },
      { what: 'the body to rest', everyMs: 50 },
    );
    expect(given).toBeLessThan(16 * 1024 * 1024);
    socket.resume();
    await peerOf(peers, '\r\n0\r\n\r\n');
    socket.write(ANSWER);
    await over(sent);
    expect(sent.body).toBe('ok');
  });

  test('that is answered before all of a body is sent is not used again', async () => {
    const { peers, url } = await serve();
    const { log, send } = connectTo(url);
    const body = new Readable({ read: () => undefined });
    const sent = send({ method: 'POST', body });
    const { socket } = await peerOf(peers);
    socket.write(ANSWER.replace('200', '413'));
    await over(sent);
    body.push('more');
    expect([sent.status, sent.body, log]).toEqual([413, 'ok', ['lost']]);
  });

  test('reads no more while it is paused, and ends with an abort', async () => {
    const { peers, url } = await serve();
    const { log, send } = connectTo(url);
    const sent = send();
    const { socket } = await peerOf(peers);
    sent.answered = () => sent.flow?.pause();
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n`);
    const part = Buffer.alloc(1024 * 1024);
    let taken = 0;
    while (socket.write(part, () => taken++)) await new Promise((resolve) => setImmediate(resolve));
    await waitFor(() => socket.writableLength > 0, { what: 'the server to be held up' });
    expect(sent.body.length).toBeLessThan(200_000);
    sent.flow?.resume();
    await waitFor(() => sent.body.length > 200_000, { what: 'more to be read' });
    sent.flow?.abort();
    await waitFor(() => log.includes('lost') && socket.destroyed, { what: 'the server to hear of it' });
    expect([sent.over, sent.error]).toEqual([false, undefined]);
  });

  test('that is not there yet waits with its request, which may be given up meanwhile', async () => {
    const { peers, url } = await serve();
    const { log, send } = connectTo(url);
    const first = send({ path: '/given-up' });
    first.flow?.abort();
    expect(log).toEqual(['freed']);
    const second = send({ path: '/meant' });
    const peer = await peerOf(peers);
    expect(peer.received).toContain('GET /meant ');
    expect(peer.received).not.toContain('given-up');
    peer.socket.write(ANSWER);
    await over(second);
    expect(second.body).toBe('ok');
  });

  test('that does not come about has sent nothing', async () => {
    const { port } = (await serve()).url;
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const free = (closed.address() as AddressInfo).port;
    await new Promise((resolve) => closed.close(resolve));
    for (const [host, code] of [
      [`127.0.0.1:${free}`, 'ECONNREFUSED'],
      [`localhost.invalid:${port}`, ''],
    ]) {
      const { log, send } = connectTo(new URL(`http://${host}`));
      const sent = send();
      await over(sent);
      expect(sent.error).toBeInstanceOf(ConnectFailure);
      if (code !== '') expect(sent.error).toMatchObject({ code });
      expect(log).toEqual(['lost']);
    }
  });

  test.skipIf(lacking('openssl'))('over TLS checks whom it speaks to, and carries requests all the same', async () => {
    const folder = await tempDir();
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const what = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    execFileSync('openssl', [...what, '-subj', '/CN=localhost', '-keyout', key, '-out', cert], { stdio: 'ignore' });
    const { peers, url } = await serve({ key: readFileSync(key), cert: readFileSync(cert) });
    const distrusting = connectTo(url).send();
    await over(distrusting);
    expect(distrusting.error).toBeInstanceOf(ConnectFailure);
    peers.length = 0;
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    onTestFinished(() => {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    });
    const { log, send } = connectTo(url);
    for (let i = 0; i < 2; i++) {
      const sent = send({ path: `/${i}` });
      const { socket } = await peerOf(peers, `GET /${i} `);
      socket.write(ANSWER);
      await over(sent);
      expect(sent.body).toBe('ok');
    }
    expect(log).toEqual(['freed', 'freed']);
  });
});
