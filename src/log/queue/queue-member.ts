/** A member of a queue, as the one who subscribed holds it: what it is given, and what it can say about it. */
import type { SluiceError } from '#kernel';
import type { LogRecord } from '#record';
import type { Partition } from '../contract.ts';
import type { BackoffOptions } from './backoff.ts';
import { HeldList } from './lane.ts';

/** What holds for the records that are handed to one member. */
export interface QueueOptions extends BackoffOptions {
  /** A record that is neither acknowledged nor refused within this time comes back. */
  readonly visibilityMs: number;
  /** After so many hand-outs that came back a record becomes a dead letter; 0: never. */
  readonly maxAttempts: number;
}

const DEFAULT_QUEUE_OPTIONS: QueueOptions = {
  visibilityMs: 30_000,
  maxAttempts: 10,
  backoffMs: 1_000,
  backoffMaxMs: 300_000,
};

export interface HandedRecord {
  readonly partition: number;
  /** Which hand-out of the record this is, from 1. */
  readonly attempt: number;
  /** Its bytes stay as they are for as long as it is kept. */
  readonly record: LogRecord;
}

/** Must not throw. */
export interface QueueListener {
  /** Whether it can be given more now; after a false the member says `wake`. */
  readonly writable: boolean;
  records(handed: readonly HandedRecord[]): void;
  /** Records that will not come: damaged. */
  failed(error: SluiceError): void;
}

export interface QueueMemberOptions extends Partial<QueueOptions> {
  readonly topic: string;
  /** Who this is, for people. */
  readonly client?: string;
  /** Records it may be given; more with `permit`. */
  readonly permits: number;
  /** Where a partition begins that the group has no offset for. @throws as `Partition.cursor` */
  startOf(partition: Partition): number;
  readonly listener: QueueListener;
}

export interface NackOptions {
  /** In place of the backoff. */
  readonly delayMs?: number;
  /** Gives the record up at once. */
  readonly dead?: boolean;
  /** Why, for the dead letter. */
  readonly reason?: string;
  readonly stack?: string;
}

/** What a member can do in its queue. */
export interface QueueActs {
  wake(): void;
  ack(member: QueueMember, partition: number, offset: number): void;
  nack(member: QueueMember, partition: number, offset: number, options: NackOptions): void;
  extend(member: QueueMember, partition: number, offset: number): void;
  written(): Promise<void>;
  leave(member: QueueMember, lost: boolean): Promise<void>;
}

export class QueueMember {
  readonly id: string;
  readonly client: string | undefined;
  readonly options: QueueOptions;
  readonly listener: QueueListener;
  /** What it has, the earliest deadline first. */
  readonly held = new HeldList();
  /** Gathered to be handed over together. */
  outbox: HandedRecord[] = [];
  permits: number;
  readonly #acts: QueueActs;

  constructor(id: string, options: QueueMemberOptions, acts: QueueActs) {
    const { topic: _topic, startOf: _startOf, listener, permits, client, ...chosen } = options;
    this.id = id;
    this.client = client;
    this.listener = listener;
    this.permits = permits;
    this.options = { ...DEFAULT_QUEUE_OPTIONS, ...chosen };
    this.#acts = acts;
  }

  /** So many more records may be handed to it. */
  permit(records: number): void {
    this.permits += records;
    this.#acts.wake();
  }

  /** The listener can be given more again. */
  wake(): void {
    this.#acts.wake();
  }

  /**
   * The record is done. Written soon; `written` waits for it. Again, or after its time but before anyone else has it, is fine.
   * @throws MEMBER_FENCED (details: `topic`, `partition`, `offset`), PARTITION_UNKNOWN
   */
  ack(partition: number, offset: number): void {
    this.#acts.ack(this, partition, offset);
  }

  /** The record comes again, after its backoff or the delay. @throws as `ack` */
  nack(partition: number, offset: number, options: NackOptions = {}): void {
    this.#acts.nack(this, partition, offset, options);
  }

  /** The record's time begins anew. @throws as `ack`, also when it has come back already */
  extend(partition: number, offset: number): void {
    this.#acts.extend(this, partition, offset);
  }

  /** Resolves when all that was said so far is durable. @throws what the log could not write it for; it is tried again */
  written(): Promise<void> {
    return this.#acts.written();
  }

  /**
   * Gives up what it has: at once and as if it had never been handed out, or, when the member was lost, as failures
   * that wait for their backoff. Resolves when all that was said is durable. @throws as `written`
   */
  leave(lost = false): Promise<void> {
    return this.#acts.leave(this, lost);
  }
}
