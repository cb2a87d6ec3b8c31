/**
 * The client's socket in Node: the `ws` package, since Node 20 has no WebSocket of its own. Loaded with the first socket:
 * what only asks by HTTP has no need of it.
 */
import { createRequire } from 'node:module';
import type * as Ws from 'ws';
import type { Socket, SocketEvents } from './socket.ts';

const require = createRequire(import.meta.url);
const FRAME_BYTES_MAX = 64 * 1024 * 1024;

export function openSocket(url: string, protocol: string, key: string | undefined, events: SocketEvents): Socket {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const { WebSocket } = require('ws') as typeof Ws;
  const socket = new WebSocket(url, protocol, {
    headers,
    perMessageDeflate: false,
    maxPayload: FRAME_BYTES_MAX,
    skipUTF8Validation: true,
  });
  socket.binaryType = 'nodebuffer';
  let reason = '';
  socket.on('open', () => events.opened());
  socket.on('message', (frame: Buffer) => events.received(frame));
  socket.on('unexpected-response', (_request, response) => {
    reason = `the server answered ${response.statusCode}`;
    response.resume();
    socket.terminate();
  });
  socket.on('error', (error) => {
    reason ||= error.message;
  });
  socket.on('close', (code) => events.ended(reason || `closed with code ${code}`));
  return {
    send: (frame) => socket.send(frame),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close: () => socket.close(),
  };
}
