/** A server whose every byte a test chooses, and one connection to it, for tests of what goes over it. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createServer as createSecure } from 'node:tls';
import { onTestFinished } from 'vitest';
import { AddressRule, guardedLookup } from '../../../src/gateway/upstream/address.ts';
import type { Carried, Flow } from '../../../src/gateway/upstream/carried.ts';
import { Connection } from '../../../src/gateway/upstream/connection.ts';
import { Origin } from '../../../src/gateway/upstream/origin.ts';
import { type ComposedRequest, writtenRequest } from '../../../src/gateway/upstream/request-text.ts';

const lookup = guardedLookup(new AddressRule(['127.0.0.0/8']));

const RECEIVED_KEPT = 10_000;

/** What happened to a request. */
export class Sent implements Carried {
  abandoned = false;
  flow: Flow | undefined;
  status = 0;
  body = '';
  over = false;
  error: Error | undefined;

  begun(flow: Flow): void {
    this.flow = flow;
  }

  answered({ status }: { status: number }): void {
    this.status = status;
  }

  data(chunk: Buffer): void {
    this.body += chunk.toString('latin1');
  }

  ended(): void {
    this.over = true;
  }

  failed(error: Error): void {
    this.error = error;
  }
}

export interface Peer {
  readonly socket: Socket;
  received: string;
}

/** A server that only takes in. */
export async function serve(secure?: { cert: Buffer; key: Buffer }) {
  const peers: Peer[] = [];
  const take = (socket: Socket) => {
    const peer: Peer = { socket, received: '' };
    peers.push(peer);
    socket
      .on('error', () => undefined)
      .on('data', (data) => {
        peer.received = (peer.received + data.toString('latin1')).slice(-RECEIVED_KEPT);
      });
  };
  const server = secure === undefined ? createServer(take) : createSecure(secure, take);
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const { socket } of peers) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { peers, url: new URL(`${secure === undefined ? 'http' : 'https'}://localhost:${port}`) };
}

/** A connection to it, what it told its owner, and a way to send. */
export function connectTo(url: URL) {
  const log: string[] = [];
  const connection = new Connection(new Origin(url, { connectMs: 1_000, lookup }), {
    freed: () => log.push('freed'),
    lost: () => log.push('lost'),
  });
  onTestFinished(() => connection.close());
  const send = (parts: Partial<ComposedRequest> = {}) => {
    const sent = new Sent();
    connection.send(writtenRequest({ method: 'GET', path: '/', headers: ['host', 'x'], body: null, ...parts }), sent);
    return sent;
  };
  return { connection, log, send };
}
