/** The body of a request that streams, on its way into a connection: while the connection takes no more, the body waits. */
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';

export class BodySender {
  readonly #body: Readable;
  readonly #socket: Socket;
  readonly #chunked: boolean;
  readonly #sent: () => void;

  /** @param sent called when all of it is written */
  constructor(body: Readable, socket: Socket, chunked: boolean, sent: () => void) {
    this.#body = body;
    this.#socket = socket;
    this.#chunked = chunked;
    this.#sent = sent;
    body.on('data', this.#data).on('end', this.#end);
    socket.on('drain', this.#drained);
  }

  /** What has not been sent will not be. */
  stop(): void {
    this.#body.off('data', this.#data).off('end', this.#end).pause();
    this.#socket.off('drain', this.#drained);
  }

  readonly #data = (chunk: Buffer): void => {
    const socket = this.#socket;
    let room: boolean;
    if (this.#chunked) {
      // An empty chunk would be the end.
      if (chunk.length === 0) return;
      socket.cork();
      socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
      socket.write(chunk);
      room = socket.write('\r\n', 'latin1');
      socket.uncork();
    } else room = socket.write(chunk);
    if (!room) this.#body.pause();
  };

  readonly #drained = (): void => {
    this.#body.resume();
  };

  readonly #end = (): void => {
    this.stop();
    if (this.#chunked) this.#socket.write('0\r\n\r\n', 'latin1');
    this.#sent();
  };
}
