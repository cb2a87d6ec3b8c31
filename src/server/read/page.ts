/**
 * One page of a partition: the records from an offset on, as JSON, lines of JSON, MessagePack, or as the stored
 * batches. All in one turn of the event loop, since a chunk is valid only until the next call into the log.
 */
import { Packr } from 'msgpackr';
import type { Chunk, Partition } from '#log';
import { batchByteLength, batchNextOffset, iterateRecords, type LogRecord } from '#record';
import { recordJson } from './record-json.ts';

export const PAGE_TYPES = [
  'application/json',
  'application/x-ndjson',
  'application/msgpack',
  'application/vnd.sluice.batch',
] as const;
export type PageType = (typeof PAGE_TYPES)[number];

export interface Page {
  readonly body: string | Uint8Array;
  /** Where the next page begins. */
  readonly next: number;
  readonly durable: number;
}

const packr = new Packr({ useRecords: false, variableMapSize: true });

/**
 * The page at `offset`; empty when the partition ends there.
 * @param maxBytes of stored batches; at least one batch is taken
 * @throws OFFSET_TRIMMED, OFFSET_OUT_OF_RANGE, BATCH_QUARANTINED
 */
export function readPage(partition: Partition, offset: number, maxBytes: number, type: PageType): Page {
  const chunk = partition.cursor(offset).next(maxBytes);
  const { durable } = partition;
  const next = chunk?.nextOffset ?? offset;
  switch (type) {
    case 'application/vnd.sluice.batch':
      return { body: chunk?.bytes ?? new Uint8Array(0), next, durable };
    case 'application/x-ndjson':
      return { body: jsonLines(chunk, offset), next, durable };
    case 'application/msgpack':
      return { body: packr.pack({ records: packedRecords(chunk, offset), next, durable }), next, durable };
    default: {
      const records = jsonTexts(chunk, offset).join(',');
      return { body: `{"records":[${records}],"next":${next},"durable":${durable}}`, next, durable };
    }
  }
}

/** Records of the chunk's batches at or above `from`; batches that end below it are not decoded. */
export function* recordsFrom(bytes: Uint8Array, from: number): Iterable<LogRecord> {
  for (let at = 0; at < bytes.length; at += batchByteLength(bytes, at)) {
    if (batchNextOffset(bytes, at) <= from) continue;
    for (const record of iterateRecords(bytes, at)) {
      if (record.offset >= from) yield record;
    }
  }
}

function jsonTexts(chunk: Chunk | null, from: number): string[] {
  const texts: string[] = [];
  if (chunk === null) return texts;
  for (const record of recordsFrom(chunk.bytes, from)) texts.push(recordJson(record));
  return texts;
}

function jsonLines(chunk: Chunk | null, from: number): string {
  const texts = jsonTexts(chunk, from);
  return texts.length === 0 ? '' : `${texts.join('\n')}\n`;
}

function packedRecords(chunk: Chunk | null, from: number): object[] {
  const records: object[] = [];
  if (chunk === null) return records;
  for (const { offset, timestamp, key, value, headers } of recordsFrom(chunk.bytes, from)) {
    const named = Object.fromEntries(headers.map((header) => [header.key, header.value]));
    records.push({ offset, timestamp, key, value, headers: named });
  }
  return records;
}
