/**
 * One connection to a target, with one request on it at a time.
 *
 *   connecting ─▶ free ── send ──▶ busy ── whole answer, nothing left over, request sent whole ──▶ free
 *                   │                └─▶ anything else ─▶ lost      what is sent before it is connected waits for that
 *                   └─▶ bytes, or the end ─▶ lost
 *
 * All connections of a thread read into one buffer: what was read is dealt with before anybody reads again.
 */
import type { Socket } from 'node:net';
import { asSluiceError } from '#kernel';
import type { ParsedHead } from './answer-head.ts';
import { type AnswerEvents, AnswerReader } from './answer-reader.ts';
import { BodySender } from './body-sender.ts';
import type { Carried, CarriedRequest, Flow } from './carried.ts';
import type { Origin } from './origin.ts';

const READ_BYTES = 64 * 1024;
const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
/** So long before a server closes a connection at rest it is not used any more. */
const MARGIN_MS = 1_000;

export interface ConnectionOwner {
  /** It can carry another request. */
  freed(connection: Connection): void;
  /** It is gone, and carries none. */
  lost(connection: Connection): void;
}

export class Connection implements AnswerEvents, Flow {
  /** Milliseconds it may rest; as the server said last. */
  restMs = Number.POSITIVE_INFINITY;
  /** When it was left free, by the pool's clock. */
  freeSince = 0;
  readonly #owner: ConnectionOwner;
  readonly #reader = new AnswerReader(this);
  readonly #socket: Socket;
  #connected = false;
  #lost = false;
  #paused = false;
  #carried: Carried | undefined;
  /** Waits until it is connected. */
  #unsent: CarriedRequest | undefined;
  #sender: BodySender | undefined;

  constructor(origin: Origin, owner: ConnectionOwner) {
    this.#owner = owner;
    const callback = (length: number) => this.#read(length);
    this.#socket = origin.connect(
      { buffer, callback },
      () => this.#opened(),
      (failure) => this.#lose(failure),
    );
  }

  send(request: CarriedRequest, carried: Carried): void {
    this.#carried = carried;
    if (this.#connected) this.#write(request);
    else this.#unsent = request;
    carried.begun(this);
  }

  #opened(): void {
    if (this.#lost) return;
    this.#connected = true;
    this.#socket
      .on('error', (error) => this.#lose(error))
      .on('end', () => this.#closed())
      .on('close', () => this.#closed());
    const request = this.#unsent;
    this.#unsent = undefined;
    if (request !== undefined) this.#write(request);
  }

  #write({ method, head, body, chunked }: CarriedRequest): void {
    const socket = this.#socket;
    this.#reader.expect(method);
    if (body === null) {
      socket.write(head, 'latin1');
      return;
    }
    socket.cork();
    socket.write(head, 'latin1');
    if (body instanceof Uint8Array) socket.write(body);
    else {
      this.#sender = new BodySender(body, socket, chunked, () => {
        this.#sender = undefined;
      });
    }
    socket.uncork();
  }

  /** False: no more is read until `resume`. */
  #read(length: number): boolean {
    try {
      this.#reader.read(buffer, length);
    } catch (error) {
      this.#lose(asSluiceError(error));
    }
    return !this.#paused;
  }

  #closed(): void {
    if (this.#lost) return;
    this.#reader.closed();
    this.#lose(new Error('the upstream has closed the connection'));
  }

  head(head: ParsedHead): void {
    const { restS } = head;
    if (restS !== undefined) this.restMs = restS * 1000 - MARGIN_MS;
    this.#carried?.answered(head);
  }

  data(chunk: Buffer): void {
    this.#carried?.data(chunk);
  }

  end(reusable: boolean): void {
    const carried = this.#carried;
    const usable = reusable && this.#sender === undefined && !this.#lost;
    this.#carried = undefined;
    carried?.ended();
    if (usable && this.#paused) this.resume();
    if (usable && this.restMs > 0) this.#owner.freed(this);
    else this.close();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  abort(): void {
    if (this.#carried === undefined) return;
    this.#carried = undefined;
    if (this.#unsent === undefined) {
      this.close();
      return;
    }
    this.#unsent = undefined;
    this.#owner.freed(this);
  }

  /** Whatever is under way on it fails. */
  close(): void {
    this.#lose(new Error('the connection is closed'));
  }

  #lose(error: Error): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#reader.stop();
    this.#sender?.stop();
    this.#socket.destroy();
    const carried = this.#carried;
    this.#carried = undefined;
    carried?.failed(error);
    this.#owner.lost(this);
  }
}
