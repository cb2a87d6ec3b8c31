/**
 * Keys inside a segment. Twelve bytes, so that LMDB's byte order is the order of partition, then offset:
 *
 *   u32 BE  partition id, never reused        u64 BE  base offset of the chunk
 *   ───────────────────────────────────       ────────────────────────────────
 *   JOURNAL_ID                                sequence number of the journal entry
 *   SUMMARY_ID                                0: written when the segment is sealed
 */

export const KEY_BYTES = 12;
export const JOURNAL_ID = 0xffff_fffe;
export const SUMMARY_ID = 0xffff_ffff;
/** Partition ids are below this. */
export const PARTITION_ID_END = 0xffff_0000;

const TWO_32 = 2 ** 32;

/** Writes the key into `into` (a shared buffer: LMDB copies it) and returns that. */
export function writeKey(into: Buffer, id: number, offset: number): Buffer {
  into.writeUInt32BE(id, 0);
  into.writeUInt32BE(Math.floor(offset / TWO_32), 4);
  into.writeUInt32BE(offset % TWO_32, 8);
  return into;
}

export function newKey(id: number, offset: number): Buffer {
  return writeKey(Buffer.allocUnsafe(KEY_BYTES), id, offset);
}

export function keyId(key: Buffer): number {
  return key.readUInt32BE(0);
}

export function keyOffset(key: Buffer): number {
  return key.readUInt32BE(4) * TWO_32 + key.readUInt32BE(8);
}
