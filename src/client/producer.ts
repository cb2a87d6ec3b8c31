/**
 * A producer: batches by size and time, a bounded buffer, idempotent unless told otherwise, and retries across a
 * server restart without loss, doubles or reordering within a partition.
 *
 * `send` answers for each record; `push` does not, costs no promise, and is for volume: errors go to `onError` and to
 * `flush`.
 */
import { SluiceError } from '#kernel';
import { type Compression, type Header, partitionForKey } from '#record';
import type { Admin } from './admin.ts';
import type { Connection } from './connection.ts';
import { type Identity, PartitionQueue, type QueueOptions, type QueueOwner } from './partition-queue.ts';

export interface ProducerOptions {
  /** Default topic of `send` and `push`. */
  readonly topic?: string;
  /** Default 65,536. */
  readonly batchBytes?: number;
  /** How long a batch waits to be filled; default 5 ms. */
  readonly lingerMs?: number;
  /** Batches on their way, a partition; at most 5 while idempotent. Default 5. */
  readonly inFlightMax?: number;
  /** Default true. */
  readonly idempotent?: boolean;
  /** Keeps the identity across processes; a later holder of the name fences the earlier one. */
  readonly name?: string;
  /** Default `fsync`. */
  readonly durability?: 'fsync' | 'memory';
  readonly compression?: Compression;
  /** After this a record that could not be stored is given up. Default 120,000. */
  readonly deliveryTimeoutMs?: number;
  /** Bytes buffered at most; default 32 MiB. */
  readonly bufferBytesMax?: number;
  /** Told of each batch of pushed records that is given up. */
  readonly onError?: (error: SluiceError, records: number) => void;
  /** Told of each batch that is stored, and the milliseconds from its sealing to its acknowledgement. */
  readonly onStored?: (records: number, ms: number) => void;
}

/** Bytes, text, null, or anything that JSON can hold. */
export type Payload = Uint8Array | string | null | number | boolean | object;

export interface ProducerRecord {
  readonly key?: Uint8Array | string | null;
  readonly value?: Payload;
  readonly headers?: Readonly<Record<string, string | Uint8Array>>;
  readonly timestamp?: number;
  readonly partition?: number;
}

export interface Stored {
  readonly partition: number;
  readonly offset: number;
}

const IN_FLIGHT_MAX = 5;
const NO_HEADERS: readonly Header[] = [];
const encoder = new TextEncoder();

export class Producer {
  readonly #connection: Connection;
  readonly #admin: Admin;
  readonly #options: ProducerOptions;
  readonly #queueOptions: QueueOptions;
  readonly #bufferBytesMax: number;
  readonly #topics = new Map<string, PartitionQueue[]>();
  readonly #preparing = new Map<string, Promise<void>>();
  readonly #leave: () => void;
  readonly #owner: QueueOwner;
  #identity: Promise<Identity> | undefined;
  #buffered = 0;
  #room: (() => void)[] = [];
  #idle: (() => void)[] = [];
  #failure: SluiceError | undefined;
  #turn = 0;

