/** The client's socket in browsers, where a key travels as a subprotocol because headers cannot be set. */
import type { Socket, SocketEvents } from './socket.ts';

export function openSocket(url: string, protocol: string, key: string | undefined, events: SocketEvents): Socket {
  const socket = new WebSocket(url, key === undefined ? [protocol] : [protocol, `sluice.key.${key}`]);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => events.opened();
  socket.onmessage = ({ data }) => events.received(new Uint8Array(data as ArrayBuffer));
  socket.onclose = ({ code }) => events.ended(`closed with code ${code}`);
  return {
    send: (frame) => socket.send(frame),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close: () => socket.close(),
  };
}
