/**
 * What one producer has for one partition: the batch being filled, those waiting, and those on their way. The
 * idempotence fields are stamped here, so that a batch that is sent again is recognised and order holds.
 *
 *   filling ─▶ queued ─▶ on its way (at most `inFlightMax`) ─▶ stored
 *                ▲            │ retryable error, or connection lost
 *                └────────────┘ sent again, in order, with the same sequence numbers
 *
 * A batch that is refused for good leaves a gap in the sequence: nothing behind it can be stored under its numbers. What
 * stands before it keeps them, since it may be stored already; once all of that is answered, the rest goes on under a
 * new identity.
 */
import { SluiceError } from '#kernel';
import { BatchBuilder, type Compression, type Header, stampProducer } from '#record';
import type { Connection } from './connection.ts';

export interface Identity {
  readonly id: number;
  readonly epoch: number;
}

export interface QueueOptions {
  readonly batchBytes: number;
  readonly lingerMs: number;
  readonly inFlightMax: number;
  readonly idempotent: boolean;
  readonly durability: 'fsync' | 'memory';
  readonly compression: Compression;
  readonly deliveryTimeoutMs: number;
}

export interface QueueOwner {
  readonly connection: Connection;
  identify(fresh: boolean): Promise<Identity>;
  /** A batch was stored, or failed for good; `bytes` are free again. `ms` since it was sealed. */
  settled(bytes: number, records: number, error: SluiceError | undefined, ms: number): void;
}

/** One record's place in its batch, told when the batch is stored. */
export type Delivered = (error: SluiceError | undefined, offset: number) => void;

interface Batch {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly delivered: readonly (Delivered | undefined)[];
  readonly createdAt: number;
  state: 'queued' | 'sent' | 'failed';
  /** Carries its sequence numbers; always so when the producer is not idempotent, which needs none. */
  stamped: boolean;
}

const RETRY_MS = 100;
const SEQUENCES = 2 ** 31;

