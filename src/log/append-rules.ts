/** What an append and a commit may carry: the same for every engine, checked before anything is accepted. */
import { type Limits, SluiceError } from '#kernel';
import { type BatchHeader, verifyBatch } from '#record';
import type { OffsetCommit, Partition, StateChange } from './contract.ts';

const GROUP_NAME_MAX = 249;
/** A space and a key together, in UTF-8; what the keys of every engine's store can hold. */
export const STATE_KEY_BYTES_MAX = 1_024;

/**
 * Exactly one whole batch within the limits, its checksum right.
 * @throws BATCH_TOO_LARGE, BATCH_MALFORMED, BATCH_UNSUPPORTED, BATCH_CRC_MISMATCH, TOO_MANY_RECORDS
 */
export function checkBatch(batch: Uint8Array, limits: Limits): BatchHeader {
  const { batchBytesMax, batchRecordsMax } = limits;
  if (batch.length > batchBytesMax) {
    throw new SluiceError('BATCH_TOO_LARGE', `a batch may have ${batchBytesMax} bytes, not ${batch.length}`);
  }
  const header = verifyBatch(batch);
  if (header.byteLength !== batch.length) {
    throw new SluiceError('BATCH_MALFORMED', `${batch.length - header.byteLength} bytes are left behind the batch`);
  }
  if (header.count > batchRecordsMax) {
    throw new SluiceError('TOO_MANY_RECORDS', `a batch may have ${batchRecordsMax} records, not ${header.count}`);
  }
  return header;
}

/** @throws REQUEST_INVALID */
export function checkGroupName(group: string): void {
  if (group.length < 1 || group.length > GROUP_NAME_MAX) {
    throw new SluiceError('REQUEST_INVALID', `a group name has 1 to ${GROUP_NAME_MAX} characters`);
  }
}

/** @throws REQUEST_INVALID for the group's name, OFFSET_OUT_OF_RANGE (details: `durable`) */
export function checkOffsetCommit({ group, offset }: OffsetCommit, { tail }: Partition): void {
  checkGroupName(group);
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > tail) {
    throw new SluiceError('OFFSET_OUT_OF_RANGE', `offset ${offset} is beyond the end ${tail}`, { durable: tail });
  }
}

/** @throws REQUEST_INVALID */
export function checkStateChange({ space, key }: StateChange): void {
  if (Buffer.byteLength(space) + Buffer.byteLength(key) > STATE_KEY_BYTES_MAX) {
    throw new SluiceError('REQUEST_INVALID', `a state space and key have at most ${STATE_KEY_BYTES_MAX} bytes`);
  }
}
