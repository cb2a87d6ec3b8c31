/**
 * One connection to a server, made again whenever it is lost. Requests of a lost connection are rejected with
 * CONNECTION_LOST; producers and consumers hear of each new one and take up where they were.
 *
 * Produce frames leave only under the credit the server has given; the others wait here, in order.
 */
import { Packr, Unpackr } from 'msgpackr';
import { ERROR_TABLE, type ErrorCode, type ErrorDetails, SluiceError } from '#kernel';
import { openSocket } from '#socket';
import type { Socket } from './socket.ts';

export interface ConnectionOptions {
  /** `http://host:port` or `ws://…`. */
  readonly url: string;
  readonly key?: string;
  /** First wait before connecting again; doubles to `reconnectMsMax`. */
  readonly reconnectMs?: number;
  readonly reconnectMsMax?: number;
}

export type Message = Record<string, unknown>;

/** Told of what concerns it; `sub` frames go to the one who registered that id. */
export interface ConnectionUser {
  /** A connection is there: a first one, or a new one. */
  connected(): void;
  /** It is gone; nothing that was asked on it will be answered. */
  disconnected(): void;
}

interface Waiting {
  resolve(answer: Message): void;
  reject(error: SluiceError): void;
}

const PROTOCOL = 'sluice.v1.msgpack';
const RECONNECT_MS = 50;
const RECONNECT_MS_MAX = 2_000;

const packr = new Packr({ useRecords: false, int64AsType: 'number' });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', copyBuffers: false });

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #users = new Set<ConnectionUser>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #subscriptions = new Map<number, (message: Message) => void>();
  #socket: Socket | undefined;
  #open = false;
  #closed = false;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #nextId = 1;
  #credit = 0;
  #outgoing: Uint8Array[] = [];
  #lastFailure = '';

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#connect();
  }

  get connected(): boolean {
    return this.#open;
  }

  /** Why the last attempt ended, for messages. */
  get lastFailure(): string {
    return this.#lastFailure;
  }

  /** Resolves when there is a connection. @throws CONNECTION_LOST after `ms` */
  async ready(ms: number): Promise<void> {
    if (this.#open) return;
    await new Promise<void>((resolve, reject) => {
      const user: ConnectionUser = {
        connected: () => {
          clearTimeout(timer);
          this.#users.delete(user);
          resolve();
        },
        disconnected: () => undefined,
      };
      const timer = setTimeout(() => {
        this.#users.delete(user);
        reject(new SluiceError('CONNECTION_LOST', `no connection to ${this.#options.url}: ${this.#lastFailure}`));
      }, ms);
      this.#users.add(user);
    });
  }

  /** Registers a user; it is told at once, in a later turn, when there is a connection. */
  use(user: ConnectionUser): () => void {
    this.#users.add(user);
    if (this.#open) {
      queueMicrotask(() => {
        if (this.#open && this.#users.has(user)) user.connected();
      });
    }
    return () => this.#users.delete(user);
  }

  newId(): number {
    return this.#nextId++;
  }

  #connect(): void {
    const url = this.#options.url.replace(/^http/, 'ws').replace(/\/$/, '');
    this.#socket = openSocket(`${url}/v1/ws`, PROTOCOL, this.#options.key, {
      opened: () => {
        this.#open = true;
        this.#attempt = 0;
        this.#credit = 0;
        for (const user of [...this.#users]) user.connected();
      },
      received: (frame) => this.#received(frame),
      ended: (reason) => this.#ended(reason),
    });
  }

  #ended(reason: string): void {
    const wasOpen = this.#open;
    this.#open = false;
    this.#socket = undefined;
    this.#outgoing = [];
    this.#lastFailure = reason;
    const error = new SluiceError('CONNECTION_LOST', `the connection was lost: ${reason}`);
    for (const waiting of [...this.#waiting.values()]) waiting.reject(error);
    this.#waiting.clear();
    if (wasOpen) for (const user of [...this.#users]) user.disconnected();
    if (this.#closed) return;
    const { reconnectMs = RECONNECT_MS, reconnectMsMax = RECONNECT_MS_MAX } = this.#options;
    const wait = Math.min(reconnectMs * 2 ** this.#attempt++, reconnectMsMax);
    // Spread out, so that the clients of a restarted server do not all come at once.
    this.#retry = setTimeout(() => this.#connect(), wait * (0.5 + Math.random() / 2));
  }

  #received(frame: Uint8Array): void {
    const decoded: unknown = unpackr.unpack(frame);
    if (Array.isArray(decoded)) for (const message of decoded) this.#handle(message as Message);
    else this.#handle(decoded as Message);
  }

  #handle(message: Message): void {
    if (message['op'] === 'credit') {
      this.#credit += message['bytes'] as number;
      this.#sendOutgoing();
      return;
    }
    const sub = message['sub'];
    if (typeof sub === 'number' && this.#subscriptions.has(sub)) {
      this.#subscriptions.get(sub)?.(message);
      return;
    }
    const id = message['id'] as number;
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    if (message['op'] === 'error') waiting.reject(errorOf(message));
    else waiting.resolve(message);
  }

  /** Sends a message that has an answer of the same id. @throws CONNECTION_LOST, or what the server answers */
  request(message: Message, id: number = this.newId()): Promise<Message> {
    return new Promise((resolve, reject) => {
      if (!this.#open) {
        reject(new SluiceError('CONNECTION_LOST', `no connection: ${this.#lastFailure}`));
        return;
      }
      this.#waiting.set(id, { resolve, reject });
      const frame = packr.pack({ ...message, id });
      if (message['op'] === 'produce') this.#sendUnderCredit(frame);
      else this.#socket?.send(frame);
    });
  }

  /**
   * Sends one record batch as it is. Resolves with the offset of its first record.
   * @throws CONNECTION_LOST, or what `Partition.append` of the server throws
   */
  async produceBatch(topic: string, partition: number, batch: Uint8Array, durability = 'fsync'): Promise<number> {
    const answer = await this.request({ op: 'produce', topic, partition, batch, durability });
    return answer['offset'] as number;
  }

  /** Sends a message without an answer of its own; lost with the connection. */
  send(message: Message): void {
    if (this.#open) this.#socket?.send(packr.pack(message));
  }

  /** Frames about this subscription go to `listener`. */
  subscribe(id: number, listener: (message: Message) => void): () => void {
    this.#subscriptions.set(id, listener);
    return () => this.#subscriptions.delete(id);
  }

  #sendUnderCredit(frame: Uint8Array): void {
    this.#outgoing.push(frame);
    this.#sendOutgoing();
  }

  #sendOutgoing(): void {
    let sent = 0;
    for (const frame of this.#outgoing) {
      if (frame.length > this.#credit) break;
      this.#credit -= frame.length;
      this.#socket?.send(frame);
      sent++;
    }
    if (sent > 0) this.#outgoing = this.#outgoing.slice(sent);
  }

  /** Ends it for good. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#socket?.close();
  }
}

/** An error frame or problem document as an error; a code this client does not know becomes INTERNAL. */
export function errorOf(message: Message): SluiceError {
  const {
    op: _op,
    id: _id,
    code,
    message: text,
    detail,
    status: _status,
    retryable: _retryable,
    type: _type,
    title: _title,
    ...details
  } = message;
  const known = typeof code === 'string' && code in ERROR_TABLE ? (code as ErrorCode) : 'INTERNAL';
  return new SluiceError(known, String(text ?? detail ?? code), details as ErrorDetails);
}
