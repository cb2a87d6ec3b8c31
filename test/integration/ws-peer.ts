/** A WebSocket connection as a stranger's client would make it: says messages, hears what comes. */
import { Packr, Unpackr } from 'msgpackr';
import WebSocket from 'ws';
import { type Server, waitFor } from '#kit';

export type Message = Record<string, unknown> & { readonly op: string };

const packr = new Packr({ useRecords: false, int64AsType: 'number' });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

export class Peer {
  readonly socket: WebSocket;
  readonly received: Message[] = [];
  closed: number | undefined;

  private constructor(socket: WebSocket, binary: boolean) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => {
      const decoded = (binary ? unpackr.unpack(data) : JSON.parse(data.toString())) as Message | Message[];
      this.received.push(...(Array.isArray(decoded) ? decoded : [decoded]));
    });
    socket.on('close', (code) => {
      this.closed = code;
    });
  }

  static async open(server: Server, codec: 'json' | 'msgpack', headers: Record<string, string> = {}): Promise<Peer> {
    const socket = new WebSocket(server.wsUrl, `sluice.v1.${codec}`, { headers });
    const peer = new Peer(socket, codec === 'msgpack');
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return peer;
  }

  say(message: unknown): void {
    this.socket.send(this.socket.protocol.endsWith('json') ? JSON.stringify(message) : packr.pack(message));
  }

  /** The first message that fits, now or soon. */
  hear(fits: Partial<Message>): Promise<Message> {
    const matches = (message: Message) => Object.entries(fits).every(([name, value]) => message[name] === value);
    return waitFor(() => this.received.find(matches), { what: `a message like ${JSON.stringify(fits)}` });
  }
}
