/**
 * What a number of processings want committed, all of it in one commit: the records of commands, events and rejections, the
 * state they lead to, and what is to be done once that is durable. Filled by the engine, written by the thread of the log.
 */
import { BatchBuilder } from '#record';
import type { EffectId } from './effect.ts';
import type { Emission } from './run.ts';

/** Below `batchBytesMax`, with room for one more record. */
const BATCH_BYTES = 256 * 1024;
const INITIAL_BYTES = 16 * 1024;

export interface StoredBlock {
  readonly space: string;
  readonly block: Uint8Array;
}

/** The end of a run, for whoever waits for it. */
export interface Ended {
  readonly id: string;
  readonly workflow: string;
  readonly version: number;
  readonly status: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly output: unknown;
  readonly error: unknown;
}

export interface Draft {
  readonly events: readonly Uint8Array[];
  readonly eventsAt: number;
  readonly ended: readonly Uint8Array[];
  readonly endedAt: number;
  readonly blocks: readonly StoredBlock[];
  /** How far the bus of events was heard; null: no further than before. */
  readonly heard: number | null;
  readonly emissions: readonly Emission[];
  readonly effects: readonly EffectId[];
  readonly aborted: readonly EffectId[];
  readonly ends: readonly Ended[];
  readonly steps: number;
}

/** Records for one partition, in batches that are not too large. */
export class RecordWriter {
  readonly #builder = new BatchBuilder(INITIAL_BYTES);
  #batches: Uint8Array[] = [];
  /** The offset that the next record gets. */
  next = 0;

  add(key: Uint8Array, value: Uint8Array, timestamp: number): void {
    if (this.#builder.count > 0 && this.#builder.bytes + value.length > BATCH_BYTES) this.#close();
    this.#builder.add(key, value, [], timestamp);
    this.next++;
  }

  get bytes(): number {
    return this.#batches.length * BATCH_BYTES + (this.#builder.count === 0 ? 0 : this.#builder.bytes);
  }

  #close(): void {
    this.#batches.push(this.#builder.finish().slice());
    this.#builder.reset();
  }

  take(): Uint8Array[] {
    if (this.#builder.count > 0) this.#close();
    const batches = this.#batches;
    this.#batches = [];
    return batches;
  }
}
