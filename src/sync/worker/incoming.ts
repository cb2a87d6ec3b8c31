/**
 * What a target reads: the records of a run of batches, one after the other, as changes. A topic of a job holds changes; in any
 * other topic a JSON object is a record as it is now, and a record without a value the deletion of what its key names.
 */
import type { Row, Value } from '#connector';
import { decodeUtf8, SluiceError } from '#kernel';
import { iterateBatches, RecordCursor } from '#record';
import { type ChangeRecord, decodeChange } from '../change-record.ts';
import type { RejectedRecord } from './protocol.ts';

/** Codes that are about the record, and not about the system or the job. */
export const REJECTING: ReadonlySet<string> = new Set(['RECORD_REJECTED', 'TRANSFORM_FAILED', 'VALUE_MALFORMED']);

/** Where a record stands in the bytes that were read, for when it has to be told of. */
export interface Origin {
  readonly offset: number;
  readonly timestamp: number;
  readonly bytes: Uint8Array;
  readonly keyAt: number;
  readonly keyLength: number;
  readonly valueAt: number;
  readonly valueLength: number;
}

export type Decode = (origin: Origin) => ChangeRecord;

/** @param bytes whole batches, which stay as they are @param from records before this offset are left out */
export function* origins(bytes: Uint8Array, from: number): Iterable<Origin> {
  const cursor = new RecordCursor();
  for (const { at } of iterateBatches(bytes)) {
    cursor.open(bytes, at);
    while (cursor.next()) {
      if (cursor.offset < from) continue;
      const { offset, timestamp, keyAt, keyLength, valueAt, valueLength } = cursor;
      yield { offset, timestamp, bytes: cursor.bytes, keyAt, keyLength, valueAt, valueLength };
    }
  }
}

/** @throws VALUE_MALFORMED */
export function decodeStored({ bytes, valueAt, valueLength }: Origin): ChangeRecord {
  if (valueLength < 0) throw new SluiceError('VALUE_MALFORMED', 'it is no change of a sync job');
  return decodeChange(bytes, valueAt, valueAt + valueLength);
}

/** Of any topic of JSON records. @param keys a key of one field can be that of a deletion */
export function decoderOfJson(stream: string, keys: readonly string[]): Decode {
  const [key, ...further] = keys;
  return ({ bytes, keyAt, keyLength, valueAt, valueLength }) => {
    if (valueLength < 0) {
      if (keyLength < 0 || key === undefined || further.length > 0) {
        throw new SluiceError('VALUE_MALFORMED', 'a deletion needs a key, and a stream with one key field');
      }
      const text = decodeUtf8(bytes.subarray(keyAt, keyAt + keyLength), 'the key');
      return { stream, op: 'delete', before: { [key]: text } };
    }
    let value: unknown;
    try {
      value = JSON.parse(decodeUtf8(bytes.subarray(valueAt, valueAt + valueLength), 'the value'));
    } catch (error) {
      throw new SluiceError('VALUE_MALFORMED', `the value is not JSON: ${String(error)}`);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new SluiceError('VALUE_MALFORMED', 'the value is not an object');
    }
    const after: Record<string, Value> = {};
    for (const [name, one] of Object.entries(value)) {
      after[name] = typeof one === 'object' && one !== null && !Array.isArray(one) ? JSON.stringify(one) : one;
    }
    return { stream, op: 'update', after: after as Row };
  };
}

export function rejection(
  { offset, timestamp, bytes, keyAt, keyLength, valueAt, valueLength }: Origin,
  code: string,
  message: string,
): RejectedRecord {
  const own = (at: number, length: number) => (length < 0 ? null : new Uint8Array(bytes.subarray(at, at + length)));
  return {
    offset,
    key: own(keyAt, keyLength),
    value: own(valueAt, valueLength),
    timestamp,
    code,
    message,
  };
}