export class PartitionQueue {
  readonly #topic: string;
  readonly #partition: number;
  readonly #options: QueueOptions;
  readonly #owner: QueueOwner;
  readonly #builder: BatchBuilder;
  #delivered: (Delivered | undefined)[] = [];
  /** Sealed and not stored, oldest first. */
  #batches: Batch[] = [];
  #identity: Identity | undefined;
  #identifying = false;
  /** The identity the producer shares is spent here: a batch was refused. */
  #needsFresh = false;
  /** A batch was given up without knowing whether it was stored, so that a gap may be of our own making. */
  #gaveUp = false;
  #sequence = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(topic: string, partition: number, options: QueueOptions, owner: QueueOwner) {
    this.#topic = topic;
    this.#partition = partition;
    this.#options = options;
    this.#owner = owner;
    this.#builder = new BatchBuilder(options.batchBytes + 1024);
  }

  get idle(): boolean {
    return this.#batches.length === 0 && this.#builder.count === 0;
  }

  add(
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly Header[],
    timestamp: number,
    delivered?: Delivered,
  ): number {
    const size = (key?.length ?? 0) + (value?.length ?? 0) + 32;
    if (this.#builder.count > 0 && this.#builder.bytes + size > this.#options.batchBytes) this.seal();
    const before = this.#builder.count === 0 ? 0 : this.#builder.bytes;
    this.#builder.add(key, value, headers, timestamp);
    this.#delivered.push(delivered);
    const added = this.#builder.bytes - before;
    if (this.#builder.bytes >= this.#options.batchBytes) this.seal();
    else this.#linger ??= setTimeout(() => this.seal(), this.#options.lingerMs);
    return added;
  }

  /** Ends the batch being filled and sends what may be sent. */
  seal(): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    const { count } = this.#builder;
    if (count === 0) return;
    const bytes = this.#builder.finish({ compression: this.#options.compression }).slice();
    this.#builder.reset();
    const delivered = this.#delivered;
    this.#delivered = [];
    const stamped = !this.#options.idempotent;
    const batch: Batch = { bytes, count, delivered, createdAt: Date.now(), state: 'queued', stamped };
    this.#stamp(batch);
    this.#batches.push(batch);
    this.send();
  }

  #stamp(batch: Batch): void {
    if (batch.stamped || this.#identity === undefined) return;
    stampProducer(batch.bytes, { ...this.#identity, sequence: this.#sequence });
    batch.stamped = true;
    this.#sequence = (this.#sequence + batch.count) % SEQUENCES;
  }

  /** Sends the batches that may be on their way and are not. */
  send(): void {
    const [first] = this.#batches;
    if (!this.#owner.connection.connected || first === undefined) return;
    if (!first.stamped) {
      if (!this.#isQuiet()) return;
      this.#identify();
      return;
    }
    const { inFlightMax } = this.#options;
    for (const batch of this.#batches.slice(0, inFlightMax)) {
      // After a failure nothing overtakes it: the rest waits until all that is on its way has been answered.
      if (batch.state === 'failed' || !batch.stamped) return;
      if (batch.state === 'queued') this.#sendOne(batch);
    }
  }

  #isQuiet(): boolean {
    return !this.#batches.some(({ state }) => state === 'sent');
  }

  #identify(): void {
    if (this.#identifying) return;
    this.#identifying = true;
    this.#owner.identify(this.#needsFresh).then(
      (identity) => {
        this.#identifying = false;
        this.#identity = identity;
        this.#sequence = 0;
        this.#gaveUp = false;
        for (const batch of this.#batches) {
          batch.state = 'queued';
          this.#stamp(batch);
        }
        this.send();
      },
      (error: SluiceError) => {
        this.#identifying = false;
        if (error.retryable) this.#retryLater();
        else this.failAll(error);
      },
    );
  }

  #sendOne(batch: Batch): void {
    batch.state = 'sent';
    const { connection } = this.#owner;
    connection.produceBatch(this.#topic, this.#partition, batch.bytes, this.#options.durability).then(
      (offset) => this.#stored(batch, offset),
      (error: SluiceError) => this.#refused(batch, error),
    );
  }

  #stored(batch: Batch, offset: number): void {
    this.#batches = this.#batches.filter((one) => one !== batch);
    for (let i = 0; i < batch.delivered.length; i++) batch.delivered[i]?.(undefined, offset + i);
    this.#owner.settled(batch.bytes.length, batch.count, undefined, Date.now() - batch.createdAt);
    this.send();
    this.#resendWhenQuiet();
  }

  #refused(batch: Batch, error: SluiceError): void {
    const place = this.#batches.indexOf(batch);
    if (place === -1) return;
    const late = Date.now() - batch.createdAt > this.#options.deliveryTimeoutMs;
    const isGap = error.code === 'SEQUENCE_GAP';
    // Behind a failed batch a gap only says that the failed one is missing.
    const retry = error.retryable || (isGap && (place > 0 || !batch.stamped));
    if (retry && !late) {
      batch.state = 'failed';
    } else if (isGap && this.#gaveUp && !late) {
      batch.state = 'failed';
      this.#renumber(place);
    } else if (late) {
      const { deliveryTimeoutMs } = this.#options;
      this.#gaveUp = true;
      this.#drop(batch, new SluiceError('TIMEOUT', `not stored in ${deliveryTimeoutMs} ms`, {}, error));
    } else {
      this.#drop(batch, error);
      this.#renumber(place);
    }
    this.send();
    this.#resendWhenQuiet();
  }

  /** The batches from `place` on are not stored and cannot be under the numbers they carry: they get new ones. */
  #renumber(place: number): void {
    if (!this.#options.idempotent) return;
    for (let i = place; i < this.#batches.length; i++) (this.#batches[i] as Batch).stamped = false;
    this.#identity = undefined;
    this.#needsFresh = true;
  }

  #drop(batch: Batch, error: SluiceError): void {
    this.#batches = this.#batches.filter((one) => one !== batch);
    for (const delivered of batch.delivered) delivered?.(error, -1);
    this.#owner.settled(batch.bytes.length, batch.count, error, Date.now() - batch.createdAt);
  }

  #resendWhenQuiet(): void {
    if (!this.#isQuiet() || !this.#batches.some(({ state }) => state === 'failed')) return;
    for (const batch of this.#batches) batch.state = 'queued';
    if (this.#batches[0]?.stamped === false) this.send();
    else if (this.#owner.connection.connected) this.#retryLater();
  }

  #retryLater(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.send();
    }, RETRY_MS);
  }

  /** Gives up everything. */
  failAll(error: SluiceError): void {
    clearTimeout(this.#linger);
    clearTimeout(this.#retry);
    this.#linger = undefined;
    this.#retry = undefined;
    for (const batch of [...this.#batches]) this.#drop(batch, error);
    if (this.#builder.count === 0) return;
    const { count, bytes } = this.#builder;
    const delivered = this.#delivered;
    this.#delivered = [];
    this.#builder.reset();
    for (const one of delivered) one?.(error, -1);
    this.#owner.settled(bytes, count, error, 0);
  }
}
