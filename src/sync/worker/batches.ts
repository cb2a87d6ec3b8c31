/**
 * Records into batches, one builder a partition: a batch is cut when it is large enough, and leaves in a buffer of its own that
 * can be handed to another thread. Used by both halves of a job.
 */
import { EMPTY, type Limits } from '#kernel';
import { BatchBuilder, partitionForKey } from '#record';
import type { EncodedBatch } from './protocol.ts';

const BATCH_BYTES = 256 * 1024;
const KEY_BYTES = 1024;
const UTF8_BYTES_MAX = 3;
/** What a record needs beside its key and value, at most. */
const FRAME_BYTES = 256;

export class Batches {
  readonly #builders: (BatchBuilder | undefined)[];
  readonly #limits: Limits;
  #done: EncodedBatch[] = [];
  #key: Buffer = Buffer.allocUnsafe(KEY_BYTES);
  #turn = 0;
  /** Of keys and values, since it was taken last. */
  bytes = 0;

  constructor(partitions: number, limits: Limits) {
    this.#builders = new Array<BatchBuilder | undefined>(partitions).fill(undefined);
    this.#limits = limits;
  }

  /** Key and value are copied. False where the log cannot hold such a record. */
  add(key: string | null, value: Uint8Array | null, timestamp: number): boolean {
    let keyLength = -1;
    if (key !== null) {
      if (key.length * UTF8_BYTES_MAX > this.#key.length) this.#key = Buffer.allocUnsafe(key.length * UTF8_BYTES_MAX);
      keyLength = this.#key.write(key);
    }
    const bytes = Math.max(0, keyLength) + (value?.length ?? 0);
    if (bytes + FRAME_BYTES > this.#limits.recordBytesMax) return false;
    const count = this.#builders.length;
    const partition = keyLength < 0 ? this.#turn++ % count : partitionForKey(this.#key, count, 0, keyLength);
    let builder = this.#builders[partition];
    if (builder === undefined) {
      builder = new BatchBuilder(BATCH_BYTES);
      this.#builders[partition] = builder;
    }
    if (builder.count > 0 && builder.bytes + bytes + FRAME_BYTES > BATCH_BYTES) this.#cut(partition, builder);
    builder.addPieces(this.#key, 0, keyLength, value ?? EMPTY, 0, value?.length ?? -1, null, 0, 0, timestamp);
    this.bytes += bytes;
    return true;
  }

  /** All that was added. */
  take(): readonly EncodedBatch[] {
    this.#builders.forEach((builder, partition) => {
      if (builder !== undefined && builder.count > 0) this.#cut(partition, builder);
    });
    const done = this.#done;
    this.#done = [];
    this.bytes = 0;
    return done;
  }

  #cut(partition: number, builder: BatchBuilder): void {
    // `slice` makes a buffer of its own, which `subarray` does not.
    this.#done.push({ partition, batch: builder.finish().slice() });
    builder.reset();
  }
}
