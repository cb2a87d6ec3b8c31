/**
 * Drafts of a lane to commits of the log, in their order: all that have come while a commit was on its way are one commit.
 * Runs on the thread of the log; called by `lane-thread.ts`.
 */
import { crashPoint, encodeUtf8, type Limits, SluiceError } from '#kernel';
import type { CommitRequest, Log, Partition } from '#log';
import { BatchBuilder, partitionForKey } from '#record';
import type { Draft } from '../engine/draft.ts';
import type { Emission } from '../engine/run.ts';

/** Before it is tried again when the log has no room. */
const BUSY_MS = 5;
const BATCH_BYTES = 256 * 1024;
/** Under which it is kept how far the bus of events was heard. */
export const BUS_GROUP = 'sys.workflow';

type Kept = Omit<Draft, 'effects' | 'aborted'>;

export interface CommitsOptions {
  readonly log: Log;
  readonly limits: Limits;
  readonly events: Partition;
  readonly ended: Partition;
  readonly bus: Partition;
  now(): number;
  /** So many drafts are durable. */
  committed(count: number): void;
  /** What the last ones told is not stored, and never will be. */
  failed(error: unknown): void;
}

export class Commits {
  readonly #options: CommitsOptions;
  #drafts: { readonly draft: Kept; resolve(): void }[] = [];
  #running: Promise<void> | undefined;
  #closed = false;
  #turn = 0;

  constructor(options: CommitsOptions) {
    this.#options = options;
  }

  /** Resolves when the draft is durable; never, when that fails. */
  add(draft: Kept): Promise<void> {
    return new Promise((resolve) => {
      this.#drafts.push({ draft, resolve });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when everything added so far is durable. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#drafts.length > 0 && !this.#closed) {
      const taken = this.#drafts;
      this.#drafts = [];
      try {
        await this.#write(this.#requestOf(taken.map(({ draft }) => draft)));
      } catch (error) {
        this.#closed = true;
        this.#options.failed(error);
        return;
      }
      this.#options.committed(taken.length);
      for (const { resolve } of taken) resolve();
    }
    this.#running = undefined;
  }

  async #write(request: CommitRequest): Promise<void> {
    for (;;) {
      try {
        crashPoint('workflow-before-commit');
        await this.#options.log.commit(request);
        crashPoint('workflow-after-commit');
        return;
      } catch (error) {
        if (!(error instanceof SluiceError && error.code === 'LOG_BUSY') || this.#closed) throw error;
        await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
      }
    }
  }

  #requestOf(drafts: readonly Kept[]): CommitRequest {
    const { events, ended } = this.#options;
    const appends: { partition: Partition; batch: Uint8Array; expectedOffset?: number }[] = [];
    const place = (partition: Partition, batches: readonly Uint8Array[], at: number) => {
      for (const [index, batch] of batches.entries()) {
        // Nobody else may have written there: heads of instances are offsets.
        appends.push(index === 0 ? { partition, batch, expectedOffset: at } : { partition, batch });
      }
    };
    for (const draft of drafts) {
      place(events, draft.events, draft.eventsAt);
      place(ended, draft.ended, draft.endedAt);
    }
    for (const one of this.#emitted(drafts.flatMap(({ emissions }) => emissions))) appends.push(one);
    const heard = drafts.findLast((draft) => draft.heard !== null)?.heard ?? null;
    const { topic, index } = this.#options.bus;
    const offset = { group: BUS_GROUP, topic: topic.name, partition: index };
    const offsets = heard === null ? [] : [{ ...offset, offset: heard }];
    return { appends, offsets, stateBlocks: drafts.flatMap(({ blocks }) => blocks) };
  }

  /** Records for topics, in batches by partition. @throws TOPIC_UNKNOWN */
  #emitted(emissions: readonly Emission[]): { partition: Partition; batch: Uint8Array }[] {
    const { log, now } = this.#options;
    const builders = new Map<Partition, BatchBuilder>();
    const batches: { partition: Partition; batch: Uint8Array }[] = [];
    for (const { topic, key, value, headers } of emissions) {
      const { partitions } = log.topic(topic);
      const keyBytes = key === null ? null : encodeUtf8(key);
      const index = keyBytes === null ? this.#turn++ % partitions.length : partitionForKey(keyBytes, partitions.length);
      const partition = partitions[index] as Partition;
      const builder = builders.get(partition) ?? new BatchBuilder(BATCH_BYTES / 16);
      builders.set(partition, builder);
      const valueBytes = encodeUtf8(value);
      if (builder.count > 0 && builder.bytes + valueBytes.length > BATCH_BYTES) {
        batches.push({ partition, batch: builder.finish().slice() });
        builder.reset();
      }
      const fields = Object.entries(headers).map(([name, text]) => ({ key: name, value: encodeUtf8(text) }));
      builder.add(keyBytes, valueBytes, fields, now());
    }
    for (const [partition, builder] of builders) batches.push({ partition, batch: builder.finish() });
    return batches;
  }

  /** What is not on its way yet is dropped. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#drafts = [];
    await this.#running?.catch(() => undefined);
  }
}
