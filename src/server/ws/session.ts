/**
 * One WebSocket connection: decodes what comes in, runs each op, gathers answers of one turn into one frame, and
 * keeps the two credits: bytes a producer may have unanswered, records a subscription may be sent.
 */
import type { WebSocket } from 'uWebSockets.js';
import { asSluiceError, SluiceError } from '#kernel';
import type { HandedRecord } from '#log';
import type { Principal } from '../auth/principal.ts';
import type { ServerContext } from '../context.ts';
import type { Codec, Delivery, Message } from './codec.ts';
import { asMessage, readInteger, readOptionalInteger, readOptionalText, readText } from './fields.ts';
import { GroupSubscription } from './group-subscription.ts';
import type { WebSocketMetrics } from './metrics.ts';
import { produce } from './produce.ts';
import { QueueSubscription } from './queue-subscription.ts';
import { openSubscription, type SubscriptionEntry } from './subscribe.ts';

/** Credit is given back when this part of it has gathered, or when nothing is outstanding. */
const CREDIT_LUMP = 8;
/** Answers to what is said about records. */
const SAID = { ack: 'acked', nack: 'nacked', extend: 'extended' } as const;
const GOING_AWAY = 1012;
const INTERNAL_FAULT = 1011;

export interface SessionData {
  session: Session;
}

export class Session {
  readonly principal: Principal;
  readonly codec: Codec;
  readonly #context: ServerContext;
  readonly #metrics: WebSocketMetrics;
  readonly #subscriptions = new Map<number, SubscriptionEntry>();
  #socket: WebSocket<SessionData> | undefined;
  #credit: number;
  #creditToReturn = 0;
  #flushScheduled = false;

  constructor(context: ServerContext, principal: Principal, codec: Codec, metrics: WebSocketMetrics) {
    this.#context = context;
    this.principal = principal;
    this.codec = codec;
    this.#metrics = metrics;
    this.#credit = context.limits.connectionCreditBytes;
  }

  get closed(): boolean {
    return this.#socket === undefined;
  }

  /** What the socket has not taken yet. */
  get bufferedBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  /** Whether a subscription may send: `socketBufferBytesMax` and one frame is what a reader that stands still holds. */
  get writable(): boolean {
    return this.#socket !== undefined && this.bufferedBytes < this.#context.limits.socketBufferBytesMax;
  }

  opened(socket: WebSocket<SessionData>): void {
    this.#socket = socket;
    this.send({ op: 'credit', bytes: this.#credit });
  }

  /** One frame; its bytes are dead when this returns. */
  received(frame: Uint8Array): void {
    let messages: readonly unknown[];
    try {
      messages = this.codec.decode(frame);
    } catch (error) {
      this.fail(asSluiceError(error));
      return;
    }
    // A frame is charged as a whole, to the first produce in it.
    let charge = frame.length;
    for (const raw of messages) {
      if (this.closed) return;
      const isProduce = (raw as Message | null)?.['op'] === 'produce';
      this.#run(raw, isProduce ? charge : 0);
      if (isProduce) charge = 0;
    }
  }

  #run(raw: unknown, charge: number): void {
    let id: number | undefined;
    let charged = 0;
    try {
      const message = asMessage(raw);
      if (Number.isSafeInteger(message['id'])) id = message['id'] as number;
      if (charge > this.#credit) {
        throw new SluiceError('CREDIT_EXCEEDED', `${charge} bytes where ${this.#credit} may be sent`, {
          credit: this.#credit,
        });
      }
      this.#credit -= charge;
      charged = charge;
      this.#dispatch(message, charge);
    } catch (error) {
      const sub = (raw as Message | null)?.['sub'];
      this.fail(asSluiceError(error), id, Number.isSafeInteger(sub) ? (sub as number) : undefined);
      this.returnCredit(charged);
    }
  }

  #dispatch(message: Message, charge: number): void {
    switch (message['op']) {
      case 'produce':
        this.#metrics.produces.add();
        produce(this.#context, this, message, charge);
        return;
      case 'permit':
        this.#subscription(message).subscription.permit(readInteger(message, 'records'));
        return;
      case 'ack':
      case 'nack':
      case 'extend':
        this.#say(message['op'], message);
        return;
      case 'release':
        this.#release(message);
        return;
      case 'subscribe':
        this.#subscribe(message);
        return;
      case 'unsubscribe':
        this.#unsubscribe(this.#subscription(message));
        return;
      case 'init_producer':
        this.#initProducer(message);
        return;
      default:
        throw new SluiceError('REQUEST_INVALID', `${String(message['op'])} is not an op`, { field: 'op' });
    }
  }

  #subscription(message: Message): SubscriptionEntry {
    const id = readInteger(message, 'sub');
    const entry = this.#subscriptions.get(id);
    if (entry === undefined) throw new SluiceError('SUBSCRIPTION_UNKNOWN', `there is no subscription ${id}`);
    return entry;
  }

  #subscribe(message: Message): void {
    const id = readInteger(message, 'id');
    const { subscriptionsPerConnectionMax } = this.#context.limits;
    if (this.#subscriptions.has(id)) throw new SluiceError('SUBSCRIPTION_EXISTS', `subscription ${id} exists`);
    if (this.#subscriptions.size >= subscriptionsPerConnectionMax) {
      throw new SluiceError('LIMIT_EXCEEDED', `a connection may have ${subscriptionsPerConnectionMax} subscriptions`);
    }
    this.principal.require('consume', readText(message, 'topic'));
    this.#subscriptions.set(id, openSubscription(this.#context, this, id, message));
  }

