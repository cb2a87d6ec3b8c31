/**
 * A consumer of mode `queue`: records handed out one by one by the server, in order within a key, each acknowledged or
 * refused by itself. As a callback with so many at a time: acknowledged when it returns, refused when it throws. Or as
 * an async iterator: acknowledged when the loop comes back for the next one, unless it was refused before.
 *
 * After a lost connection what was not acknowledged comes again from the server, perhaps to another member; what waited
 * here is dropped for that reason.
 */
import type { SluiceError } from '#kernel';
import type { Header, LogRecord } from '#record';
import { type Connection, errorOf, type Message } from './connection.ts';

export interface QueueConsumerOptions {
  readonly topic: string;
  readonly mode: 'queue';
  readonly group: string;
  /** Where a group that is new begins. Default `latest`; `@<epoch ms>` for a time. */
  readonly from?: 'earliest' | 'latest' | `@${number}`;
  /** Records this consumer may have at a time; default 100. */
  readonly permits?: number;
  /** How long the server waits for a word about a record; default there 30,000. */
  readonly visibilityMs?: number;
  /** After so many attempts a record becomes a dead letter; 0: never. Default there 10. */
  readonly maxAttempts?: number;
  /** How long a record stays away after its first failure, doubling up to the maximum. Default there 1,000 and 300,000. */
  readonly backoffMs?: number;
  readonly backoffMaxMs?: number;
  /** `processed` acknowledges when the loop moves on; `never` leaves it to `ack` and `nack`. Default `processed`. */
  readonly autoAck?: 'processed' | 'never';
  /** Told of damaged records, which the queue passes over. */
  readonly onError?: (error: SluiceError) => void;
}

export interface QueuedRecord extends LogRecord {
  readonly partition: number;
  /** Which hand-out of the record this is, from 1. */
  readonly attempt: number;
}

export interface NackOptions {
  /** When the record may come again; without it after a backoff. */
  readonly delayMs?: number;
  /** Gives the record up at once: it becomes a dead letter. */
  readonly dead?: boolean;
  /** For the dead letter. */
  readonly reason?: string;
  readonly stack?: string;
}

/** What the server knows a record by. */
type Place = Pick<QueuedRecord, 'partition' | 'offset'>;

const PERMITS = 100;
const CLOSE_MS = 5_000;
/** What the queue cannot hand out, and goes on without. */
const PASSED_OVER: ReadonlySet<string> = new Set(['BATCH_QUARANTINED', 'BATCH_MALFORMED']);

export class QueueConsumer {
  readonly #connection: Connection;
  readonly #options: QueueConsumerOptions;
  readonly #leave: () => void;
  #id = -1;
  #unsubscribe: () => void = () => undefined;
  #queue: QueuedRecord[] = [];
  #wake: (() => void)[] = [];
  #failure: SluiceError | undefined;
  #closed = false;
  #running = 0;
  #idle: (() => void) | undefined;
  /** `partition/offset` of records handed out here and not settled, with the subscription they came by. */
  readonly #open = new Map<string, number>();
  /** Acknowledgements of this turn: partition → offsets. */
  #acks = new Map<number, number[]>();

  constructor(connection: Connection, options: QueueConsumerOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#leave = connection.use({ connected: () => this.#subscribe(), disconnected: () => this.#lost() });
  }

