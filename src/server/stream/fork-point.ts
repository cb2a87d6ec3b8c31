/**
 * Where a fork leaves its source. The protocol names it by an offset and, past that, a number of messages (of a JSON
 * stream) or of bytes, which may not go beyond the append that stands at the offset. Whole records before the point are
 * inherited as they are; what is left of a record that is cut becomes the fork's own first record.
 */
import { SluiceError } from '#kernel';
import { continuesAppend } from './messages.ts';
import { readRecords } from './page.ts';
import type { Stream } from './stream.ts';

export interface ForkPoint {
  /** The first position that is not inherited. */
  readonly position: number;
  /** The beginning of a record that is cut. */
  readonly prefix: Uint8Array | undefined;
}

const READ_BYTES = 1024 * 1024;

/** @throws REQUEST_INVALID where there is no such point, BATCH_QUARANTINED */
export function findForkPoint(source: Stream, position: number, subOffset: number): ForkPoint {
  if (position > source.tail) {
    throw new SluiceError('REQUEST_INVALID', 'the offset is beyond the end of the source', {
      field: 'Stream-Fork-Offset',
    });
  }
  let left = subOffset;
  let at = position;
  if (left === 0) return { position: at, prefix: undefined };
  for (const value of appendAt(source, position)) {
    const size = source.isJson ? 1 : value.length;
    if (size > left) return { position: at, prefix: value.slice(0, left) };
    left -= size;
    at++;
    if (left === 0) return { position: at, prefix: undefined };
  }
  throw new SluiceError('REQUEST_INVALID', 'the sub-offset goes beyond the append at the offset', {
    field: 'Stream-Fork-Sub-Offset',
  });
}

/** The records from a position on, to the end of the append that holds it. */
function* appendAt(source: Stream, position: number): Iterable<Uint8Array> {
  let at = position;
  while (at < source.tail) {
    const { records, next } = readRecords(source, at, READ_BYTES);
    for (const record of records) {
      if (record.beginsBatch && record.position > position && !continuesAppend(record.headers)) return;
      yield record.value;
    }
    at = next;
  }
}
