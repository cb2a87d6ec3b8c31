/**
 * The memory in which batches wait for their group commit. A chunk is a run of batches of one partition,
 * back to back in one buffer, and becomes one LMDB value: small batches so cost one put together, not one each.
 *
 * LMDB keeps only a pointer to a value until the commit has ended, so a buffer is never written again before
 * `release`. Buffers come in five sizes and are kept for reuse; a larger batch gets one of its own.
 * The sizes leave room for LMDB's page header, so that a value fills its pages.
 */

const PAGE_HEADER_BYTES = 24;
const SIZES = [4, 16, 64, 256].map((kib) => kib * 1024 - PAGE_HEADER_BYTES);
const KEPT_BYTES_MAX = 48 * 1024 * 1024;

export interface Chunk {
  readonly buffer: Buffer;
  readonly baseOffset: number;
  used: number;
}

export class ChunkBuffers {
  readonly #free: Buffer[][] = SIZES.map(() => []);
  #keptBytes = 0;

  /** A chunk with room for `bytes`; larger than `after` was, so that a busy partition needs few. */
  take(bytes: number, baseOffset: number, after: Chunk | undefined): Chunk {
    const wanted =
      after === undefined ? bytes : Math.max(bytes, Math.min(after.buffer.length * 4, SIZES.at(-1) as number));
    const index = SIZES.findIndex((size) => size >= wanted);
    if (index === -1) return { buffer: Buffer.allocUnsafeSlow(bytes), baseOffset, used: 0 };
    const kept = (this.#free[index] as Buffer[]).pop();
    if (kept !== undefined) this.#keptBytes -= kept.length;
    return { buffer: kept ?? Buffer.allocUnsafeSlow(SIZES[index] as number), baseOffset, used: 0 };
  }

  release(chunk: Chunk): void {
    const index = SIZES.indexOf(chunk.buffer.length);
    if (index === -1 || this.#keptBytes + chunk.buffer.length > KEPT_BYTES_MAX) return;
    (this.#free[index] as Buffer[]).push(chunk.buffer);
    this.#keptBytes += chunk.buffer.length;
  }
}