  #unsubscribe(entry: SubscriptionEntry): void {
    const sub = entry.subscription.id;
    this.#subscriptions.delete(sub);
    entry.subscription.close();
    const left = entry.group?.leave() ?? Promise.resolve();
    left.then(
      () => this.send({ op: 'unsubscribed', sub }),
      (error: unknown) => this.fail(asSluiceError(error), undefined, sub),
    );
  }

  /** What a client says about records it was sent; with an `id` it hears when that is durable. */
  #say(op: keyof typeof SAID, message: Message): void {
    const { group } = this.#subscription(message);
    if (group === undefined) {
      throw new SluiceError('REQUEST_INVALID', 'only a subscription with a group has acknowledgements');
    }
    if (op === 'ack') group.ack(message);
    else if (group instanceof QueueSubscription) group[op](message);
    else throw new SluiceError('REQUEST_INVALID', `${op} is for subscriptions of mode queue`, { field: 'op' });
    const id = readOptionalInteger(message, 'id');
    if (id === undefined) return;
    group.flush().then(
      () => this.send({ op: SAID[op], id }),
      (error: unknown) => this.fail(asSluiceError(error), id),
    );
  }

  #release(message: Message): void {
    const { group } = this.#subscription(message);
    if (group instanceof GroupSubscription) group.release(readInteger(message, 'partition'));
  }

  #initProducer(message: Message): void {
    const id = readInteger(message, 'id');
    const name = readOptionalText(message, 'name');
    if (name !== undefined && name.length > 255)
      throw new SluiceError('REQUEST_INVALID', 'name is too long', { field: 'name' });
    this.#context.producers.init(name).then(
      (producer) => this.send({ op: 'producer', id, producer_id: producer.id, epoch: producer.epoch }),
      (error: unknown) => this.fail(asSluiceError(error), id),
    );
  }

  /** Queues an answer; all of one turn leave as one frame. */
  send(message: Message): void {
    if (this.closed) return;
    this.codec.add(message);
    this.#scheduleFlush();
  }

  produced(id: number, partition: number, offset: number): void {
    if (this.closed) return;
    this.codec.addProduced(id, partition, offset);
    this.#scheduleFlush();
  }

  fail(error: SluiceError, id?: number, sub?: number): void {
    this.#metrics.errors.add();
    const { code, status, retryable, details } = error;
    if (code === 'INTERNAL') this.#context.logger.error({ err: error.cause ?? error }, 'a WebSocket operation failed');
    const message = code === 'INTERNAL' ? 'An unexpected error' : error.message;
    this.send({
      ...details,
      op: 'error',
      ...(id === undefined ? {} : { id }),
      ...(sub === undefined ? {} : { sub }),
      code,
      message,
      status,
      retryable,
    });
  }

  returnCredit(bytes: number): void {
    if (bytes === 0) return;
    this.#creditToReturn += bytes;
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const total = this.#context.limits.connectionCreditBytes;
    const outstanding = total - this.#credit - this.#creditToReturn;
    if (this.#creditToReturn > 0 && (outstanding === 0 || this.#creditToReturn >= total / CREDIT_LUMP)) {
      this.codec.add({ op: 'credit', bytes: this.#creditToReturn });
      this.#credit += this.#creditToReturn;
      this.#creditToReturn = 0;
    }
    const frame = this.codec.take();
    if (frame !== undefined) this.#write(socket, frame);
  }

  /** Sends records now; answers gathered before go first, so that what a client sees is in order. */
  deliver(delivery: Delivery, format: 'records' | 'batch'): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const gathered = this.codec.take();
    if (gathered !== undefined) this.#write(socket, gathered);
    const { group } = this.#subscriptions.get(delivery.subscription) ?? {};
    if (group instanceof GroupSubscription) group.delivered(delivery.partition);
    this.#metrics.delivered.add(delivery.count);
    this.#write(socket, format === 'batch' ? this.codec.batches(delivery) : this.codec.records(delivery));
  }

  /** Sends records of a queue, in a frame of their own. */
  handOut(subscription: number, handed: readonly HandedRecord[]): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const gathered = this.codec.take();
    if (gathered !== undefined) this.#write(socket, gathered);
    this.#metrics.delivered.add(handed.length);
    this.#write(socket, this.codec.handed(subscription, handed));
  }

  #write(socket: WebSocket<SessionData>, frame: string | Uint8Array): void {
    this.#metrics.bytesOut.add(frame.length);
    const dropped = socket.send(frame, this.codec.isBinary) === 2;
    // A dropped frame would be a silent gap; the connection ends instead and the client resumes.
    if (dropped) socket.end(INTERNAL_FAULT, 'a frame could not be sent');
  }

  drained(): void {
    for (const { subscription } of this.#subscriptions.values()) subscription.drained();
  }

  /** Tells the client to come back: the server is going down. */
  goAway(): void {
    this.#flush();
    this.#socket?.end(GOING_AWAY, 'the server is shutting down');
  }

  /** @param broken the connection ended without a word of its client */
  ended(broken: boolean): void {
    this.#socket = undefined;
    const lost = broken && !this.#context.shutdown.aborted;
    for (const { subscription, group } of this.#subscriptions.values()) {
      subscription.close();
      group?.leave(lost).catch((error: unknown) => this.#context.logger.warn({ err: error }, 'leaving a group failed'));
    }
    this.#subscriptions.clear();
  }
}
