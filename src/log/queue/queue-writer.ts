/**
 * Writes what a queue knows: one commit on its way at most, and what is said meanwhile goes into the next. Dead letters
 * follow in a commit of their own, each with the mark that its record is done, so that none is lost or doubled and none
 * that cannot be stored keeps acknowledgements from being written.
 */
import { asSluiceError, type Clock, type Limits, type SluiceError } from '#kernel';
import type { CommitRequest, Log, OffsetCommit, Partition, StateChange, Topic } from '../contract.ts';
import { deadLetterBatch, ensureDeadTopic } from '../dead-letters.ts';
import type { PageChange } from './done-pages.ts';
import type { Death, Held } from './lane.ts';
import type { QueuePartition } from './queue-partition.ts';
import { markChange, pageChanges } from './queue-state.ts';

/** Between the beginnings of two commits. */
const GATHER_MS = 4;
/** Dead letters of one commit. */
const BURIALS_MAX = 64;
const BURIED_BYTES_MAX = 4 * 1024 * 1024;

export interface QueueWriterParts {
  readonly log: Log;
  readonly topic: Topic;
  readonly group: string;
  readonly limits: Limits;
  readonly clock: Clock;
  /** The record is done and its dead letter durable. */
  buried(held: Held): void;
  /** It could not be written, and is not done. */
  unburied(held: Held, error: SluiceError): void;
}

interface Waiting {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

/** What was taken from a partition for one commit. */
interface Taken {
  readonly partition: QueuePartition;
  readonly base: number;
  readonly changes: readonly PageChange[];
}

export class QueueWriter {
  readonly #parts: QueueWriterParts;
  readonly #changed = new Set<QueuePartition>();
  #burials: Held[] = [];
  #next: Waiting | undefined;
  #writing: Promise<void> | undefined;
  #marked: boolean;
  #writtenAt = Number.NEGATIVE_INFINITY;

  /** @param marked the store knows that the group is a queue */
  constructor(parts: QueueWriterParts, marked: boolean) {
    this.#parts = parts;
    this.#marked = marked;
  }

  /** True when everything said is durable. */
  get idle(): boolean {
    return this.#writing === undefined && !this.#pending;
  }

  changed(partition: QueuePartition): void {
    this.#changed.add(partition);
    this.writeSoon();
  }

  bury(held: Held): void {
    this.#burials.push(held);
    this.writeSoon();
  }

  /** Writes what waits, if anything does. A failure leaves it waiting, for the next call or for who flushes. */
  writeSoon(): void {
    if (this.#pending) this.#write().catch(() => undefined);
  }

  get #pending(): boolean {
    return this.#changed.size > 0 || this.#burials.length > 0 || this.#next !== undefined;
  }

  /** Resolves when what has changed so far is durable. @throws what the log could not write it for */
  written(): Promise<void> {
    if (this.#changed.size === 0) return this.#writing ?? Promise.resolve();
    this.#next ??= newWaiting();
    return this.#next.promise;
  }

  /** Resolves when nothing waits. @throws what the log could not write it for */
  async flush(): Promise<void> {
    while (!this.idle) await this.#write();
  }

  #write(): Promise<void> {
    this.#writing ??= this.#writeOnce().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeOnce(): Promise<void> {
    await this.#gather();
    const waiting = this.#next;
    this.#next = undefined;
    try {
      await this.#commit({});
    } catch (error) {
      waiting?.reject(error);
      throw error;
    }
    waiting?.resolve();
    if (this.#burials.length > 0) await this.#bury();
    if (this.#pending) setImmediate(() => this.writeSoon());
  }

  /**
   * What is said in the same turn shares a commit, and under load what is said within a few milliseconds: commits of
   * acknowledgements alone would keep records that are being produced waiting for the disk.
   */
  async #gather(): Promise<void> {
    const { clock } = this.#parts;
    const waitMs = Math.min(GATHER_MS, this.#writtenAt + GATHER_MS - clock.monotonic());
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    else await new Promise((resolve) => setImmediate(resolve));
    this.#writtenAt = clock.monotonic();
  }

  async #commit({ appends = [] }: CommitRequest): Promise<void> {
    const { log, topic, group } = this.#parts;
    const taken = Array.from(this.#changed, (partition): Taken => {
      return { partition, base: partition.pages.base, changes: partition.pages.takeChanges() };
    });
    this.#changed.clear();
    // A topic that was deleted takes what was said about it along, also when there is another of its name.
    if (log.findTopic(topic.name) !== topic) return;
    const offsets: OffsetCommit[] = [];
    const state: StateChange[] = this.#marked ? [] : [markChange(group)];
    for (const { partition, base, changes } of taken) {
      const { index } = partition.partition;
      if (base !== partition.written) offsets.push({ group, topic: topic.name, partition: index, offset: base });
      state.push(...pageChanges(group, partition.partition, changes));
    }
    if (offsets.length + state.length + appends.length === 0) return;
    try {
      await log.commit({ appends, offsets, state });
    } catch (error) {
      for (const { partition, changes } of taken) {
        partition.pages.giveBack(changes);
        this.#changed.add(partition);
      }
      throw error;
    }
    this.#marked = true;
    for (const { partition, base } of taken) partition.written = base;
  }

  async #bury(): Promise<void> {
    const { log, topic } = this.#parts;
    if (log.findTopic(topic.name) !== topic) {
      this.#burials = [];
      return;
    }
    let dead: Partition;
    try {
      dead = await ensureDeadTopic(log, topic.name);
    } catch (error) {
      for (const held of this.#burials.splice(0)) this.#parts.unburied(held, asSluiceError(error));
      return;
    }
    const { buried, batches } = this.#takeBurials();
    for (const { lane, offset } of buried) {
      lane.partition.pages.markDone(offset);
      this.#changed.add(lane.partition);
    }
    try {
      await this.#commit({ appends: batches.map((batch) => ({ partition: dead, batch })) });
    } catch (error) {
      for (const held of buried) {
        held.lane.partition.pages.reopen(held.offset, { failures: held.failures, due: 0 });
        this.#parts.unburied(held, asSluiceError(error));
      }
      return;
    }
    for (const held of buried) this.#parts.buried(held);
  }

  /** The next dead letters, as many as a commit takes. What the log has lost is done without one. */
  #takeBurials(): { buried: Held[]; batches: Uint8Array[] } {
    const buried: Held[] = [];
    const batches: Uint8Array[] = [];
    let bytes = 0;
    let count = 0;
    for (const held of this.#burials) {
      if (count === BURIALS_MAX || bytes > BURIED_BYTES_MAX) break;
      count++;
      buried.push(held);
      const batch = this.#letter(held);
      if (batch === undefined) continue;
      bytes += batch.length;
      batches.push(batch);
    }
    this.#burials = this.#burials.slice(count);
    return { buried, batches };
  }

  #letter({ lane, offset, failures, death }: Held): Uint8Array | undefined {
    const { topic, group, limits, clock } = this.#parts;
    const record = lane.partition.blocks.read(offset);
    if (record === undefined) return undefined;
    const { key, value, headers, timestamp } = record;
    const letter = {
      topic: topic.name,
      partition: lane.partition.partition.index,
      offset,
      key,
      value,
      headers,
      timestamp,
      source: `group:${group}`,
      attempts: failures,
      at: clock.now(),
      ...(death as Death),
    };
    return deadLetterBatch(letter, limits);
  }
}

function newWaiting(): Waiting {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<void>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { promise, resolve, reject };
}