  #subscribe(): void {
    this.#unsubscribe();
    this.#id = this.#connection.newId();
    const id = this.#id;
    this.#unsubscribe = this.#connection.subscribe(id, (message) => {
      if (id === this.#id) this.#handle(message);
    });
    const { topic, group, from = 'latest', permits = PERMITS } = this.#options;
    const { visibilityMs, maxAttempts, backoffMs, backoffMaxMs } = this.#options;
    this.#connection
      .request(
        {
          op: 'subscribe',
          mode: 'queue',
          topic,
          group,
          from,
          permits,
          ...(visibilityMs === undefined ? {} : { visibility_ms: visibilityMs }),
          ...(maxAttempts === undefined ? {} : { max_attempts: maxAttempts }),
          ...(backoffMs === undefined ? {} : { backoff_ms: backoffMs }),
          ...(backoffMaxMs === undefined ? {} : { backoff_max_ms: backoffMaxMs }),
        },
        id,
      )
      .catch((error: SluiceError) => {
        if (error.code !== 'CONNECTION_LOST') this.#fail(error);
      });
  }

  #lost(): void {
    this.#queue = [];
    this.#acks = new Map();
    this.#open.clear();
  }

  #handle(message: Message): void {
    if (message['op'] === 'records') {
      for (const record of message['records'] as Message[]) this.#arrived(record);
    } else if (message['op'] === 'error') this.#refused(errorOf(message));
  }

  #refused(error: SluiceError): void {
    if (PASSED_OVER.has(error.code)) this.#options.onError?.(error);
    // A record that came back while its acknowledgement was on the way is handed out again: nothing is lost.
    else if (error.code !== 'MEMBER_FENCED') this.#fail(error);
  }

  #arrived(message: Message): void {
    const { partition, offset, attempt, timestamp, key, value, headers } = message as unknown as WireRecord;
    this.#open.set(`${partition}/${offset}`, this.#id);
    const list: Header[] = Object.entries(headers).map(([name, bytes]) => ({ key: name, value: bytes }));
    this.#queue.push({ partition, offset, attempt, timestamp, key, value, headers: list });
    this.#wake.shift()?.();
  }

  #fail(error: SluiceError): void {
    this.#failure = error;
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Takes the record off the open ones; false when it is settled, or was of a connection that is gone. */
  #settle({ partition, offset }: Place): boolean {
    const place = `${partition}/${offset}`;
    const id = this.#open.get(place);
    this.#open.delete(place);
    return id === this.#id;
  }

  /** The record is done. Sent with the others of this turn. Of a record that is settled already: nothing. */
  ack(record: Place): void {
    if (!this.#settle(record)) return;
    const { partition, offset } = record;
    const offsets = this.#acks.get(partition);
    if (offsets !== undefined) {
      offsets.push(offset);
      return;
    }
    if (this.#acks.size === 0) queueMicrotask(() => this.#sendAcks());
    this.#acks.set(partition, [offset]);
  }

  #sendAcks(): void {
    let count = 0;
    for (const [partition, offsets] of this.#acks) {
      this.#connection.send({ op: 'ack', sub: this.#id, partition, offsets });
      count += offsets.length;
    }
    this.#acks = new Map();
    if (count > 0) this.#permit(count);
  }

  /** Waits until the server has stored the acknowledgement. @throws MEMBER_FENCED when the record has come back */
  async ackDurably(record: Place): Promise<void> {
    if (!this.#settle(record)) return;
    const { partition, offset } = record;
    this.#permit(1);
    await this.#connection.request({ op: 'ack', sub: this.#id, partition, offset });
  }

  /** The record comes again, later. Of a record that is settled already: nothing. */
  nack(record: Place, { delayMs, dead, reason, stack }: NackOptions = {}): void {
    if (!this.#settle(record)) return;
    this.#connection.send({
      op: 'nack',
      sub: this.#id,
      partition: record.partition,
      offset: record.offset,
      ...(delayMs === undefined ? {} : { delay_ms: delayMs }),
      ...(dead === undefined ? {} : { dead }),
      ...(reason === undefined || reason === '' ? {} : { reason }),
      ...(stack === undefined || stack === '' ? {} : { stack }),
    });
    this.#permit(1);
  }

  /** The server waits as long again, from now on, for a word about the record. */
  extend({ partition, offset }: Place): void {
    if (this.#open.get(`${partition}/${offset}`) !== this.#id) return;
    this.#connection.send({ op: 'extend', sub: this.#id, partition, offset });
  }

  #permit(records: number): void {
    this.#connection.send({ op: 'permit', sub: this.#id, records });
  }

  /** The next record; undefined when the consumer was closed. @throws what the subscription met */
  async #next(): Promise<QueuedRecord | undefined> {
    for (;;) {
      if (this.#closed) return undefined;
      const record = this.#queue.shift();
      if (record !== undefined) return record;
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Records as they come. @throws what the subscription met: TOPIC_UNKNOWN, GROUP_MODE_CONFLICT, BATCH_QUARANTINED … */
  async *[Symbol.asyncIterator](): AsyncGenerator<QueuedRecord, void, void> {
    for (let record = await this.#next(); record !== undefined; record = await this.#next()) {
      yield record;
      if (this.#options.autoAck !== 'never') this.ack(record);
    }
  }

  /**
   * Calls `handler` for each record until the consumer is closed, for so many at a time as `concurrency` says (default
   * 1): records of one key never overlap. A record is acknowledged when its handler is done, and refused, with the
   * error for its dead letter, when that throws; unless the handler did so itself.
   */
  async run(
    handler: (record: QueuedRecord) => void | Promise<void>,
    { concurrency = 1 }: { readonly concurrency?: number } = {},
  ): Promise<void> {
    const work = async () => {
      for (let record = await this.#next(); record !== undefined; record = await this.#next()) {
        await this.#process(record, handler);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
  }

  async #process(record: QueuedRecord, handler: (record: QueuedRecord) => void | Promise<void>): Promise<void> {
    this.#running++;
    try {
      await handler(record);
    } catch (error) {
      const { message = String(error), stack } = error as { message?: string; stack?: string };
      this.nack(record, { reason: message, ...(stack === undefined ? {} : { stack }) });
      return;
    } finally {
      this.#running--;
      // After the acknowledgement below.
      if (this.#running === 0) setTimeout(() => this.#idle?.());
    }
    if (this.#options.autoAck !== 'never') this.ack(record);
  }

  /**
   * Ends the iteration, gives handlers that are at work five seconds to end, and what was not acknowledged back to
   * others, as if it had not been handed out.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const wake of this.#wake.splice(0)) wake();
    if (this.#running > 0) await this.#handlersDone();
    this.#leave();
    this.#sendAcks();
    if (this.#connection.connected && this.#id !== -1) await this.#unsubscribed();
    this.#unsubscribe();
  }

  #handlersDone(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLOSE_MS);
      this.#idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #unsubscribed(): Promise<void> {
    return new Promise((resolve) => {
      const id = this.#id;
      const timer = setTimeout(resolve, CLOSE_MS);
      this.#connection.subscribe(id, (message) => {
        if (message['op'] !== 'unsubscribed') return;
        clearTimeout(timer);
        resolve();
      });
      this.#connection.send({ op: 'unsubscribe', sub: id });
    });
  }
}

/** As the server sends it in MessagePack. */
interface WireRecord {
  readonly partition: number;
  readonly offset: number;
  readonly attempt: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, Uint8Array | null>>;
}
