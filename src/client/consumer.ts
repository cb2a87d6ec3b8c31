/**
 * A consumer: records of a topic in order within each partition, as an async iterator or a callback. After a lost
 * connection it goes on behind the last record it handed out: no gap, and no repeat within one process.
 *
 * In a group the server shares out the partitions; a record is acknowledged when the loop comes back for the next one. Records
 * that wait in the consumer are bounded by the permits it gives.
 */
import type { SluiceError } from '#kernel';
import { iterateBatches, iterateRecords, type LogRecord } from '#record';
import { type Connection, errorOf, type Message } from './connection.ts';

export interface ConsumerOptions {
  readonly topic: string;
  /** For `queue` see `QueueConsumerOptions`. */
  readonly mode?: 'stream';
  readonly group?: string;
  /** Where to begin without a committed offset. Default `latest`; `@<epoch ms>` for a time. */
  readonly from?: 'earliest' | 'latest' | `@${number}` | Readonly<Record<number, number>>;
  /** Without a group: which partitions; default all. */
  readonly partitions?: readonly number[];
  /** Records that may wait here; default 100,000. */
  readonly permits?: number;
  /** `processed` acknowledges when the loop moves on; `never` leaves it to `ack`. Default `processed`. */
  readonly autoAck?: 'processed' | 'never';
}

export interface ConsumedRecord extends LogRecord {
  readonly partition: number;
}

/** Stored batches, as bytes; records below `offset` are not meant. */
export interface ConsumedBatch {
  readonly partition: number;
  readonly offset: number;
  readonly next: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

const PERMITS = 100_000;

export class Consumer {
  readonly #connection: Connection;
  readonly #options: ConsumerOptions;
  readonly #leave: () => void;
  #id = -1;
  #unsubscribe: () => void = () => undefined;
  #queue: ConsumedBatch[] = [];
  #wake: (() => void) | undefined;
  #failure: SluiceError | undefined;
  #closed = false;
  /** Partition → next offset to hand out. */
  readonly #positions = new Map<number, number>();
  /** Partition → next offset to receive. */
  readonly #received = new Map<number, number>();
  readonly #assigned = new Set<number>();

  constructor(connection: Connection, options: ConsumerOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#leave = connection.use({ connected: () => this.#subscribe(), disconnected: () => this.#lost() });
  }

  /** Partition → next offset to be handed out. */
  positions(): ReadonlyMap<number, number> {
    return this.#positions;
  }

  /** In a group: the partitions this member has. */
  assignment(): ReadonlySet<number> {
    return this.#assigned;
  }

  #subscribe(): void {
    this.#unsubscribe();
    this.#id = this.#connection.newId();
    const id = this.#id;
    this.#unsubscribe = this.#connection.subscribe(id, (message) => {
      if (id === this.#id) this.#handle(message);
    });
    const { topic, group, from = 'latest', partitions, permits = PERMITS } = this.#options;
    const resumes = group === undefined && this.#positions.size > 0;
    this.#connection
      .request(
        {
          op: 'subscribe',
          topic,
          from: resumes ? Object.fromEntries(this.#positions) : from,
          permits,
          format: 'batch',
          ...(group === undefined ? {} : { group }),
          ...(partitions === undefined ? {} : { partitions }),
        },
        id,
      )
      .catch((error: SluiceError) => {
        if (error.code !== 'CONNECTION_LOST') this.#fail(error);
      });
  }

