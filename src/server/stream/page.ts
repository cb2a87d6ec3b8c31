/**
 * Reading a stream from a position on: whole batches of the log, across the parts a fork has inherited and its own. The bytes
 * are copied, since a view of the log is valid only until the next call into it.
 */
import { assert } from '#kernel';
import type { Chunk } from '#log';
import { batchByteLength, batchNextOffset, type Header, iterateRecords } from '#record';
import { joinMessages } from './messages.ts';
import type { Extent, Stream } from './stream.ts';

export interface StreamRecord {
  readonly position: number;
  readonly value: Uint8Array;
  readonly headers: readonly Header[];
  /** It is the first of its batch. */
  readonly beginsBatch: boolean;
}

export interface StreamRecords {
  readonly records: readonly StreamRecord[];
  /** Where to go on. */
  readonly next: number;
}

export interface StreamPage {
  readonly body: Uint8Array;
  readonly next: number;
}

/** Small appends are looked up one by one; more than this in one turn would hold up everybody else. */
const LOOKUPS_MAX = 2_000;
const NO_VALUE = new Uint8Array();

/** @throws BATCH_QUARANTINED */
export function readPage(stream: Stream, position: number, maxBytes: number): StreamPage {
  const { records, next } = readRecords(stream, position, maxBytes);
  const values = records.map(({ value }) => value);
  return { body: joinMessages(stream.isJson, values), next };
}

/**
 * The records from `position` on: about `maxBytes`, at least one unless the stream ends there. Before a damaged batch it
 * stops; at one it throws.
 * @throws BATCH_QUARANTINED
 */
export function readRecords(stream: Stream, position: number, maxBytes: number): StreamRecords {
  const records: StreamRecord[] = [];
  const end = stream.tail;
  let next = position;
  let bytes = 0;
  for (let lookups = 0; next < end && bytes < maxBytes && lookups < LOOKUPS_MAX; lookups++) {
    const extent = stream.extentAt(next);
    const chunk = chunkAt(extent, next, maxBytes - bytes, records.length > 0);
    if (chunk === undefined) break;
    bytes += chunk.bytes.length;
    next = addRecords(records, extent, Uint8Array.from(chunk.bytes), next);
  }
  return { records, next };
}

function chunkAt(extent: Extent, position: number, maxBytes: number, mayFail: boolean): Chunk | undefined {
  try {
    const chunk = extent.partition.cursor(extent.offset + position - extent.from).next(maxBytes);
    assert(chunk !== null, 'a stream has records up to its tail');
    return chunk;
  } catch (error) {
    if (mayFail) return undefined;
    throw error;
  }
}

/** Adds those of the chunk that belong to the extent, from a position on, and answers the position behind them. */
function addRecords(records: StreamRecord[], extent: Extent, bytes: Uint8Array, from: number): number {
  const shift = extent.from - extent.offset;
  let next = from;
  for (let at = 0; at < bytes.length && next < extent.to; at += batchByteLength(bytes, at)) {
    if (batchNextOffset(bytes, at) + shift <= from) continue;
    let beginsBatch = true;
    for (const { offset, value, headers } of iterateRecords(bytes, at)) {
      const position = offset + shift;
      if (position >= extent.to) break;
      if (position >= from) {
        records.push({ position, value: value ?? NO_VALUE, headers, beginsBatch });
        next = position + 1;
      }
      beginsBatch = false;
    }
  }
  return next;
}
