/** What the contract suite needs of an engine, and the small words its tests are written in. */
import { expect } from 'vitest';
import { type Clock, decodeUtf8, type ErrorCode, encodeUtf8, type Limits, type SluiceError } from '#kernel';
import type { Log, Partition, TopicConfig } from '#log';
import { type BatchOptions, encodeBatch, iterateBatches, iterateRecords, type RecordInput } from '#record';

export interface OpenOptions {
  /** Laid over the defaults with `resolveLimits`. */
  readonly limits?: Partial<Limits>;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

export interface LogFixture {
  readonly name: string;
  /** A new, empty log. */
  open(options?: OpenOptions): Promise<Log>;
  /** Closes the log and opens what it stored, with the same options. Absent where nothing outlives `close`. */
  readonly reopen?: (log: Log) => Promise<Log>;
  /** Lets every commit fail with the error until called with undefined. Absent where it cannot be arranged. */
  readonly failCommits?: (log: Log, error: SluiceError | undefined) => void;
  /** After each test: closes and removes whatever it opened. */
  cleanup(): Promise<void>;
}

/** A record as tests name it; `null` as the value is a tombstone. */
export interface PlainRecord {
  readonly key?: string | null;
  readonly value: string | null;
  readonly timestamp?: number;
}

export interface ReadRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
}

export const READ_BYTES = 1024 * 1024;

/** One batch of records; a string is a record of that value without a key. */
export function batchOf(records: readonly (string | PlainRecord)[], options: BatchOptions = {}): Uint8Array {
  return encodeBatch(
    records.map((record): RecordInput => {
      if (typeof record === 'string') return { value: encodeUtf8(record) };
      const { key = null, value, timestamp } = record;
      return {
        key: key === null ? null : encodeUtf8(key),
        value: value === null ? null : encodeUtf8(value),
        ...(timestamp === undefined ? {} : { timestamp }),
      };
    }),
    options,
  );
}

/** A batch of `count` records of about `bytes` bytes altogether. */
export function batchOfSize(bytes: number, count = 1): Uint8Array {
  return batchOf(
    Array.from({ length: count }, (_, i) => String(i).padEnd(Math.max(1, Math.floor(bytes / count)), '.')),
  );
}

export function stamped(sequence: number, values: readonly string[], id = 7, epoch = 0): Uint8Array {
  return batchOf(values, { producer: { id, epoch, sequence } });
}

/** Everything readable from `from` on. The reads themselves are checked: they follow each other without overlap. */
export function readAll(partition: Partition, from: number = partition.start, maxBytes = READ_BYTES): ReadRecord[] {
  const cursor = partition.cursor(from);
  const records: ReadRecord[] = [];
  let expected = from;
  for (let chunk = cursor.next(maxBytes); chunk !== null; chunk = cursor.next(maxBytes)) {
    const { bytes, firstOffset, nextOffset } = chunk;
    if (records.length > 0) expect(firstOffset).toBeGreaterThanOrEqual(expected);
    expect(nextOffset).toBeGreaterThan(expected);
    expect(cursor.position).toBe(nextOffset);
    for (const { at } of iterateBatches(bytes)) {
      for (const { offset, timestamp, key, value } of iterateRecords(bytes, at)) {
        if (offset < from) continue;
        expect(offset).toBeGreaterThanOrEqual(Math.max(firstOffset, records.at(-1)?.offset ?? 0));
        expect(offset).toBeLessThan(nextOffset);
        records.push({ offset, timestamp, key: key && decodeUtf8(key), value: value && decodeUtf8(value) });
      }
    }
    expected = nextOffset;
  }
  expect(cursor.position).toBe(partition.durable);
  return records;
}

export function valuesOf(partition: Partition, from?: number, maxBytes?: number): (string | null)[] {
  return readAll(partition, from, maxBytes).map(({ value }) => value);
}

/** A new topic `t` and its first partition. */
export async function onePartition(log: Log, config: Partial<TopicConfig> = {}): Promise<Partition> {
  await log.createTopic('t', config);
  return log.partition('t', 0);
}

/** Matches a coded error; `details` need only be part of what it carries. */
export function coded(code: ErrorCode, details: Record<string, unknown> = {}): unknown {
  return expect.objectContaining({ name: 'SluiceError', code, details: expect.objectContaining(details) });
}