  /** What waits was received and not handed out: it comes again on the next connection. */
  #lost(): void {
    this.#queue = [];
    this.#received.clear();
    this.#assigned.clear();
  }

  #handle(message: Message): void {
    switch (message['op']) {
      case 'records':
        this.#arrived(message);
        break;
      case 'subscribed':
      case 'assigned':
        for (const { partition, offset } of message['partitions'] as { partition: number; offset: number }[]) {
          if (message['op'] === 'assigned') this.#assigned.add(partition);
          // The committed offset may be behind what was handed out before the connection was lost.
          this.#positions.set(partition, Math.max(offset, this.#positions.get(partition) ?? 0));
        }
        break;
      case 'revoked':
        for (const partition of message['partitions'] as number[]) this.#revoked(partition);
        break;
      case 'error':
        if (message['code'] !== 'MEMBER_FENCED') this.#fail(errorOf(message));
        break;
    }
  }

  #revoked(partition: number): void {
    this.#assigned.delete(partition);
    const dropped = this.#queue.filter((batch) => batch.partition === partition);
    this.#queue = this.#queue.filter((batch) => batch.partition !== partition);
    for (const { count } of dropped) this.#permit(count);
    const position = this.#positions.get(partition);
    if (position !== undefined) this.#ack(partition, position - 1);
    // Where the next owner takes over; should it come back, the server says where.
    this.#positions.delete(partition);
    this.#received.delete(partition);
    this.#connection.send({ op: 'release', sub: this.#id, partition });
  }

  #arrived(message: Message): void {
    const partition = message['partition'] as number;
    const next = message['next'] as number;
    const offset = Math.max(message['offset'] as number, this.#positions.get(partition) ?? 0);
    const batch: ConsumedBatch = {
      partition,
      offset,
      next,
      count: message['count'] as number,
      bytes: message['batch'] as Uint8Array,
    };
    if (next <= offset) {
      this.#permit(batch.count);
      return;
    }
    this.#received.set(partition, next);
    this.#queue.push(batch);
    this.#wake?.();
  }

  #fail(error: SluiceError): void {
    this.#failure = error;
    this.#wake?.();
  }

  #permit(records: number): void {
    this.#connection.send({ op: 'permit', sub: this.#id, records });
  }

  #ack(partition: number, offset: number): void {
    if (this.#options.group === undefined || offset < 0) return;
    this.#connection.send({ op: 'ack', sub: this.#id, partition, offset });
  }

  /** Acknowledges everything up to and including a record. */
  ack(record: { readonly partition: number; readonly offset: number }): void {
    this.#ack(record.partition, record.offset);
  }

  /** Waits until the server has stored the acknowledgement. */
  async ackDurably(record: { readonly partition: number; readonly offset: number }): Promise<void> {
    await this.#connection.request({ op: 'ack', sub: this.#id, partition: record.partition, offset: record.offset });
  }

  /**
   * Stored batches as they come, for those who read bytes. Acknowledged when the loop comes back.
   * @throws what the subscription met: OFFSET_TRIMMED (details: `start`), BATCH_QUARANTINED (details: `next`), TOPIC_UNKNOWN …
   */
  async *batches(): AsyncGenerator<ConsumedBatch, void, void> {
    while (!this.#closed) {
      const batch = this.#queue.shift();
      if (batch === undefined) {
        if (this.#failure !== undefined) throw this.#failure;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
        continue;
      }
      const id = this.#id;
      yield batch;
      if ((this.#positions.get(batch.partition) ?? 0) < batch.next) this.#positions.set(batch.partition, batch.next);
      // A batch of an earlier connection, or of a partition that has moved, is no longer ours to acknowledge.
      if (id !== this.#id) continue;
      this.#permit(batch.count);
      const mine = this.#options.group === undefined || this.#assigned.has(batch.partition);
      if (mine && this.#options.autoAck !== 'never') this.#ack(batch.partition, batch.next - 1);
    }
  }

  /** Records as they come; see `batches` for errors. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumedRecord, void, void> {
    for await (const batch of this.batches()) {
      const { partition, bytes, offset, next } = batch;
      for (const { at } of iterateBatches(bytes)) {
        for (const record of iterateRecords(bytes, at)) {
          if (record.offset < offset || record.offset >= next) continue;
          this.#positions.set(partition, record.offset);
          yield { ...record, partition };
          this.#positions.set(partition, record.offset + 1);
        }
      }
    }
  }

  /** Calls `handler` for each record, one at a time, until the consumer is closed. */
  async run(handler: (record: ConsumedRecord) => void | Promise<void>): Promise<void> {
    for await (const record of this) await handler(record);
  }

  /** Ends the iteration, acknowledges what was processed, and gives the partitions back. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake?.();
    this.#leave();
    if (this.#connection.connected && this.#id !== -1) {
      if (this.#options.autoAck !== 'never') {
        for (const partition of this.#assigned) this.#ack(partition, (this.#positions.get(partition) ?? 0) - 1);
      }
      await new Promise<void>((resolve) => {
        const id = this.#id;
        const stop = this.#connection.subscribe(id, (message) => {
          if (message['op'] !== 'unsubscribed') return;
          stop();
          resolve();
        });
        this.#connection.send({ op: 'unsubscribe', sub: id });
        setTimeout(resolve, 5_000);
      });
    }
    this.#unsubscribe();
  }
}