  constructor(connection: Connection, admin: Admin, options: ProducerOptions) {
    this.#connection = connection;
    this.#admin = admin;
    this.#options = options;
    const idempotent = options.idempotent ?? true;
    this.#queueOptions = {
      batchBytes: options.batchBytes ?? 65_536,
      lingerMs: options.lingerMs ?? 5,
      inFlightMax: Math.min(options.inFlightMax ?? IN_FLIGHT_MAX, idempotent ? IN_FLIGHT_MAX : Number.MAX_SAFE_INTEGER),
      idempotent,
      durability: options.durability ?? 'fsync',
      compression: options.compression ?? 'none',
      deliveryTimeoutMs: options.deliveryTimeoutMs ?? 120_000,
    };
    this.#bufferBytesMax = options.bufferBytesMax ?? 32 * 1024 * 1024;
    this.#owner = {
      connection,
      identify: (fresh) => this.#identify(fresh),
      settled: (bytes, records, error, ms) => this.#settled(bytes, records, error, ms),
    };
    this.#leave = connection.use({
      connected: () => {
        for (const queues of this.#topics.values()) for (const queue of queues) queue.send();
      },
      disconnected: () => undefined,
    });
  }

  /** One identity for all partitions; a fresh one is for the partition that asks. */
  async #identify(fresh: boolean): Promise<Identity> {
    const ask = async () => {
      const { name } = this.#options;
      const answer = await this.#connection.request(
        name === undefined || fresh ? { op: 'init_producer' } : { op: 'init_producer', name },
      );
      return { id: answer['producer_id'] as number, epoch: answer['epoch'] as number };
    };
    if (fresh) return ask();
    this.#identity ??= ask().catch((error: unknown) => {
      this.#identity = undefined;
      throw error;
    });
    return this.#identity;
  }

  /**
   * Learns how many partitions the topic has; needed once before `push`. Sends that come before the answer share one
   * question, and go on in their order. @throws TOPIC_UNKNOWN
   */
  prepare(topic: string = this.#defaultTopic()): Promise<void> {
    let preparing = this.#preparing.get(topic);
    if (preparing === undefined) {
      preparing = this.#askPartitions(topic);
      this.#preparing.set(topic, preparing);
      preparing.catch(() => this.#preparing.delete(topic));
    }
    return preparing;
  }

  async #askPartitions(topic: string): Promise<void> {
    const partitions = await this.#admin.partitions(topic);
    this.#topics.set(
      topic,
      partitions.map(({ partition }) => new PartitionQueue(topic, partition, this.#queueOptions, this.#owner)),
    );
  }

  #defaultTopic(): string {
    if (this.#options.topic === undefined) throw new SluiceError('REQUEST_INVALID', 'name a topic', { field: 'topic' });
    return this.#options.topic;
  }

  #queue(topic: string, key: Uint8Array | null, partition: number | undefined): [PartitionQueue, number] {
    const queues = this.#topics.get(topic);
    if (queues === undefined) throw new SluiceError('TOPIC_UNKNOWN', `prepare topic ${topic} before pushing to it`);
    // Records without a key stay with one partition for a while, so that batches fill.
    const index =
      partition ?? (key === null ? (this.#turn++ >> 8) % queues.length : partitionForKey(key, queues.length));
    const queue = queues[index];
    if (queue === undefined) throw new SluiceError('PARTITION_UNKNOWN', `topic ${topic} has no partition ${index}`);
    return [queue, index];
  }

  /** Stores one record and tells where. Waits while the buffer is full. */
  async send(record: ProducerRecord, topic: string = this.#defaultTopic()): Promise<Stored> {
    await this.prepare(topic);
    await this.ready();
    const key = bytesOf(record.key ?? null);
    const [queue, partition] = this.#queue(topic, key, record.partition);
    return new Promise((resolve, reject) => {
      this.#buffered += queue.add(
        key,
        bytesOf(record.value ?? null),
        headersOf(record),
        record.timestamp ?? Date.now(),
        (error, offset) => (error === undefined ? resolve({ partition, offset }) : reject(error)),
      );
    });
  }

  /**
   * Queues one record of a prepared topic. False says that the buffer is full: await `ready()` before going on.
   * @throws TOPIC_UNKNOWN when the topic was not prepared, PARTITION_UNKNOWN
   */
  push(
    key: Uint8Array | null,
    value: Uint8Array | null,
    timestamp: number = Date.now(),
    topic: string = this.#defaultTopic(),
    partition?: number,
  ): boolean {
    const [queue] = this.#queue(topic, key, partition);
    this.#buffered += queue.add(key, value, NO_HEADERS, timestamp);
    return this.#buffered < this.#bufferBytesMax;
  }

  /** Resolves when the buffer has room. */
  async ready(): Promise<void> {
    while (this.#buffered >= this.#bufferBytesMax) await new Promise<void>((resolve) => this.#room.push(resolve));
  }

  #settled(bytes: number, records: number, error: SluiceError | undefined, ms: number): void {
    this.#buffered = Math.max(0, this.#buffered - bytes);
    if (error !== undefined) {
      this.#failure ??= error;
      this.#options.onError?.(error, records);
    } else this.#options.onStored?.(records, ms);
    if (this.#buffered < this.#bufferBytesMax / 2) for (const resolve of this.#room.splice(0)) resolve();
    if (this.#isIdle()) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #isIdle(): boolean {
    for (const queues of this.#topics.values()) if (queues.some((queue) => !queue.idle)) return false;
    return true;
  }

  /** Sends everything and waits for it. @throws the first error of a batch given up since the last flush */
  async flush(): Promise<void> {
    for (const queues of this.#topics.values()) for (const queue of queues) queue.seal();
    if (!this.#isIdle()) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#buffered = 0;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      this.#leave();
    }
  }
}

function bytesOf(payload: Payload): Uint8Array | null {
  if (payload === null) return null;
  if (payload instanceof Uint8Array) return payload;
  return encoder.encode(typeof payload === 'string' ? payload : JSON.stringify(payload));
}

function headersOf(record: ProducerRecord): readonly Header[] {
  if (record.headers === undefined) return NO_HEADERS;
  return Object.entries(record.headers).map(([key, value]) => ({ key, value: bytesOf(value) }));
}
