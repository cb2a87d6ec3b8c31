/** Reading a partition of the reference engine: a copy of the batches at the position. */
import { SluiceError } from '#kernel';
import { iterateRecords } from '#record';
import type { Chunk, Cursor } from './contract.ts';
import type { MemoryPartition, StoredBatch } from './memory-partition.ts';

export class MemoryCursor implements Cursor {
  readonly #partition: MemoryPartition;
  position = 0;

  constructor(partition: MemoryPartition, offset: number) {
    this.#partition = partition;
    this.seek(offset);
  }

  seek(offset: number): void {
    const { start, durable } = this.#partition;
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > durable) {
      throw new SluiceError('OFFSET_OUT_OF_RANGE', `offset ${offset} is beyond the end ${durable}`, { durable });
    }
    if (offset < start) throw trimmed(offset, start);
    this.position = offset;
  }

  next(maxBytes: number): Chunk | null {
    this.#partition.checkOpen();
    const { start, durable, batches } = this.#partition;
    if (this.position < start) throw trimmed(this.position, start);
    const taken: StoredBatch[] = [];
    let bytes = 0;
    for (let i = firstAfter(batches, this.position); i < batches.length; i++) {
      const batch = batches[i] as StoredBatch;
      if (batch.nextOffset > durable) break;
      if (taken.length > 0 && bytes + batch.bytes.length > maxBytes) break;
      taken.push(batch);
      bytes += batch.bytes.length;
    }
    const [first] = taken;
    // Without a batch, what lay between the position and the durable end was compacted away.
    this.position = taken.at(-1)?.nextOffset ?? durable;
    if (first === undefined) return null;
    const whole = Buffer.concat(taken.map((batch) => batch.bytes));
    return { bytes: whole, firstOffset: first.baseOffset, nextOffset: this.position };
  }
}

/** The first readable offset whose record is not older than `timestamp`. */
export function findTime({ batches, start, durable }: MemoryPartition, timestamp: number): number {
  for (const batch of batches) {
    if (batch.nextOffset > durable) break;
    if (batch.maxTimestamp < timestamp) continue;
    for (const record of iterateRecords(batch.bytes)) {
      if (record.timestamp >= timestamp && record.offset >= start) return record.offset;
    }
  }
  return durable;
}

/** Index of the first batch that ends behind `offset`. */
function firstAfter(batches: readonly StoredBatch[], offset: number): number {
  let low = 0;
  let high = batches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((batches[middle] as StoredBatch).nextOffset <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function trimmed(offset: number, start: number): SluiceError {
  return new SluiceError('OFFSET_TRIMMED', `offset ${offset} is no longer kept; the first one is ${start}`, { start });
}
