/**
 * The load generator: a raw socket that sends WebSocket frames encoded and masked beforehand, and counts what is
 * acknowledged, so that what is measured is the server. One of these costs a write and a few bytes of parsing a frame.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { Packr, Unpackr } from 'msgpackr';
import { encodeBatch } from '#record';

const packr = new Packr({ useRecords: false, int64AsType: 'number' });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', copyBuffers: false });
const RECORD_FRAME_BYTES = 8;
const BATCH_HEADER_BYTES = 61;
export const RECORD_BYTES = 100;

/** A batch of 100-byte records, about `bytes` long. */
export function loadBatch(bytes: number): { batch: Uint8Array; count: number } {
  const count = Math.max(1, Math.floor((bytes - BATCH_HEADER_BYTES) / (RECORD_BYTES + RECORD_FRAME_BYTES)));
  const value = randomBytes(RECORD_BYTES);
  const now = Date.now();
  return { batch: encodeBatch(Array.from({ length: count }, () => ({ value, timestamp: now }))), count };
}

/** A binary client frame: header, mask, masked payload. */
export function maskedFrame(message: unknown): Buffer {
  const payload = packr.pack(message);
  const mask = randomBytes(4);
  const head = payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10;
  const frame = Buffer.alloc(head + 4 + payload.length);
  frame[0] = 0x82;
  if (head === 2) frame[1] = 0x80 | payload.length;
  else if (head === 4) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(payload.length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  mask.copy(frame, head);
  for (let i = 0; i < payload.length; i++) frame[head + 4 + i] = (payload[i] as number) ^ (mask[i & 3] as number);
  return frame;
}

/** Called with each payload; the bytes are valid during the call. */
type OnMessage = (payload: Buffer) => void;

/** One WebSocket connection, upgraded; `onMessage` gets whole messages. */
export class RawConnection {
  readonly socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #upgraded: (() => void) | undefined;
  onMessage: OnMessage = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data) => this.#data(data));
  }

  static async open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const connection = new RawConnection(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      connection.#upgraded = resolve;
      socket.write(
        `GET /v1/ws HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n` +
          'Sec-WebSocket-Protocol: sluice.v1.msgpack\r\n\r\n',
      );
    });
    return connection;
  }

  #data(data: Buffer): void {
    let bytes = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    if (this.#upgraded !== undefined) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end === -1) {
        this.#rest = bytes;
        return;
      }
      this.#upgraded();
      this.#upgraded = undefined;
      bytes = bytes.subarray(end + 4);
    }
    let at = 0;
    for (;;) {
      const left = bytes.length - at;
      if (left < 2) break;
      const short = (bytes[at + 1] as number) & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (left < head) break;
      const length =
        short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
      if (left < head + length) break;
      if (((bytes[at] as number) & 0x0f) <= 2) this.onMessage(bytes.subarray(at + head, at + head + length));
      at += head + length;
    }
    this.#rest = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
  }

  close(): void {
    this.socket.destroy();
  }
}

export interface Answer {
  readonly op: string;
  readonly [field: string]: unknown;
}

export function decodeAnswers(payload: Buffer): readonly Answer[] {
  const decoded = unpackr.unpack(payload) as Answer | Answer[];
  return Array.isArray(decoded) ? decoded : [decoded];
}

/** Keeps `window` frames on their way over one connection, going through `frames` in turn. */
export class LoadConnection {
  readonly #connection: RawConnection;
  readonly #frames: readonly Buffer[];
  readonly #sentAt: number[] = [];
  #next = 0;
  #stopped = false;
  acknowledged = 0;
  /** Milliseconds from write to acknowledgement of every `SAMPLE`th frame. */
  readonly latencies: number[] = [];

  private constructor(connection: RawConnection, frames: readonly Buffer[]) {
    this.#connection = connection;
    this.#frames = frames;
    connection.onMessage = (payload) => this.#answers(payload);
  }

  static async open(url: string, frames: readonly Buffer[]): Promise<LoadConnection> {
    return new LoadConnection(await RawConnection.open(url), frames);
  }

  start(window: number): void {
    for (let i = 0; i < window; i++) this.#send();
  }

  #send(): void {
    this.#sentAt.push(performance.now());
    this.#connection.socket.write(this.#frames[this.#next++ % this.#frames.length] as Buffer);
  }

  #answers(payload: Buffer): void {
    const now = performance.now();
    this.#connection.socket.cork();
    for (const answer of decodeAnswers(payload)) {
      if (answer.op === 'error') throw new Error(`the server refused a frame: ${JSON.stringify(answer)}`);
      if (answer.op !== 'produced') continue;
      this.acknowledged++;
      this.latencies.push(now - (this.#sentAt[this.acknowledged - 1] as number));
      if (!this.#stopped) this.#send();
    }
    this.#connection.socket.uncork();
  }

  /** Sends no more; resolves when everything sent is acknowledged. */
  async drain(): Promise<void> {
    this.#stopped = true;
    while (this.acknowledged < this.#sentAt.length) await new Promise((resolve) => setTimeout(resolve, 5));
    this.#connection.close();
  }
}
